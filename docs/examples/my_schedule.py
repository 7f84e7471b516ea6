"""A schedule of one's own in one file: declared, checked, measured, used in a Relax build."""

import tempfile
from pathlib import Path

import numpy as np
import tvm
from tvm import relax, tirx
from tvm.tirx import ForKind

import schedules
from schedules import Conv2dWorkload, KnobSpace
from schedules.conv2d.packed import PackedConv2d
from schedules.microkernels import kernel, tiles
from schedules.testing import Case, check_schedule, problem
from tuner.board import launch, link
from tuner.measure import BoardRunner, describe

NAME = "conv2d_pointwise_in_place"


@schedules.schedule(NAME, version=1)
class PointwiseInPlace(PackedConv2d):
    """1x1 convolutions whose pixels are read where they lie: cores share the output channels."""

    def supports(self, workload, core):
        plain = workload.is_pointwise and workload.groups == 1 and workload.dtype == "float32"
        return plain and workload.pixels >= 4  # the smallest tile

    def space(self, workload, core):
        def allowed(config):
            fits = config["nr"] <= workload.pixels
            return (config["mr"], config["nr"]) in tiles(core) and fits

        return KnobSpace({"mr": (4, 6, 8, 12), "nr": (4, 8, 12, 16)}, allowed)

    def default(self, workload, core):
        # The register tile with the fewest loads a multiply-accumulate.
        return min(self.space(workload, core), key=lambda c: (1 / c["mr"] + 1 / c["nr"], c["nr"]))

    def fitness(self, workload, core):
        return 0.3  # conv2d_gemm has 0.9 on these: only records and `using` choose this one

    def emit(self, conv, core, config):
        e, workload, mr, nr = conv.e, conv.workload, config["mr"], config["nr"]
        micro_kernel = kernel(core, mr, nr)
        channel_tiles, pixel_tiles = -(-workload.co // mr), -(-workload.pixels // nr)
        with e.loop(workload.n * channel_tiles, "index", ForKind.PARALLEL) as index:
            image = e.bind("image", tirx.floordiv(index, channel_tiles))
            channel_tile = e.bind("channel_tile", tirx.floormod(index, channel_tiles))
            with e.loop(pixel_tiles, "pixel_tile") as pixel_tile:
                # The last tile overlaps the one before, so none is partial.
                pixel = e.bind("pixel", tirx.min(pixel_tile * nr, workload.pixels - nr))
                sums = e.registers("sums", mr * nr)
                micro_kernel.emit(
                    conv,
                    sums,
                    weights=(conv.weight, channel_tile * (workload.k * mr)),
                    pixels=(conv.data, image * (workload.k * workload.pixels) + pixel),
                    row_stride=workload.pixels,
                    k=workload.k,
                )
                for row in range(mr):
                    channel = channel_tile * mr + row
                    with e.when(channel < workload.co):  # rows of the last tile may be idle
                        conv.store_row(image, channel, pixel, sums, row * nr, nr)


def network(workload, task):
    """A Relax module: the convolution with bias and ReLU."""
    builder = relax.BlockBuilder()
    data = relax.Var("data", relax.TensorType(task.data.shape, "float32"))
    with builder.function("main", [data]):
        with builder.dataflow():
            conv = builder.emit(relax.op.nn.conv2d(data, relax.const(task.weight)))
            conv = builder.emit(relax.op.add(conv, relax.const(task.constants[0])))
            output = builder.emit_output(relax.op.nn.relu(conv))
        builder.emit_func_output(output)
    return builder.get()


def main():
    board = schedules.hardware.board("rasp3b-64")
    workload = Conv2dWorkload(1, 64, 27, 27, 32, 1, 1)
    config = schedules.get(NAME).default(workload, board.core)

    print(f"checked here: {len(check_schedule(NAME, board.core))} results within their bounds")

    task = problem(workload, ("bias", "relu"))
    with tempfile.TemporaryDirectory() as folder, launch.EmulatedBoard(board) as emulated:
        label = describe(emulated, board).label
        on_board = BoardRunner(emulated)
        check_schedule(NAME, board.core, on_board, [workload], samples=0)
        for name in (NAME, "conv2d_gemm"):
            tried = schedules.get(name).default(workload, board.core)
            run = on_board.measure(Case(workload, name, tried, board.core))
            print(f"{name} {dict(tried)}: {min(run.costs_s) * 1e6:.0f} us {label}")

        target = schedules.target(board.name)
        with schedules.using({workload.key: (NAME, config)}):
            executable = relax.build(
                network(workload, task), target, relax_pipeline=schedules.pipeline(target)
            )
        library = Path(folder) / "network.so"
        executable.export_library(str(library), fcompile=link.fcompile(board.core.isa))
        session = emulated.connect(60)
        session.upload(str(library))
        machine = relax.VirtualMachine(session.load_module(library.name), session.cpu(0))
        machine.set_input("main", tvm.runtime.tensor(task.data, session.cpu(0)))
        machine.invoke_stateful("main")
        error = np.abs(machine.get_outputs("main").numpy() - task.expected)
    assert NAME in executable.as_text(), "the build calls the schedule"
    assert (error <= task.bound).all()
    print(f"the network calls {NAME}, largest error {error.max():.1e}")


if __name__ == "__main__":
    main()
