"""Writing found orders where the kernels look for them."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

from schedules.microkernels import orders
from tuner.board.emulator.params import MODEL_VERSION
from tuner.errors import UserError
from tuner.kernel_search.search import Cost, Found

_WIDTH = 100


def keep(found: Found, cost: Cost, folder: Path, *, seed: int, evaluations: int) -> str:
    """Stores an order unless one at least as good is there.

    Returns:
        What was done, in a word or two.

    Raises:
        UserError: the folder cannot be written to.
    """
    kernel = found.kernel
    body = kernel.body()
    path = orders.path(kernel.core.name, kernel.mr, kernel.nr, folder)
    stored = orders.load(path)
    is_same_body = stored is not None and stored["body"] == orders.digest(body)
    if stored and is_same_body and cost(stored["order"]) <= found.cost:
        return "kept the old"
    facts = {
        "core": kernel.core.name,
        "tile": f"{kernel.mr}x{kernel.nr}",
        "form": kernel.form,
        "products": kernel.products_a_turn(),
        "cycles": str(found.cycles),
        "model": MODEL_VERSION,
        "seed": seed,
        "evaluations": evaluations,
        "body": orders.digest(body),
    }
    text = json.dumps(facts, indent=1).removesuffix("\n}")
    places = textwrap.fill(", ".join(map(str, found.order)), _WIDTH, subsequent_indent="  ")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(f'{text},\n "order": [\n  {places}\n ]\n}}\n', encoding="ascii")
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot write {path}: {reason}", "choose another --folder") from error
    orders.load.cache_clear()
    return "replaced" if stored else "new"
