cimport cython
from moec.backends.astra.network.events.clock cimport Clock
from moec.backends.astra.network.events.event cimport Event
from moec.backends.astra.network.events.inbox cimport Office
from moec.backends.astra.network.events.wires cimport Message, Train, Wires

cdef class Post

@cython.final
@cython.freelist(64)
cdef class Channel:
    cdef Post post
    cdef public long long tag, src, dst, size
    cdef long long sends, receives, holders, turn
    cdef Event first
    cdef Channel next
    cdef set early
    cdef dict others
    @cython.locals(number='long long')
    cdef bint wait(self, Event done)
    @cython.locals(found=Event)
    cdef Event come(self, long long number)
    cdef bint idle(self) noexcept

cdef class Letter(Message):
    cdef Channel channel
    cdef long long number
    cdef Event sent
    cpdef arrive(self)

cdef class Again(Event):
    cdef Event event
    cpdef happen(self)

cdef class Shaken(Event):
    cdef Channel channel
    cdef Event done
    cdef bint sends
    @cython.locals(post=Post)
    cpdef happen(self)

cdef class Post:
    cdef Clock _clock
    cdef Wires _wires
    cdef long long _ranks
    cdef bint _rendezvous
    cdef list _boxes
    cdef public Office office
    cdef public bint counted
    cpdef slip(self, long long tag, long long src, long long dst, long long size, Train train)
    cpdef again(self, Event event)
    cdef Channel _shaken_on(self, Channel channel)
    cdef _sound(self, long long src, long long dst, long long size)
    @cython.locals(channel=Channel)
    cpdef send(self, long long tag, long long src, long long dst, long long size, Event sent)
    @cython.locals(channel=Channel)
    cpdef receive(self, long long tag, long long src, long long dst, long long size, Event done)
    @cython.locals(back=Channel)
    cpdef send_on(self, Channel channel, Event sent)
    @cython.locals(back=Channel)
    cpdef receive_on(self, Channel channel, Event done)
    cpdef put(self, Channel channel, Event sent)
    @cython.locals(letter=Letter)
    cpdef Letter letter(self, Channel channel, Event sent)
    cpdef expect(self, Channel channel, Event done)
    @cython.locals(channel=Channel, received=Event)
    cpdef deliver(self, Letter letter)
    @cython.locals(key='long long', box=dict, first=Channel, channel=Channel)
    cpdef Channel hold(self, long long tag, long long src, long long dst, long long size)
    cpdef release(self, Channel channel)
    @cython.locals(key='long long', box=dict)
    cdef _forget(self, Channel channel)
