cimport cython
from moec.backends.astra.network.events.desk cimport Desk
from moec.backends.astra.network.events.post cimport Post
from moec.backends.astra.network.events.stream cimport Stream

@cython.final
cdef class Rank:
    cdef public long long number
    cdef public object network
    cdef public Post post
    cdef public Desk desk
    cdef public object bus
    cdef object _algorithm_of
    cdef list _turns, _queues, _running
    cdef long long _limit
    cdef dict _trees
    @cython.locals(before=Py_ssize_t)
    cpdef advance(self, Stream stream)
    @cython.locals(queue=list, place=Py_ssize_t, other=Stream)
    cdef _enqueue(self, Stream stream)
    @cython.locals(queue=list, place=Py_ssize_t)
    cdef _fill(self, Py_ssize_t number)
