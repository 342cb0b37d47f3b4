cimport cython
from moec.backends.astra.network.events.stream cimport Algorithm, Stream
from moec.backends.astra.network.events.wires cimport Message, Train

cdef class Walk

cdef class InTurn(Train):
    cdef Walk walk
    cdef Py_ssize_t place
    @cython.locals(walk=Walk, to='long long')
    cpdef Message make(self)

cdef class Walk(Algorithm):
    cdef Stream stream
    cdef InTurn train
    cdef tuple ring
    cdef Py_ssize_t where, sends_to, waits_for, away
    cdef bint direct, turned, gathers_late
    cdef long long message
    cdef Py_ssize_t parallel, left, booked, fast, slow, slows, free, arrived, limit
    cdef int reduces
    @cython.locals(_=Py_ssize_t)
    cpdef start(self)
    cpdef received(self)
    @cython.locals(_=Py_ssize_t)
    cpdef proceed(self)
    @cython.locals(reduces=bint, inward=bint, back=bint)
    cdef _insert(self)
    @cython.locals(to='long long', from_='long long')
    cdef _send(self)
    @cython.locals(n=Py_ssize_t)
    cdef Py_ssize_t past(self, Py_ssize_t place, Py_ssize_t step)
