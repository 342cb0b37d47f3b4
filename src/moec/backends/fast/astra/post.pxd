cimport cython
from moec.backends.fast.astra.clock cimport Clock
from moec.backends.fast.astra.agenda cimport Event
from moec.backends.fast.astra.wires cimport Message, Wires

cdef class Post

@cython.final
cdef class Channel:
    cdef long long size, sends, receives, turn
    cdef Event first
    cdef Channel next
    cdef set early
    cdef dict others
    @cython.locals(number='long long')
    cdef bint wait(self, Event done)
    @cython.locals(found=Event)
    cdef Event come(self, long long number)
    cdef bint idle(self)

cdef class Letter(Message):
    cdef Post post
    cdef Channel channel
    cdef long long box, key, number
    cdef Event sent
    cpdef arrive(self)

cdef class Again(Event):
    cdef Event event
    cpdef happen(self)

cdef class Shaken(Event):
    cdef Post post
    cdef long long tag, src, dst, size
    cdef Event done
    cdef bint sends
    cpdef happen(self)

cdef class Post:
    cdef Clock _clock
    cdef Wires _wires
    cdef long long _ranks
    cdef bint _rendezvous
    cdef list _boxes
    cpdef send(self, long long tag, long long src, long long dst, long long size, Event sent)
    cpdef put(self, long long tag, long long src, long long dst, long long size, Event sent)
    @cython.locals(key='long long', channel=Channel, letter=Letter)
    cpdef Letter letter(self, long long tag, long long src, long long dst, long long size, Event sent)
    cpdef receive(self, long long tag, long long src, long long dst, long long size, Event done)
    @cython.locals(key='long long', channel=Channel)
    cpdef expect(self, long long tag, long long src, long long dst, long long size, Event done)
    @cython.locals(received=Event)
    cpdef deliver(self, Letter letter)
    @cython.locals(box=dict, first=Channel, channel=Channel)
    cdef Channel _channel(self, long long key, long long dst, long long size)
    @cython.locals(box=dict)
    cdef _close(self, Channel channel, long long dst, long long key)
