"""Fire modules become one function where the schedule serves them, and stay right everywhere."""

from __future__ import annotations

import host
import numpy as np
import pytest
import tvm
from tvm import relax

import schedules
from schedules import Conv2dWorkload, hardware
from schedules.conv2d import fire
from schedules.selection import Choices
from tuner import reference
from tuner.board import link
from tuner.board.launch import EmulatedBoard
from tuner.measure import session


class Module:
    """A fire module with random weights: as a Relax module and in float64.

    Args:
        shape: of the input, NCHW.
        squeeze, one, three: channels of the three convolutions.
        order: of the concatenation, as places among (1x1, 3x3).
        bias: whether the squeeze has a bias behind it.
        used_again: whether the squeezed tensor is a result too.
        kernel: of the larger expanding convolution.
    """

    def __init__(
        self, shape, squeeze, one, three, *, order=(0, 1), bias=True, used_again=False, kernel=3
    ) -> None:
        rng = np.random.default_rng(3)

        def draw(*size):
            return rng.standard_normal(size, dtype=np.float32) / np.sqrt(np.prod(size[1:]))

        self.shape, self.order, self.used_again = shape, order, used_again
        self.weights = [
            draw(squeeze, shape[1], 1, 1),
            draw(one, squeeze, 1, 1),
            draw(three, squeeze, kernel, kernel),
        ]
        self.bias = rng.standard_normal((1, squeeze, 1, 1), dtype=np.float32) if bias else None
        self.data = rng.standard_normal(shape, dtype=np.float32)

    @property
    def workload(self) -> fire.FireWorkload:
        n, ci, h, w = self.shape
        squeeze, one, three = (weight.shape for weight in self.weights)
        return fire.FireWorkload(
            Conv2dWorkload(n, ci, h, w, squeeze[0], 1, 1),
            Conv2dWorkload(n, squeeze[0], h, w, one[0], 1, 1),
            Conv2dWorkload(
                *(n, squeeze[0], h, w, three[0], three[2], three[3]), padding=(three[2] // 2,) * 4
            ),
        )

    def to_relax(self) -> tvm.IRModule:
        builder = relax.BlockBuilder()
        data = relax.Var("data", relax.TensorType(self.shape, "float32"))

        def conv(value, weight):
            call = relax.op.nn.conv2d(value, relax.const(weight), padding=weight.shape[2] // 2)
            return builder.emit(call)

        with builder.function("main", [data]):
            with builder.dataflow():
                squeezed = conv(data, self.weights[0])
                if self.bias is not None:
                    squeezed = builder.emit(relax.op.add(squeezed, relax.const(self.bias)))
                squeezed = builder.emit(relax.op.nn.relu(squeezed))
                parts = [
                    builder.emit(relax.op.nn.relu(conv(squeezed, weight)))
                    for weight in self.weights[1:]
                ]
                joined = builder.emit(relax.op.concat([parts[i] for i in self.order], axis=1))
                if self.used_again:
                    joined = builder.emit(relax.op.concat([joined, squeezed], axis=1))
                output = builder.emit_output(joined)
            builder.emit_func_output(output)
        return builder.get()

    def expected(self) -> np.ndarray:
        """The result in float64."""
        squeezed = reference.conv2d(self.data, self.weights[0])
        if self.bias is not None:
            squeezed = squeezed + self.bias
        squeezed = np.maximum(squeezed, 0)
        parts = [
            np.maximum(reference.conv2d(squeezed, w, padding=(w.shape[2] // 2,) * 4), 0)
            for w in self.weights[1:]
        ]
        joined = [parts[i] for i in self.order] + ([squeezed] if self.used_again else [])
        return np.concatenate(joined, axis=1)


def _functions(module: Module, target) -> list[str]:
    with target:
        lowered = schedules.pipeline(target)(module.to_relax())
    return [each.name_hint for each in lowered.get_global_vars()]


def _is_fused(module: Module, target=host.TARGET) -> bool:
    return any(name.startswith("conv2d_fire") for name in _functions(module, target))


def _run_on_host(module: Module) -> np.ndarray:
    executable = relax.build(
        module.to_relax(), host.TARGET, relax_pipeline=schedules.pipeline(host.TARGET)
    )
    machine = relax.VirtualMachine(executable, tvm.cpu())
    return machine["main"](tvm.runtime.tensor(module.data)).numpy()


def _asked_for(module: Module) -> Choices:
    """One function for the module, if it can be."""
    workload, core = module.workload, host.PORTABLE_CORE
    if not fire.supports(workload, core):
        return {}
    return {workload.key: (fire.NAME, fire.default(workload, core))}


FUSED = {
    "tail of 55": Module((1, 6, 55, 55), 16, 8, 12),
    "tail of 27": Module((1, 5, 27, 27), 8, 9, 16),
    "tail of 13": Module((1, 16, 13, 13), 12, 10, 8),
    "odd channels": Module((1, 7, 9, 11), 5, 3, 7),
    "two images": Module((2, 6, 7, 10), 4, 6, 5),
    "3x3 first": Module((1, 8, 13, 13), 8, 6, 10, order=(1, 0)),
    "no bias": Module((1, 8, 13, 13), 8, 6, 10, bias=False),
    "5x5": Module((1, 6, 10, 9), 8, 6, 5, kernel=5),
    "narrower than a vector": Module((1, 6, 5, 3), 8, 6, 10),
}
LEFT_ALONE = {
    "squeezed tensor used again": Module((1, 6, 9, 13), 8, 6, 10, used_again=True),
    "two 1x1": Module((1, 6, 9, 13), 8, 6, 10, kernel=1),
    "too small": Module((1, 6, 1, 3), 8, 6, 10),
}


@pytest.mark.parametrize("name", [*FUSED, *LEFT_ALONE])
def test_modules(host_is_arm, name):
    module = {**FUSED, **LEFT_ALONE}[name]
    with schedules.using(_asked_for(module)):
        assert _is_fused(module) == (name in FUSED)
        host.assert_close(_run_on_host(module), module.expected())


SMALL = Module((1, 6, 7, 9), 9, 7, 5)


def _samples(workload: fire.FireWorkload, core) -> list[dict]:
    """Configs in which every value of every knob occurs that any config has."""
    chosen: list[dict] = []
    for config in fire.space(workload, core):
        pairs = {(knob, value) for each in chosen for knob, value in each.items()}
        if not pairs.issuperset(config.items()):
            chosen.append(config)
    return chosen


@pytest.mark.parametrize(
    "config",
    _samples(SMALL.workload, host.PORTABLE_CORE),
    ids=lambda c: "-".join(map(str, c.values())),
)
def test_configs(host_is_arm, config):
    with schedules.using({SMALL.workload.key: (fire.NAME, config)}):
        host.assert_close(_run_on_host(SMALL), SMALL.expected())


def test_a_config_that_is_none_falls_back_to_the_default(host_is_arm):
    with schedules.using({SMALL.workload.key: (fire.NAME, {"nr": 5})}):
        assert _is_fused(SMALL)


@pytest.mark.parametrize("name", hardware.cores())
@pytest.mark.parametrize("size", [55, 27, 13])
def test_defaults_are_members_of_the_space(name, size):
    core = hardware.core(name)
    workload = Module((1, 64, size, size), 16, 64, 64).workload
    assert fire.default(workload, core) in fire.space(workload, core)


DOES_NOT_PAY = {
    "streams beyond L2": Module((1, 200, 80, 80), 8, 40, 4),
    "weights of a quarter of L2": Module((1, 520, 8, 8), 128, 4, 4),
}


@pytest.mark.parametrize("name", DOES_NOT_PAY)
def test_modules_that_would_lose_keep_their_pieces_unless_asked(host_is_arm, name):
    module = DOES_NOT_PAY[name]
    assert not _is_fused(module)
    with schedules.using(_asked_for(module)):
        assert _is_fused(module)


@pytest.mark.parametrize(
    ("module", "cores"),
    [
        (((1, 64, 55, 55), 16, 64, 64), {"cortex-a17", "cortex-a53-32", "cortex-a7"}),
        (((1, 128, 27, 27), 32, 128, 128), set()),
        (((1, 512, 55, 55), 128, 64, 64), set()),  # weights of a quarter of L2 or more
        (((1, 16, 13, 13), 12, 10, 8), set(hardware.cores())),
    ],
    ids=["large map", "neither", "large weights", "in L1"],
)
def test_where_one_function_pays(module, cores):
    workload = Module(*module).workload
    assert {name for name in hardware.cores() if fire.pays(workload, hardware.core(name))} == cores


def test_weights_that_are_no_constants_keep_the_pieces(host_is_arm):
    weights = [
        relax.Var(f"weight{i}", relax.TensorType(weight.shape, "float32"))
        for i, weight in enumerate(SMALL.weights)
    ]
    data = relax.Var("data", relax.TensorType(SMALL.shape, "float32"))
    builder = relax.BlockBuilder()
    with builder.function("main", [data, *weights]):
        with builder.dataflow():
            squeezed = builder.emit(relax.op.nn.conv2d(data, weights[0]))
            parts = [
                builder.emit(relax.op.nn.conv2d(squeezed, weight, padding=padding))
                for padding, weight in enumerate(weights[1:])
            ]
            output = builder.emit_output(relax.op.concat(parts, axis=1))
        builder.emit_func_output(output)
    with host.TARGET:
        lowered = schedules.pipeline(host.TARGET)(builder.get())
    names = [each.name_hint for each in lowered.get_global_vars()]
    assert any(name.startswith("conv2d_concat") for name in names)
    assert not any(name.startswith("conv2d_fire") for name in names)


@pytest.mark.board
@pytest.mark.parametrize("name", ["rk3288", "rasp3b", "rasp3b-64", "rpi4"])
def test_on_the_board(name, tmp_path):
    board = hardware.board(name)
    target = schedules.target(name)
    module = Module((1, 20, 13, 13), 18, 10, 14)
    assert _is_fused(module, target)
    library = tmp_path / "fire.so"
    with schedules.using({}):
        built = relax.build(module.to_relax(), target, relax_pipeline=schedules.pipeline(target))
    built.export_library(str(library), fcompile=link.fcompile(board.core.isa))
    with EmulatedBoard(board) as emulated, session(emulated, 60) as remote:
        remote.upload(str(library))
        machine = relax.VirtualMachine(remote.load_module(library.name), remote.cpu(0))
        machine.set_input("main", tvm.runtime.tensor(module.data, device=remote.cpu(0)))
        machine.invoke_stateful("main")
        host.assert_close(machine.get_outputs("main").numpy(), module.expected())
