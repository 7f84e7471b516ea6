"""Runs on the board, untimed: model.onnx -> model.mnn, by MNN's own converter."""

import sys

from MNN.tools import mnnconvert

sys.argv = [
    *("mnnconvert", "-f", "ONNX", "--modelFile", "model.onnx"),
    *("--MNNModel", "model.mnn", "--bizCode", "benchmark"),
]
mnnconvert.main()
