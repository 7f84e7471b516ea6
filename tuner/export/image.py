"""A picture as the array that an image classifier takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from tuner.errors import UserError

# Mean and standard deviation of ImageNet's training pictures, red, green, blue, of values from 0 to
# 1: what torchvision's and most published networks were trained with.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
# The usual evaluation crop: 224 of a picture whose shorter side is 256.
_CROPPED = 224 / 256


def load(path: Path, size: int, mean: Sequence[float], std: Sequence[float]) -> np.ndarray:
    """Return the picture's centre as float32 (1, 3, size, size), red first.

    The shorter side is scaled to size * 256 / 224, the middle cut out, and each value v of a
    channel, 0 to 1, becomes (v - mean) / std.

    Raises:
        UserError: the file cannot be read, or is no picture.
    """
    try:
        with Image.open(path) as opened:
            # Cameras store a turned picture and how it was held.
            picture = ImageOps.exif_transpose(opened).convert("RGB")
    except UnidentifiedImageError as error:
        raise UserError(f"{path} is no picture that Pillow reads", "give a JPEG or PNG") from error
    except Image.DecompressionBombError as error:
        raise UserError(f"{path} is too large: {error}", "scale it down first") from error
    except OSError as error:
        reason = error.strerror or str(error)
        raise UserError(f"cannot read {path}: {reason}", "give a whole JPEG or PNG") from error
    scaled = round(size / _CROPPED)
    scale = scaled / min(picture.size)
    width, height = (max(scaled, round(extent * scale)) for extent in picture.size)
    left, top = (width - size) // 2, (height - size) // 2
    resized = picture.resize((width, height), Image.Resampling.BILINEAR)
    centre = np.asarray(resized.crop((left, top, left + size, top + size)), np.float32) / 255
    scaled_values = (centre - np.asarray(mean, np.float32)) / np.asarray(std, np.float32)
    return np.ascontiguousarray(scaled_values.transpose(2, 0, 1)[np.newaxis], np.float32)
