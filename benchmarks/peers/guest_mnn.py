"""Runs on the board: MNN, one thread, float32. Reads model.mnn and input.npy."""

import guest_clock
import MNN
import numpy as np


def main():
    held_before = guest_clock.held()
    net = MNN.Interpreter("model.mnn")
    session = net.createSession({"backend": "CPU", "numThread": 1, "precision": "high"})
    data = np.load("input.npy")
    layout = MNN.Tensor_DimensionType_Caffe
    image = MNN.Tensor(data.shape, MNN.Halide_Type_Float, data, layout)

    def set_input():  # its memory is reused for other tensors
        net.getSessionInput(session).copyFrom(image)

    def infer():
        net.runSession(session)
        return net.getSessionOutput(session).getNumpyData()

    guest_clock.measure(infer, held_before, set_input)


main()
