"""Runs on the board: ncnn, one thread, float32. Reads model.param, model.bin and input.npy."""

import sys

import guest_clock
import ncnn
import numpy as np


def main():
    held_before = guest_clock.held()
    net = ncnn.Net()
    net.opt.num_threads = 1
    net.opt.use_vulkan_compute = False
    net.opt.lightmode = True
    for name in ("fp16_storage", "fp16_packed", "fp16_arithmetic", "bf16_storage"):
        setattr(net.opt, f"use_{name}", False)
    if net.load_param("model.param") != 0 or net.load_model("model.bin") != 0:
        sys.exit("ncnn: the network cannot be loaded")
    data, output_name = np.load("input.npy")[0], sys.argv[1]
    image = ncnn.Mat(data)  # refers to the array

    def infer():
        extractor = net.create_extractor()
        extractor.input("data", image)
        status, output = extractor.extract(output_name)
        if status != 0:
            sys.exit(f"ncnn: extract returned {status}")
        return output

    guest_clock.measure(infer, held_before)


main()
