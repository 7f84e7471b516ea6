"""`python -m tuner image`: pictures as the arrays that classifiers take."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tuner import cli
from tuner.export.image import IMAGENET_MEAN, IMAGENET_STD


def _convert(picture, output, *options):
    cli.command_line.main(
        ["image", str(picture), "-o", str(output), *options], standalone_mode=False
    )
    return np.load(output)


def _gradient(width: int, height: int) -> np.ndarray:
    """Red grows to the right, green downwards; blue is constant."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[..., 0] = np.linspace(0, 255, width)
    pixels[..., 1] = np.linspace(0, 255, height)[:, np.newaxis]
    pixels[..., 2] = 128
    return pixels


@pytest.mark.parametrize("size", [(640, 480), (480, 640), (224, 224), (50, 60), (1, 1)])
def test_shape_and_normalisation(tmp_path, size):
    Image.new("RGB", size, (255, 0, 128)).save(tmp_path / "plain.png")
    array = _convert(tmp_path / "plain.png", tmp_path / "input")  # no .npy is added
    assert array.shape == (1, 3, 224, 224) and array.dtype == np.float32
    assert array.flags.c_contiguous
    for channel, value in enumerate((1, 0, 128 / 255)):
        expected = (value - IMAGENET_MEAN[channel]) / IMAGENET_STD[channel]
        np.testing.assert_allclose(array[0, channel], expected, rtol=1e-5)


def test_the_middle_is_cut_out(tmp_path):
    Image.fromarray(_gradient(512, 256)).save(tmp_path / "wide.png")
    plain = ["--mean", "0", "0", "0", "--std", "1", "1", "1"]
    red, green, blue = _convert(tmp_path / "wide.png", tmp_path / "x.npy", *plain)[0]
    # Columns 144 to 367 of 512 and rows 16 to 239 of 256.
    np.testing.assert_allclose(red[0, [0, -1]], [144 / 511, 367 / 511], atol=0.005)
    np.testing.assert_allclose(green[[0, -1], 0], [16 / 255, 239 / 255], atol=0.005)
    np.testing.assert_allclose(blue, 128 / 255, atol=1e-6)


def test_jpeg_grey_palette_and_orientation(tmp_path):
    plain = ["--size", "32", "--mean", "0", "0", "0", "--std", "1", "1", "1"]
    whole = Image.fromarray(_gradient(64, 64))
    for mode, name in (("L", "grey.png"), ("P", "palette.png"), ("RGBA", "alpha.png")):
        whole.convert(mode).save(tmp_path / name)
        assert _convert(tmp_path / name, tmp_path / "x.npy", *plain).shape == (1, 3, 32, 32)
    exif = Image.Exif()
    exif[0x0112] = 3  # held upside down
    whole.save(tmp_path / "turned.jpg", exif=exif, quality=95)
    red = _convert(tmp_path / "turned.jpg", tmp_path / "x.npy", *plain)[0, 0]
    assert red[16, 0] > 0.8 and red[16, -1] < 0.2


def test_what_is_refused(tmp_path, capsys):
    (tmp_path / "text.jpg").write_text("no picture")
    Image.fromarray(_gradient(64, 64)).save(tmp_path / "whole.png")
    whole = (tmp_path / "whole.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    cases = [
        ("none.jpg", "x.npy", [], "cannot read"),
        ("text.jpg", "x.npy", [], "is no picture"),
        ("cut.png", "x.npy", [], "cannot read"),
        ("whole.png", "no/x.npy", [], "cannot write"),
        ("whole.png", "x.npy", ["--std", "0", "1", "1"], "--std divides"),
        ("whole.png", "x.npy", ["--size", "0"], "--size"),
    ]
    for picture, output, options, expected in cases:
        with pytest.raises(SystemExit) as stop:
            cli.main(["image", str(tmp_path / picture), "-o", str(tmp_path / output), *options])
        error = capsys.readouterr().err
        assert stop.value.code == 2 and expected in error and error.count("\n") == 1
    assert not (tmp_path / "x.npy").exists()
