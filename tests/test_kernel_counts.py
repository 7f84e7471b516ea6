"""What runs when a network runs: one kernel an operator at most, and none that only moves data."""

from __future__ import annotations

import re
from collections import Counter

import pytest
import tvm
from tvm import relax

import schedules
from tuner import networks

# Operators that are a kernel of their own; everything else must be fused or computed by the build.
KERNELS = {
    "relax.nn.conv2d",
    "relax.nn.max_pool2d",
    "relax.nn.adaptive_avg_pool2d",
    "relax.matmul",
    "relax.nn.softmax",
}
MOVES_DATA = re.compile("pack|transpose|layout|permute|concat|reshape|pad|copy|cast")
# Functions of Relax's virtual machine that touch no element.
VIEWS_AND_CHECKS = {
    f"vm.builtin.{name}" for name in ("reshape", "check_tensor_info", "match_shape")
}


def _calls(module: tvm.IRModule) -> list:
    """What `main` calls: operators and functions, in order, each as often as it is called."""
    found: list = []

    def visit(expr) -> None:
        if isinstance(expr, relax.Call):
            found.append(expr.op)

    relax.analysis.post_order_visit(module["main"], visit)
    return found


def _moves_data(kernel: str) -> bool:
    """Judged by what is left of its name without the names of schedules, which may say "pack"."""
    for name in (*schedules.list(), "conv2d_concat"):  # the convolutions that write in place
        kernel = kernel.replace(name, "")
    return MOVES_DATA.search(kernel) is not None


@pytest.mark.parametrize("name", networks.names())
def test_kernels_of_a_network(name):
    module, target = networks.get(name).module, schedules.target("cortex-a53")
    operators = Counter(op.name for op in _calls(module) if isinstance(op, tvm.ir.Op))
    with target:
        lowered = schedules.pipeline(target)(module)
    kernels = [op.name_hint for op in _calls(lowered) if isinstance(op, tvm.ir.GlobalVar)]
    assert len(kernels) <= sum(operators[name] for name in KERNELS), kernels
    assert not [kernel for kernel in kernels if _moves_data(kernel)]
    others = [op.global_symbol for op in _calls(lowered) if isinstance(op, relax.ExternFunc)]
    assert set(others) <= VIEWS_AND_CHECKS


def test_weights_are_packed_by_a_plain_build_as_well():
    module = networks.get("mobilenet").module
    with schedules.target("cortex-a53"):
        legalized = relax.transform.LegalizeOps()(module)
    kernels = {op.args[0].name_hint for op in _call_tirs(legalized)}
    assert any("dense_pack" in kernel for kernel in kernels)
    moving = {kernel for kernel in kernels if _moves_data(kernel)}
    assert moving == {"reshape"}, "which the virtual machine does by a second view of the tensor"


def _call_tirs(module: tvm.IRModule) -> list[relax.Call]:
    blocks = module["main"].body.blocks
    values = [binding.value for block in blocks for binding in block.bindings]
    return [v for v in values if isinstance(v, relax.Call) and len(v.args) == 2]
