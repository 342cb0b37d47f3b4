cimport cython

@cython.final
cdef class Npu:
    cdef public long long rank, kernels_ns, finish_ns
    cdef public object program
    cdef public bint lost
    cdef public list start, end
    cdef object _machine
    cdef list _waits, _busy, _freed
    cdef tuple _ready
    cdef set _running
    cdef bint _odd, _swallows
    cdef long long _moved_ns
    cdef list _slot, _action, _children, _odds
    cpdef over(self, Py_ssize_t node)
    @cython.locals(child=Py_ssize_t, waits=list)
    cdef _release(self, Py_ssize_t node)
    @cython.locals(best=list, cpu=list, gpu=list, comm=list, free=list, ready=tuple, busy=list)
    cdef _scan(self)
    @cython.locals(slot=Py_ssize_t)
    cdef _issue(self, Py_ssize_t node)
    cdef _issue_other(self, Py_ssize_t node, action)
    cdef _settle(self)
