cimport cython
from moec.backends.astra.network.events.event cimport Event
from moec.backends.astra.network.events.wires cimport Message

cdef class Office

@cython.final
cdef class Inbox:
    cdef public Office office
    cdef long long dst, tag
    cdef public long long size
    cdef list balance
    cdef Event came
    cdef Py_ssize_t under_way, unequal
    @cython.locals(balance=Py_ssize_t)
    cpdef bint expect(self, Py_ssize_t src)
    @cython.locals(balance=Py_ssize_t)
    cdef bint get(self, Py_ssize_t src)

cdef class Slip(Message):
    cdef Inbox inbox
    cdef Py_ssize_t src
    @cython.locals(inbox=Inbox, came=Event)
    cpdef arrive(self)

@cython.final
cdef class Office:
    cdef Py_ssize_t _ranks
    cdef list _boxes
    @cython.locals(inbox=Inbox)
    cpdef Inbox claim(self, long long tag, Py_ssize_t dst, long long size, Event came)
    cpdef release(self, Inbox inbox)
    @cython.locals(slip=Slip)
    cpdef Slip slip(self, long long tag, Py_ssize_t src, Py_ssize_t dst, long long size)
    @cython.locals(inboxes=list)
    cpdef close(self, Inbox inbox)
    @cython.locals(boxes=dict, inboxes=list, inbox=Inbox, made=Inbox)
    cdef Inbox _inbox(self, long long tag, Py_ssize_t dst, long long size)
