"""Runs on the board: ONNX Runtime, one thread. Reads model.onnx and input.npy."""

import guest_clock
import numpy as np
import onnxruntime


def main():
    held_before = guest_clock.held()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    session = onnxruntime.InferenceSession(
        "model.onnx", options, providers=["CPUExecutionProvider"]
    )
    inputs = {"data": np.load("input.npy")}
    guest_clock.measure(lambda: session.run(None, inputs)[0], held_before)


main()
