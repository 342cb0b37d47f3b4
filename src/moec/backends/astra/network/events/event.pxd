cimport cython

@cython.trashcan(True)
cdef class Event:
    cdef public long long time
    cdef Event after
    cpdef happen(self)
