"""Writes small TFLite files: float32, NHWC, one input and one output."""

from __future__ import annotations

import flatbuffers
import numpy as np
import tflite

_RELU = tflite.ActivationFunctionType.RELU
_RELU6 = tflite.ActivationFunctionType.RELU6


class Writer:
    """Tensors, buffers and operators of one model; tensors are numbers."""

    def __init__(self, input_shape: tuple[int, ...]) -> None:
        self._builder = flatbuffers.Builder(1024)
        self._buffers = [b""]  # the first one is empty by convention
        self._tensors: list[tuple[str, tuple[int, ...], int, int]] = []
        self._operators: list[tuple[int, list[int], int, int, int]] = []
        self._codes: list[int] = []
        self._input = self.tensor("data", input_shape)

    @property
    def data(self) -> int:
        """The input."""
        return self._input

    def tensor(self, name: str, shape: tuple[int, ...]) -> int:
        """Add a tensor that an operator computes."""
        self._tensors.append((name, shape, 0, tflite.TensorType.FLOAT32))
        return len(self._tensors) - 1

    def constant(self, name: str, array: np.ndarray) -> int:
        """Add a tensor with its values, float32 or int32."""
        kind = tflite.TensorType.FLOAT32 if array.dtype == np.float32 else tflite.TensorType.INT32
        self._buffers.append(array.tobytes())
        self._tensors.append((name, array.shape, len(self._buffers) - 1, kind))
        return len(self._tensors) - 1

    def conv(self, source: int, result: int, weight: np.ndarray, bias: np.ndarray, stride: int):
        """SAME convolution with ReLU; `weight` is (CO, KH, KW, CI)."""
        b = self._builder
        tflite.Conv2DOptionsStart(b)
        tflite.Conv2DOptionsAddPadding(b, tflite.Padding.SAME)
        tflite.Conv2DOptionsAddStrideH(b, stride)
        tflite.Conv2DOptionsAddStrideW(b, stride)
        tflite.Conv2DOptionsAddFusedActivationFunction(b, _RELU)
        options = tflite.Conv2DOptionsEnd(b)
        self._weighted("CONV_2D", "Conv2DOptions", source, result, weight, bias, options)

    def depthwise(self, source: int, result: int, weight: np.ndarray, bias: np.ndarray):
        """SAME convolution of each channel, with ReLU6; `weight` is (1, KH, KW, C)."""
        b = self._builder
        tflite.DepthwiseConv2DOptionsStart(b)
        tflite.DepthwiseConv2DOptionsAddPadding(b, tflite.Padding.SAME)
        tflite.DepthwiseConv2DOptionsAddStrideH(b, 1)
        tflite.DepthwiseConv2DOptionsAddStrideW(b, 1)
        tflite.DepthwiseConv2DOptionsAddDepthMultiplier(b, 1)
        tflite.DepthwiseConv2DOptionsAddFusedActivationFunction(b, _RELU6)
        options = tflite.DepthwiseConv2DOptionsEnd(b)
        kinds = ("DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions")
        self._weighted(*kinds, source, result, weight, bias, options)

    def max_pool(self, source: int, result: int) -> None:
        """VALID max pooling over windows of 2x2."""
        b = self._builder
        tflite.Pool2DOptionsStart(b)
        tflite.Pool2DOptionsAddPadding(b, tflite.Padding.VALID)
        for add in (
            tflite.Pool2DOptionsAddStrideH,
            tflite.Pool2DOptionsAddStrideW,
            tflite.Pool2DOptionsAddFilterHeight,
            tflite.Pool2DOptionsAddFilterWidth,
        ):
            add(b, 2)
        options = tflite.Pool2DOptionsEnd(b)
        self._operator("MAX_POOL_2D", "Pool2DOptions", [source], result, options)

    def concat(self, sources: list[int], result: int) -> None:
        """Channels one behind the other."""
        tflite.ConcatenationOptionsStart(self._builder)
        tflite.ConcatenationOptionsAddAxis(self._builder, 3)
        options = tflite.ConcatenationOptionsEnd(self._builder)
        self._operator("CONCATENATION", "ConcatenationOptions", sources, result, options)

    def mean(self, source: int, result: int) -> None:
        """Mean of whole maps: (N, H, W, C) -> (N, C)."""
        tflite.ReducerOptionsStart(self._builder)
        options = tflite.ReducerOptionsEnd(self._builder)
        axes = self.constant("axes", np.array([1, 2], np.int32))
        self._operator("MEAN", "ReducerOptions", [source, axes], result, options)

    def dense(self, source: int, result: int, weight: np.ndarray, bias: np.ndarray) -> None:
        """Fully connected layer; `weight` is (O, I)."""
        tflite.FullyConnectedOptionsStart(self._builder)
        options = tflite.FullyConnectedOptionsEnd(self._builder)
        kinds = ("FULLY_CONNECTED", "FullyConnectedOptions")
        self._weighted(*kinds, source, result, weight, bias, options)

    def softmax(self, source: int, result: int) -> None:
        """Softmax along the last axis."""
        tflite.SoftmaxOptionsStart(self._builder)
        tflite.SoftmaxOptionsAddBeta(self._builder, 1.0)
        options = tflite.SoftmaxOptionsEnd(self._builder)
        self._operator("SOFTMAX", "SoftmaxOptions", [source], result, options)

    def _weighted(self, code, kind, source, result, weight, bias, options) -> None:
        name = self._tensors[result][0]
        arrays = {"weight": weight, "bias": bias}
        inputs = [self.constant(f"{name}/{part}", array) for part, array in arrays.items()]
        self._operator(code, kind, [source, *inputs], result, options)

    def _operator(self, code: str, kind: str, inputs: list[int], result: int, options: int) -> None:
        number = getattr(tflite.BuiltinOperator, code)
        if number not in self._codes:
            self._codes.append(number)
        options_type = getattr(tflite.BuiltinOptions, kind)
        index = self._codes.index(number)
        self._operators.append((index, inputs, result, options, options_type))

    def file(self) -> bytes:
        """The file; it returns what the last operator does."""
        b = self._builder
        buffers = [self._buffer(data) for data in self._buffers]
        tensors = [self._tensor(*tensor) for tensor in self._tensors]
        operators = [self._encode(*operator) for operator in self._operators]
        codes = [self._code(number) for number in self._codes]
        inputs, outputs = self._ints([self._input]), self._ints([self._operators[-1][2]])
        tensors_at, operators_at = self._offsets(tensors), self._offsets(operators)
        tflite.SubGraphStart(b)
        tflite.SubGraphAddTensors(b, tensors_at)
        tflite.SubGraphAddInputs(b, inputs)
        tflite.SubGraphAddOutputs(b, outputs)
        tflite.SubGraphAddOperators(b, operators_at)
        graph = tflite.SubGraphEnd(b)
        graphs_at, codes_at = self._offsets([graph]), self._offsets(codes)
        buffers_at = self._offsets(buffers)
        tflite.ModelStart(b)
        tflite.ModelAddVersion(b, 3)
        tflite.ModelAddOperatorCodes(b, codes_at)
        tflite.ModelAddSubgraphs(b, graphs_at)
        tflite.ModelAddBuffers(b, buffers_at)
        b.Finish(tflite.ModelEnd(b), b"TFL3")
        return bytes(b.Output())

    def _buffer(self, data: bytes) -> int:
        vector = self._builder.CreateByteVector(data) if data else None
        tflite.BufferStart(self._builder)
        if vector is not None:
            tflite.BufferAddData(self._builder, vector)
        return tflite.BufferEnd(self._builder)

    def _tensor(self, name: str, shape: tuple[int, ...], buffer: int, kind: int) -> int:
        text, extents = self._builder.CreateString(name), self._ints(shape)
        tflite.TensorStart(self._builder)
        tflite.TensorAddShape(self._builder, extents)
        tflite.TensorAddType(self._builder, kind)
        tflite.TensorAddBuffer(self._builder, buffer)
        tflite.TensorAddName(self._builder, text)
        return tflite.TensorEnd(self._builder)

    def _encode(self, code, inputs, result, options, options_type) -> int:
        inputs_at, outputs_at = self._ints(inputs), self._ints([result])
        tflite.OperatorStart(self._builder)
        tflite.OperatorAddOpcodeIndex(self._builder, code)
        tflite.OperatorAddInputs(self._builder, inputs_at)
        tflite.OperatorAddOutputs(self._builder, outputs_at)
        tflite.OperatorAddBuiltinOptionsType(self._builder, options_type)
        tflite.OperatorAddBuiltinOptions(self._builder, options)
        return tflite.OperatorEnd(self._builder)

    def _code(self, number: int) -> int:
        tflite.OperatorCodeStart(self._builder)
        tflite.OperatorCodeAddDeprecatedBuiltinCode(self._builder, min(number, 127))
        tflite.OperatorCodeAddBuiltinCode(self._builder, number)
        tflite.OperatorCodeAddVersion(self._builder, 1)
        return tflite.OperatorCodeEnd(self._builder)

    def _ints(self, values) -> int:
        return self._builder.CreateNumpyVector(np.array(values, np.int32))

    def _offsets(self, items: list[int]) -> int:
        self._builder.StartVector(4, len(items), 4)
        for item in reversed(items):
            self._builder.PrependUOffsetTRelative(item)
        return self._builder.EndVector()
