"""Runs on the board: LiteRT or, before it was named so, TensorFlow Lite; one thread, float32.

Reads model.tflite and input.npy.
"""

import guest_clock
import numpy as np

try:
    from ai_edge_litert.interpreter import Interpreter
except ImportError:
    from tflite_runtime.interpreter import Interpreter


def main():
    held_before = guest_clock.held()
    net = Interpreter(model_path="model.tflite", num_threads=1)  # XNNPACK where it is built in
    net.allocate_tensors()
    data = np.ascontiguousarray(np.load("input.npy").transpose(0, 2, 3, 1))
    net.set_tensor(net.get_input_details()[0]["index"], data)
    output = net.get_output_details()[0]["index"]

    def infer():
        net.invoke()
        return net.get_tensor(output)

    guest_clock.measure(infer, held_before)


main()
