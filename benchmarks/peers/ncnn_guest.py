"""Runs on the board: one inference to warm up, one between the emulator's BEGIN and END.

python3 ncnn_guest.py NETWORK SIZE; reads /NETWORK.param and /zeros; prints the result words.
"""

import ctypes
import sys

import ncnn
import numpy as np

_CALL_NUMBER, _BEGIN, _END = 4242, 1, 2  # guest_calls.h


def _infer(net, image):
    extractor = net.create_extractor()
    extractor.input("data", ncnn.Mat(image))
    status, _ = extractor.extract("prob")
    if status != 0:
        sys.exit(f"ncnn: extract returned {status}")


def main():
    network, size = sys.argv[1], int(sys.argv[2])
    libc = ctypes.CDLL(None)
    words = (ctypes.c_uint64 * 16)()

    def call(operation):
        libc.syscall(
            ctypes.c_long(_CALL_NUMBER),
            ctypes.c_long(operation),
            ctypes.c_void_p(ctypes.addressof(words)),
            ctypes.c_long(0),
        )

    net = ncnn.Net()
    net.opt.num_threads = 1
    net.opt.use_vulkan_compute = False
    net.opt.lightmode = True
    for name in ("fp16_storage", "fp16_packed", "fp16_arithmetic", "bf16_storage"):
        setattr(net.opt, f"use_{name}", False)
    if net.load_param(f"/{network}.param") != 0 or net.load_model("/zeros") != 0:
        sys.exit("ncnn: the network cannot be loaded")
    image = np.full((3, size, size), 0.01, np.float32)
    _infer(net, image)
    call(_BEGIN)
    _infer(net, image)
    call(_END)
    print("words", *words)


main()
