cimport cython
from moec.backends.astra.network.events.desk cimport Desk
from moec.backends.astra.network.events.event cimport Event
from moec.backends.astra.network.events.inbox cimport Inbox
from moec.backends.astra.network.events.post cimport Channel, Post
from moec.backends.astra.network.events.wires cimport Message, Train

cdef class Stream

cdef class Algorithm:
    cpdef start(self)
    cpdef proceed(self)
    cpdef received(self)

cdef class Proceeds(Event):
    cdef Stream stream
    cpdef happen(self)

cdef class Reduces(Event):
    cdef Stream stream
    cdef long long ns
    cpdef happen(self)

cdef class Received(Event):
    cdef Stream stream
    cpdef happen(self)

@cython.final
cdef class Stream:
    cdef public object rank
    cdef public list legs
    cdef public long long delay
    cdef public object done
    cdef public Desk desk
    cdef public object bus
    cdef public Post post
    cdef public long long member
    cdef public long long priority
    cdef public Py_ssize_t queue
    cdef public bint started
    cdef public long long tag
    cdef public Proceeds proceeds
    cdef public Received came
    cdef public long long reduced, reduction
    cdef public Algorithm algorithm
    cdef public tuple leg
    cpdef start(self)
    @cython.locals(reduction=Reduces, event=Event)
    cpdef hand_over(self, long long size, bint reduces, bint inward=*, bint back=*)
    cdef Channel _to, _from
    cdef Inbox _inbox
    cdef bint counted
    cpdef Message slip(self, long long dst, long long size)
    cpdef exchange(self, long long dst, long long src, long long size, Train train)
    @cython.locals(channel=Channel)
    cpdef send(self, long long dst, long long size)
    @cython.locals(channel=Channel)
    cpdef receive(self, long long src, long long size)
    cpdef finish(self)
