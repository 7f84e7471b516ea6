"""Global average pooling: the mean of each plane, summed in four vectors side by side.

TVM's reduction adds one element after the other: a chain that waits for each sum. LLVM may not
regroup floating-point sums; here they are.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import reduce
from operator import add

from tvm import relax, te, tirx
from tvm.tirx import BufferLoad, ForKind

from .annotations import annotation_of_unary
from .emit import F32, LANES, Emitter, ramp

ANNOTATION = "arm_plane_mean"

_CHAINS = 4  # sums that grow side by side: what an addition's latency takes on these cores
_WORTH_A_FORK = 4096  # elements


@dataclass(frozen=True)
class PlaneMean:
    """The means of `planes` planes of `size` elements each."""

    planes: int
    size: int


def mean_of(call: relax.Call) -> PlaneMean | None:
    """What a `relax.nn.adaptive_avg_pool2d` call computes; None for those left to TVM.

    Those are other layouts and types, symbolic shapes, and results of more than one element.
    """
    attrs, data = call.attrs, call.args[0].ty
    if attrs.layout != "NCHW" or attrs.out_layout != "NCHW" or str(data.dtype) != F32:
        return None
    try:
        n, c, h, w = (int(extent) for extent in data.shape)
        oh, ow = (int(extent) for extent in list(call.ty.shape)[2:])
    except TypeError:
        return None
    return PlaneMean(n * c, h * w) if (oh, ow) == (1, 1) else None


def compute(data: te.Tensor, mean: PlaneMean) -> te.Tensor:
    """What it means; the late pass replaces the loops."""
    i = te.reduce_axis((0, data.shape[2]), name="i")
    j = te.reduce_axis((0, data.shape[3]), name="j")
    sums = te.compute(
        (*data.shape[:2], 1, 1), lambda n, c, y, x: te.sum(data[n, c, i, j], axis=[i, j]), "sums"
    )
    return te.compute(
        sums.shape,
        lambda *index: sums(*index) / tirx.const(float(mean.size), F32),
        name="plane_mean",
        attrs={ANNOTATION: json.dumps(asdict(mean))},
    )


def find_annotated(func: tirx.PrimFunc) -> PlaneMean | None:
    """The means that `func` computes, if those are ours and nothing else."""
    text = annotation_of_unary(func, ANNOTATION)
    return None if text is None else PlaneMean(**json.loads(text))


def schedule_plane_mean(func: tirx.PrimFunc) -> tirx.PrimFunc | None:
    """The scheduled function, if `func` is one of our means and nothing else."""
    found = find_annotated(func)
    if found is None:
        return None
    return func.with_body(_emit(found, func)).with_attr("tirx.is_scheduled", True)


def _emit(means: PlaneMean, func: tirx.PrimFunc) -> tirx.Stmt:
    e = Emitter()
    data, output = (e.flat_view(buffer) for buffer in func.params)
    worth_it = means.planes * means.size >= _WORTH_A_FORK
    with e.loop(means.planes, "plane", ForKind.PARALLEL if worth_it else ForKind.SERIAL) as plane:
        start = e.bind("start", plane * means.size)
        e.store(output, plane, mean(e, data, start, means.size))
    return e.body()


def mean(e: Emitter, data, start, size: int):
    """Emits the sum of `size` elements of flat `data` from `start`; returns their mean."""
    vectors = size // LANES
    rest = [BufferLoad(data, [start + i]) for i in range(vectors * LANES, size)]
    total = [*_lanes(_sum_of_vectors(e, data, start, vectors)), *rest]
    return reduce(add, total) / tirx.const(float(size), F32)


def _sum_of_vectors(e: Emitter, data, start, count: int):
    """The sum of so many consecutive vectors, a vector; None for none."""

    def vector(number):
        return BufferLoad(data, [ramp(start + number * LANES)])

    chains = min(_CHAINS, count)
    if not chains:
        return None
    sums = e.registers("sums", chains * LANES)
    places = [ramp(chain * LANES) for chain in range(chains)]
    for chain, place in enumerate(places):
        e.store(sums, place, vector(chain))

    def add_vectors(first, places) -> None:
        for chain, place in enumerate(places):
            e.store(sums, place, BufferLoad(sums, [place]) + vector(first + chain))

    turns = count // chains - 1
    if turns:
        with e.loop(turns, "turn") as turn:
            add_vectors((turn + 1) * chains, places)
    add_vectors((turns + 1) * chains, places[: count % chains])
    return e.bind_vector("total", reduce(add, (BufferLoad(sums, [place]) for place in places)))


def _lanes(vector) -> list:
    return [] if vector is None else [tirx.Shuffle([vector], [lane]) for lane in range(LANES)]
