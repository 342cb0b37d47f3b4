cimport cython
from moec.backends.fast.astra.agenda cimport Agenda, Event

cdef class Deferred(Event):
    cdef object call, argument
    cpdef happen(self)

@cython.final
cdef class Clock:
    cdef public long long now
    cdef Agenda _agenda
    cpdef at(self, long long time, call, argument)
    cpdef put(self, long long time, Event event)
    @cython.locals(agenda=Agenda, event=Event)
    cdef _run(self)
    cpdef run(self)

cdef class Due(Event):
    cdef Desk desk
    cdef list events
    @cython.locals(event=Event)
    cpdef happen(self)

@cython.final
cdef class Desk:
    cdef public Clock clock
    cdef dict _due
    cdef Due _last
    cpdef after(self, long long delay, call, argument)
    @cython.locals(time='long long', due=Due)
    cpdef put(self, long long delay, Event event)
    cpdef close(self, Due due)
