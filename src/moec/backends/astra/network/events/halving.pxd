cimport cython
from moec.backends.astra.network.events.stream cimport Algorithm, Stream

cdef class Halving(Algorithm):
    cdef Stream stream
    cdef tuple ring
    cdef long long where, left, members, message, distance, fast, slow, slows, free, target, source
    cdef double factor
    cdef object packets
    cdef int reduces
    cdef bint turned, turns_back
    cpdef start(self)
    cpdef received(self)
    @cython.locals(packet=tuple)
    cpdef proceed(self)
    @cython.locals(reduces=bint)
    cdef _insert(self)
    cdef _scale(self)
    @cython.locals(n='long long', ahead=bint)
    cdef _aim(self)
