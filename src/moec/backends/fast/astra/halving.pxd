cimport cython
from moec.backends.fast.astra.rank cimport Algorithm, Stream

cdef class Halving(Algorithm):
    cdef Stream stream
    cdef object phase
    cdef tuple ring
    cdef long long where, left, message, distance, fast, slow, free, target, source
    cdef double factor
    cdef object packets
    cdef bint turned
    cpdef start(self)
    cpdef received(self)
    cpdef proceed(self)
    cdef _insert(self)
    cdef _scale(self)
    cdef _aim(self)
