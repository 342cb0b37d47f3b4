cimport cython

cdef bint COMPILED

@cython.locals(place=int)
cdef int highest(long long number)

cdef class Event:
    cdef public long long time
    cpdef happen(self)

@cython.final
cdef class Agenda:
    cdef public long long now
    cdef public list present
    cdef list _times, _slots
    cdef dict _later
    cdef long long _levels
    cdef long long[16] _full
    @cython.locals(slot=list)
    cpdef add(self, long long time, Event event)
    cpdef bint advance(self)
    @cython.locals(apart='long long', level=int, digit=int, slot=list)
    cdef _place(self, Event event)
    @cython.locals(level=int, number=int, full='long long', slot=list, first=Event)
    cdef bint _turn(self)
    @cython.locals(event=Event)
    cdef _spread(self, list slot)
