cimport cython
from moec.backends.astra.network.events.event cimport Event

cdef bint COMPILED

cdef class Deferred(Event):
    cdef object call, argument
    cpdef happen(self)

@cython.final
cdef class Row:
    cdef Event first, last
    cdef void append(self, Event event) noexcept
    @cython.locals(event=Event)
    cdef Event take(self)
    cdef bint filled(self) noexcept

@cython.final
cdef class Clock:
    cdef public long long now
    cdef list _times, _rows
    cdef dict _lists
    cdef long long _levels
    cdef long long[16] _full
    cpdef at(self, long long time, call, argument)
    @cython.locals(events=list)
    cpdef put(self, long long time, Event event)
    cpdef run(self)
    @cython.locals(time='long long', event=Event)
    cdef _run_lists(self)
    @cython.locals(present=Row)
    cdef _run_rows(self)
    @cython.locals(apart='long long', level=int, digit=int, number=int, row=Row)
    cdef _place(self, Event event)
    @cython.locals(level=int, digit=int, full='long long', row=Row, event=Event)
    cdef bint _turn(self, Row present)

@cython.locals(place=int)
cdef int lowest(long long bits) noexcept
