cimport cython
from moec.backends.astra.network.events.clock cimport Clock
from moec.backends.astra.network.events.event cimport Event

cdef class Desk

cdef class Due(Event):
    cdef Desk desk
    cdef list events
    cdef Due older
    @cython.locals(event=Event)
    cpdef happen(self)

@cython.final
cdef class Desk:
    cdef public Clock clock
    cdef Due newest
    cpdef after(self, long long delay, call, argument)
    @cython.locals(time='long long', due=Due)
    cpdef put(self, long long delay, Event event)
    @cython.locals(newer=Due)
    cpdef close(self, Due due)
