"""Knob spaces: plain data that is enumerated, sampled, encoded and validated."""

from __future__ import annotations

import math
import random
import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tvm import te

import schedules
from schedules import Conv2dWorkload, KnobSpace
from schedules.hardware import core
from schedules.lowering.schedule_pass import schedule_function

WORKLOAD = Conv2dWorkload(1, 16, 13, 13, 24, 3, 3, padding=(1, 1, 1, 1))

_values = st.one_of(
    st.lists(st.integers(0, 64), min_size=1, max_size=5, unique=True),
    st.lists(st.text("abcdef", min_size=1, max_size=3), min_size=1, max_size=4, unique=True),
).map(tuple)
_names = st.text("ghijkl", min_size=1, max_size=3)


@st.composite
def spaces(draw) -> KnobSpace:
    """A space with a constraint that no outsider could guess: some combinations are struck out."""
    knobs = draw(st.dictionaries(_names, _values, min_size=1, max_size=4))
    seed = draw(st.integers(0, 3))

    def allowed(config) -> bool:
        text = ",".join(f"{name}={config[name]}" for name in sorted(config))
        return seed == 0 or random.Random(f"{seed}{text}").random() < 0.6

    return KnobSpace(knobs, allowed)


@given(space=spaces())
def test_a_space_is_the_product_of_its_knobs_less_what_is_not_allowed(space):
    configs = list(space)
    assert len(configs) == len(space) <= math.prod(map(len, space.knobs.values()))
    assert all(config in space for config in configs)
    assert all(tuple(config) == space.names for config in configs)
    assert len({tuple(config.values()) for config in configs}) == len(configs)


@given(space=spaces(), n=st.integers(0, 30), seed=st.integers(0, 9))
def test_samples_are_distinct_members(space, n, seed):
    drawn = space.sample(random.Random(seed), n)
    assert len(drawn) == min(n, len(space))
    assert all(config in space for config in drawn)
    assert len({tuple(config.values()) for config in drawn}) == len(drawn)
    assert drawn == space.sample(random.Random(seed), n)


@given(space=spaces())
def test_vectors_are_as_long_as_there_are_knobs_and_tell_configs_apart(space):
    vectors = [tuple(space.features(config)) for config in space]
    assert all(len(vector) == len(space.knobs) for vector in vectors)
    assert len(set(vectors)) == len(vectors)


@given(space=spaces(), data=st.data())
def test_members_are_valid_and_all_else_is_refused_by_knob_value_and_legal_values(space, data):
    picked = {name: data.draw(st.sampled_from(values)) for name, values in space.knobs.items()}
    if picked in space:
        space.validate(picked)
        knob = data.draw(st.sampled_from(space.names))
        picked[knob] = data.draw(st.sampled_from([-1, "zz", True, 4.0, None]))
    assume(picked not in space)
    with pytest.raises(ValueError) as refused:
        space.validate(picked)
    message = str(refused.value)
    assert any(repr(value) in message for value in picked.values())
    named = re.fullmatch(r"knob '(\w+)' is .*: legal (with these )?are (.*)", message)
    if named is None:
        assert "do not go together: the closest legal config is" in message
        return
    offered = [value for value in space.knobs[named[1]] if repr(value) in named[3].split(", ")]
    assert offered
    if named[2]:
        assert all({**picked, named[1]: value} in space for value in offered)


def test_messages():
    space = KnobSpace({"mr": (4, 8), "nr": (4, 8), "share": ("pixels",)}, lambda c: c["mr"] != 8)
    good = {"mr": 4, "nr": 8, "share": "pixels"}
    for change, message in (
        ({"mr": 5}, "knob 'mr' is 5: legal are 4, 8"),
        ({"mr": True}, "knob 'mr' is True: legal are 4, 8"),
        ({"nr": 4.0}, "knob 'nr' is 4.0: legal are 4, 8"),
        ({"share": "cores"}, "knob 'share' is 'cores': legal are 'pixels'"),
        ({"tile": 4}, "no knob is called 'tile' (is 4): legal are 'mr', 'nr', 'share'"),
        (
            {"mr": 8},
            "knob 'mr' is 8, which does not go with nr=8, share='pixels': legal with these are 4",
        ),
    ):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            space.validate({**good, **change})
    with pytest.raises(ValueError, match=r"^knob 'mr' has no value: legal are 4, 8$"):
        space.validate({})
    with pytest.raises(ValueError, match="maps knobs to values"):
        space.validate([("mr", 4)])


def test_values_of_which_no_single_one_is_to_blame():
    space = KnobSpace({"a": (1, 2), "b": (1, 2), "c": (1, 2)}, lambda x: sum(x.values()) == 6)
    with pytest.raises(ValueError, match=r"a=1, b=1, c=1 .* closest legal config is .*'a': 2"):
        space.validate({"a": 1, "b": 1, "c": 1})
    with pytest.raises(ValueError, match="closest legal config is no config at all"):
        KnobSpace({"a": (1,)}, lambda x: False).validate({"a": 1})


def test_a_direct_call_with_a_bad_config_says_where_and_what():
    message = r"conv2d_gemm for 3x3 16->24 @13x13 on cortex-a17: knob 'mr' is 5: legal are 4, 6"
    config = {
        "mr": 5,
        "nr": 4,
        "block": 1,
        "share": "pixels",
        "panel": "packed",
        "parts": 1,
        "tail": 0,
    }
    with pytest.raises(ValueError, match=message):
        schedules.conv2d_module(WORKLOAD, "conv2d_gemm", config, core("cortex-a17"))


def test_a_direct_call_for_what_is_not_supported_names_schedules_that_would():
    message = r"depthwise_conv2d .*not supported; .*conv2d_gemm.* would serve it"
    with pytest.raises(ValueError, match=message):
        schedules.conv2d_module(WORKLOAD, "depthwise_conv2d", {}, core("cortex-a17"))


def test_a_bad_config_in_a_tensor_expression_is_refused_when_it_is_lowered():
    gemm = schedules.get("conv2d_gemm")
    config = {
        "mr": 4,
        "nr": 4,
        "block": 3,
        "share": "pixels",
        "panel": "packed",
        "parts": 1,
        "tail": 0,
    }
    data = te.placeholder((1, 16, 13, 13), name="data")
    weight = te.placeholder(gemm.packed_shape(WORKLOAD, config), name="weight")
    func = te.create_prim_func([data, weight, gemm.compute(data, weight, WORKLOAD, config)])
    with pytest.raises(ValueError, match=r"knob 'block' is 3: legal are 1, 2, 4"):
        schedule_function(func, core("cortex-a17"))
