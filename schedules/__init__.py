"""Fast convolution schedules for ARM CPUs, registered into Apache TVM.

Importing the package is enough: builds for an ARM target use the schedules, other builds are
untouched. `schedules.pipeline(target)` is the Relax pipeline that fuses bias and activation.

    import schedules
    target = schedules.target("cortex-a17")
    executable = relax.build(module, target, relax_pipeline=schedules.pipeline(target))
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from . import competition, conv2d, hardware
from .building import conv2d_module
from .features import features
from .fire_workload import FireWorkload
from .knobs import Config, KnobSpace
from .lowering import legalize as _legalize
from .lowering import pipeline as _pipeline
from .lowering import targets as _targets
from .lowering import topi as _topi
from .lowering.pipeline import pipeline
from .lowering.targets import target
from .registry import Schedule, find, get, schedule
from .registry import list_schedules as list
from .selection import choose, use, using
from .workload import Conv2dWorkload

__all__ = [
    "Config",
    "Conv2dWorkload",
    "FireWorkload",
    "KnobSpace",
    "Schedule",
    "choose",
    "competition",
    "conv2d",
    "conv2d_module",
    "features",
    "find",
    "get",
    "hardware",
    "list",
    "pipeline",
    "register",
    "schedule",
    "target",
    "unregister",
    "unregistered",
    "use",
    "using",
]


def register() -> None:
    """Hooks the schedules into TVM; importing the package does it. Twice is as good as once."""
    _targets.register_tags()
    _topi.register()
    _legalize.register()
    _pipeline.register()


def unregister() -> None:
    """Undoes `register`: TVM builds as if the package were not there (target tags stay)."""
    _pipeline.unregister()
    _legalize.unregister()
    _topi.unregister()


@contextmanager
def unregistered() -> Iterator[None]:
    """Inside the block TVM builds as if the package were not there."""
    was_registered = _legalize.is_registered()
    unregister()
    try:
        yield
    finally:
        if was_registered:
            register()


register()
