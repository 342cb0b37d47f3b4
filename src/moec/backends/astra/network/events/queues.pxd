cimport cython

@cython.locals(row=Py_ssize_t, first=Py_ssize_t, to=Py_ssize_t, there='long long')
cpdef count(const long long[::1] pairs, Py_ssize_t n, long long[::1] sent, long long[::1] received)

@cython.locals(
    number='long long', latest='long long', shortest='long long', peers='long long[::1]', place=Py_ssize_t, member=Py_ssize_t,
    sends='long long', passed='long long', begin=Py_ssize_t, at=Py_ssize_t, node='long long', to=Py_ssize_t, time=double,
    holds='long long', takes='long long'
)
cpdef tuple issue(
    const long long[::1] pairs, Py_ssize_t n, Py_ssize_t rows, double rate, double latency, const long long[::1] sent,
    const long long[::1] received, const long long[::1] first, const long long[::1] orders, int bits, long long[::1] keys,
    long long[::1] row, long long[::1] left, long long[::1] held, long long[::1] hop
)

@cython.locals(found=Py_ssize_t, to=Py_ssize_t)
cdef void list_peers(
    const long long[::1] pairs, Py_ssize_t begin, Py_ssize_t member, Py_ssize_t n, long long[::1] peers
) noexcept

@cython.locals(
    mask='long long', port=Py_ssize_t, at=Py_ssize_t, stop=Py_ssize_t, settled=Py_ssize_t, free='long long',
    reached='long long', number=Py_ssize_t, arrival='long long'
)
cpdef serve(
    long long[::1] keys, Py_ssize_t n, int bits, const long long[::1] received, const long long[::1] row,
    const long long[::1] left, const long long[::1] held, const long long[::1] hop, const long long[::1] late,
    long long[::1] ends
)

@cython.locals(at=Py_ssize_t, place=Py_ssize_t, key='long long')
cdef void settle(
    long long[::1] keys, Py_ssize_t first, Py_ssize_t stop, long long mask, const long long[::1] row,
    const long long[::1] left, const long long[::1] late
) noexcept

@cython.locals(first='long long', second='long long')
cdef bint precedes(
    Py_ssize_t a, Py_ssize_t b, const long long[::1] row, const long long[::1] left, const long long[::1] late
) noexcept
