"""The search of instruction orders, and the orders that are shipped."""

from __future__ import annotations

import json
import math

import pytest
from click.testing import CliRunner

from schedules.hardware import board, core, cores, resolve
from schedules.microkernels import kernel, orders, tiles
from tuner.board import launch, toolchain
from tuner.board.emulator.static import CoreModel
from tuner.cli import command_line
from tuner.errors import UserError
from tuner.kernel_search.legality import Dependencies
from tuner.kernel_search.paced import paced
from tuner.kernel_search.program import confirm
from tuner.kernel_search.search import Cost, loop_lines, search, searchable

IN_ORDER = [name for name in cores() if core(name).pipeline == "in-order"]
STORED = sorted(orders.FOLDER.glob("*.json"))
ERROR_BOUND = 2e-6


def _model(name: str) -> CoreModel:
    try:
        return CoreModel(resolve(name), progress=False)
    except UserError as error:
        pytest.skip(str(error))


def test_every_tile_of_an_in_order_core_has_an_order():
    wanted = {orders.path(name, *tile) for name in IN_ORDER for tile in tiles(core(name))}
    assert wanted == set(STORED)


@pytest.mark.parametrize("path", STORED, ids=lambda path: path.stem)
def test_a_stored_order_is_legal_and_takes_the_cycles_it_says(path):
    stored = json.loads(path.read_text())
    model = _model(stored["core"])
    mr, nr = map(int, stored["tile"].split("x"))
    plain = searchable(resolve(stored["core"]), mr, nr)
    assert stored["body"] == orders.digest(plain.body()), "run order-search again"
    lines = loop_lines(plain)
    assert Dependencies(model, lines).is_legal(stored["order"])
    assert str(model.prepare(lines).time(stored["order"]).cycles) == stored["cycles"]
    assert kernel(core(stored["core"]), mr, nr).turn() == plain.in_order(stored["order"]).turn()


def test_the_same_seed_finds_the_same_order_and_it_is_better_than_the_plain_one():
    model = _model("cortex-a53")
    plain = searchable(board("rasp3b-64"), 4, 8)
    first = search(board("rasp3b-64"), plain, 400, seed=3)
    assert search(board("rasp3b-64"), plain, 400, seed=3).order == first.order
    assert search(board("rasp3b-64"), plain, 400, seed=4).order != first.order
    assert first.cycles < first.plain_cycles
    lines = loop_lines(plain)
    assert first.cost == Cost(board("rasp3b-64"), lines)(first.order)
    assert Dependencies(model, lines).is_legal(first.order)


@pytest.mark.parametrize("name", IN_ORDER)
def test_a_paced_order_is_legal_and_faster_than_the_plain_one(name):
    model = _model(name)
    for mr, nr in tiles(core(name)):
        plain = searchable(resolve(name), mr, nr)
        lines = loop_lines(plain)
        dependencies = Dependencies(model, lines)
        order = paced(core(name), plain.body(), dependencies)
        assert dependencies.is_legal(order)
        timed = model.prepare(lines)
        before, after = (timed.time(each).cycles for each in (range(len(lines)), order))
        if core(name).figures["fma_load_gap"].value:
            assert after < before, f"{mr}x{nr}"
        else:
            assert order == list(range(len(lines)))


def test_an_instruction_waits_for_what_it_reads_and_only_for_that():
    lines = ["ldr x5, [x1, #8]", "ins v16.d[1], x5", "add x1, x1, #16", "b.ne 1b"]
    dependencies = Dependencies(_model("cortex-a53"), lines)
    waits = [3, 3, 1, 1]
    assert dependencies.earliest(1, {}, waits) == math.inf
    assert dependencies.earliest(1, {0: 4}, waits) == 7
    assert dependencies.earliest(2, {0: 4}, waits) == 4, "the load has read its pointer"


def test_what_depends_on_another_instruction_stays_behind_it():
    model = _model("cortex-a53")
    lines = ["ldr x5, [x1, #8]", "ins v16.d[1], x5", "add x1, x1, #16", "b.ne 1b"]
    dependencies = Dependencies(model, lines)
    assert dependencies.is_legal([0, 2, 1, 3])
    assert not dependencies.is_legal([1, 0, 2, 3]), "reads x5 before it is loaded"
    assert not dependencies.is_legal([2, 0, 1, 3]), "loads from an advanced pointer"
    assert not dependencies.is_legal([0, 1, 3, 2]), "the branch is last"
    assert not dependencies.is_legal([0, 0, 1, 3])


@pytest.mark.board
@pytest.mark.parametrize("name", IN_ORDER)
def test_under_qemu_a_loop_takes_the_cycles_of_the_model(name):
    _model(name)
    try:
        launch.find_qemu(core(name).isa)
        toolchain.find(core(name).isa)
    except UserError as error:
        pytest.skip(str(error))
    for mr, nr in tiles(core(name)):
        stored = json.loads(orders.path(name, mr, nr).read_text())
        confirmation = confirm(resolve(name), kernel(core(name), mr, nr))
        assert str(confirmation.cycles) == stored["cycles"], f"{mr}x{nr}"
        assert confirmation.error < ERROR_BOUND


@pytest.mark.board
def test_the_command_stores_what_it_finds_and_keeps_what_is_better(tmp_path):
    arguments = ["order-search", "--target", "cortex-a53-32", "--tile", "4x8"]
    arguments += ["--folder", str(tmp_path), "--evals"]
    _model("cortex-a53-32")
    first = CliRunner().invoke(command_line, [*arguments, "500"], catch_exceptions=False)
    assert first.exit_code == 0 and "new" in first.output
    path = orders.path("cortex-a53-32", 4, 8, tmp_path)
    found = json.loads(path.read_text())
    assert found["seed"] == 0 and found["evaluations"] == 500
    again = CliRunner().invoke(command_line, [*arguments, "1"], catch_exceptions=False)
    assert "kept the old" in again.output
    assert json.loads(path.read_text()) == found


def test_an_out_of_order_core_is_shown_not_to_care():
    _model("cortex-a72")
    arguments = ["order-search", "--target", "cortex-a72", "--tile", "8x4"]
    result = CliRunner().invoke(command_line, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert "8x4: 1.000 to 1.000" in result.output


def test_an_unknown_tile_is_refused_with_those_there_are():
    arguments = ["order-search", "--target", "cortex-a53", "--tile", "5x5"]
    with pytest.raises(UserError, match="no tile '5x5'; choose one of: 4x4"):
        CliRunner().invoke(command_line, arguments, catch_exceptions=False)
