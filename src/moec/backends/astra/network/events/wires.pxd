cimport cython
from moec.backends.astra.network.events.clock cimport Clock
from moec.backends.astra.network.events.event cimport Event

cdef int RING, SWITCH, FULL

@cython.trashcan(True)
cdef class Message(Event):
    cdef public long long size
    cdef public long long link, target
    cdef public long long hops
    cdef public Links wires
    cdef public Message then
    cpdef arrive(self)
    cpdef happen(self)

cdef class Train(Message):
    cdef public long long left
    cpdef Message make(self)

@cython.trashcan(True)
cdef class Parcel(Message):
    cdef object call, argument
    cpdef arrive(self)

cdef class Wires:
    cdef public bint loops
    cpdef carry(self, long long src, long long dst, long long size, Message message)
    cpdef bint couple(self, long long src, Train train)
    cpdef send(self, long long src, long long dst, long long size, call, argument)

cdef class Flights(Wires):
    cdef Clock _clock
    cdef tuple _dims
    cdef list _npus, _topologies
    cdef dict _known, _times
    cdef long long _size
    @cython.locals(dim='long long', count='long long', npus='long long', links='long long')
    cpdef carry(self, long long src, long long dst, long long size, Message message)

cdef class Link(Event):
    cdef Links wires
    cdef bint busy
    cdef Message first, last
    @cython.locals(message=Message, train=Train)
    cpdef happen(self)
    @cython.locals(message=Message)
    cdef drop(self)
    cdef append(self, Message message)

cdef class Links(Wires):
    cdef Clock _clock
    cdef object _dim
    cdef bint _folded
    cdef int _topology
    cdef long long _npus, _size, _hop, _hold
    cdef dict _links, _known
    @cython.locals(n='long long', clockwise='long long', onward=bint)
    cpdef carry(self, long long src, long long dst, long long size, Message message)
    cpdef hop(self, Message message)
    @cython.locals(link=Link)
    cpdef bint couple(self, long long src, Train train)
    @cython.locals(number='long long', link=Link)
    cdef _enter(self, Message message)
    cdef long long _part(self, long long link)
    @cython.locals(now='long long')
    cpdef start(self, Link link, Message message)
