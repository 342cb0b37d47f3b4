cimport cython
from moec.backends.astra.network.events.stream cimport Algorithm, Stream

cdef class Tree(Algorithm):
    cdef Stream stream
    cdef Stream _stream
    cdef long long _size
    cdef tuple _ring
    cdef object _role, _where, _state
    cdef int _stray
    cpdef start(self)
    cpdef received(self)
    cpdef proceed(self)
