"""Runs on the board, beside each library's program: the timed inference between BEGIN and END."""

import ctypes

import numpy as np

_CALL_NUMBER, _BEGIN, _END = 4242, 1, 2  # guest_calls.h
_IN_USE, _MAPPED = 7, 4  # uordblks and hblkhd of glibc's struct mallinfo2


class _Mallinfo2(ctypes.Structure):
    _fields_ = [("words", ctypes.c_size_t * 10)]


libc = ctypes.CDLL(None)
libc.mallinfo2.restype = _Mallinfo2


def held():
    """Bytes that were taken from malloc and not given back."""
    words = libc.mallinfo2().words
    return words[_IN_USE] + words[_MAPPED]


def measure(infer, held_before, prepare=lambda: None):
    """Run `infer` twice, time the second run, print the emulator's result words, keep its output.

    `infer` returns the network's output as an array; `held_before` is what `held` said before the
    model was loaded; `prepare` runs before each inference, untimed.
    """
    words = (ctypes.c_uint64 * 16)()

    def call(operation):
        libc.syscall(
            ctypes.c_long(_CALL_NUMBER),
            ctypes.c_long(operation),
            ctypes.c_void_p(ctypes.addressof(words)),
            ctypes.c_long(0),
        )

    prepare()
    infer()
    prepare()
    call(_BEGIN)
    output = infer()
    call(_END)
    np.save("output.npy", np.asarray(output, np.float32).reshape(-1))
    print("held", held() - held_before)
    print("words", *words)
