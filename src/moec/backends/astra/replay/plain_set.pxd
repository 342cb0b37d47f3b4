cimport cython
from moec.backends.astra.network.events.event cimport Event
from moec.backends.astra.network.events.post cimport Post
from moec.backends.astra.network.events.stream cimport Algorithm, Stream

cdef class Plain

cdef class Over(Event):
    cdef Plain plain
    cpdef happen(self)

cdef class Plain(Algorithm):
    cdef list _sends, _peers, _sizes, _tags
    cdef Stream _stream
    cdef Py_ssize_t _left
    cdef Event _over
    @cython.locals(stream=Stream, post=Post, member='long long', i=Py_ssize_t)
    cpdef start(self)
    cpdef over(self)
