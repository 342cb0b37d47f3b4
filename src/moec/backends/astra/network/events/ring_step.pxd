cimport cython

cdef bint COMPILED

@cython.locals(i=Py_ssize_t, come='long long')
cpdef step(
    long long[::1] ready, long long[::1] out, long long[::1] into, long long[::1] left, const long long[::1] before,
    long long hold, long long hop, long long delay, bint switched
)
