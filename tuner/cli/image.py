"""`python -m tuner image`: a picture as the input of an exported network."""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np

from tuner.errors import UserError
from tuner.export import image


@click.command("image")
@click.argument("picture", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE.npy",
    help="Array to write.",
)
@click.option(
    "--size",
    type=click.IntRange(1, 4096),
    default=224,
    show_default=True,
    help="Height and width of the array.",
)
@click.option(
    "--mean",
    type=(float, float, float),
    default=image.IMAGENET_MEAN,
    show_default=True,
    help="Subtracted from red, green, blue (0 to 1).",
)
@click.option(
    "--std",
    type=(float, float, float),
    default=image.IMAGENET_STD,
    show_default=True,
    help="Divides them after that.",
)
def image_verb(
    picture: Path,
    output: Path,
    size: int,
    mean: tuple[float, float, float],
    std: tuple[float, float, float],
) -> None:
    """Write PICTURE (JPEG or PNG), scaled and cropped, as the float32 array a network takes."""
    if 0 in std:
        raise UserError("--std divides, and cannot be 0", "leave it out, or use 1 1 1")
    array = image.load(picture, size, mean, std)
    try:
        with output.open("wb") as file:  # numpy.save adds .npy to a bare name
            np.save(file, array)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"cannot write {output}: {reason}", "choose another -o") from error
    click.echo(f"{output}: float32, {'x'.join(map(str, array.shape))}")
