"""The emulator's decoder against a corpus of real disassembly (QEMU's own, capstone syntax).

`tests/data/disassembly/ISA.txt` holds one `instruction | record` a line: code of C libraries,
Python, a neural-network library and compiled NEON, plus forms that are rare but delicate. After
a wanted change: `python tests/test_emulator_decode.py` rewrites the records; review the diff.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from emulator_decoder import ISA_NUMBERS, Decoder

CORPUS = Path(__file__).parent / "data" / "disassembly"
SEPARATOR = " | "


@pytest.fixture(scope="module")
def decoder(tmp_path_factory) -> Decoder:
    return Decoder(tmp_path_factory.mktemp("decoder"))


def corpus(isa: str) -> list[tuple[str, str]]:
    lines = (CORPUS / f"{isa}.txt").read_text(encoding="ascii").splitlines()
    return [(text, record) for text, _, record in (line.partition(SEPARATOR) for line in lines)]


@pytest.mark.parametrize("isa", ISA_NUMBERS)
def test_corpus(decoder, isa):
    expected = corpus(isa)
    assert len(expected) >= 150
    actual = [(text, decoder.describe(isa, text)) for text, _ in expected]
    assert actual == expected


@pytest.mark.parametrize("isa", ISA_NUMBERS)
def test_nothing_in_the_corpus_is_undecoded(isa):
    assert not [text for text, record in corpus(isa) if record.startswith("unknown")]


# What the golden file must never be rewritten to lose, stated by hand from ARM's manual.
@pytest.mark.parametrize(
    ("isa", "text", "record"),
    [
        ("a64", "fmla v0.4s, v1.4s, v2.s[0]", "fma.q reads v1 v2 + v0 writes v0"),
        ("a64", "fmadd s0, s1, s2, s3", "fma reads v1 v2 + v3 writes v0"),
        ("a64", "ldp q0, q1, [x0], #0x20", "vload.q 32B reads x0 writes v0 v1 updates x0"),
        ("a64", "ld1 {v0.s}[1], [x0]", "vload_lane 4B reads x0 v0 writes v0"),
        ("a64", "ld1r {v0.4s}, [x0]", "vload_lane 4B reads x0 writes v0"),
        ("a64", "mov v0.s[1], w2", "to_vector reads x2 v0 writes v0"),
        ("a64", "subs x2, x2, #1", "alu reads x2 writes x2 flags"),
        ("a64", "b.ne #0x400", "branch reads flags branch conditional"),
        ("a64", "bl #0x400", "branch writes x30 branch"),
        ("a64", "str wzr, [x0, #4]!", "store 4B reads x0 updates x0 store"),
        ("a32", "vmla.f32 q0, q1, d2[0]", "fma.q reads d2 d3 d2 + d0 d1 writes d0 d1"),
        ("a32", "vmla.i32 q0, q1, q2", "vmul.q reads d2 d3 d4 d5 d0 d1 writes d0 d1"),
        ("a32", "vmov r0, r1, d16", "from_vector reads d16 writes r0 r1"),
        ("a32", "vldmia r0!, {d0, d1}", "vload.q 16B reads r0 writes d0 d1 updates r0"),
        ("a32", "addseq r0, r1, r2", "alu reads r1 r2 r0 flags writes r0 flags"),
        ("a32", "movs r0, #1", "alu writes r0 flags"),
        ("a32", "bls #0x100", "branch reads flags branch conditional"),
        ("a32", "pop {r4, pc}", "load 8B reads sp writes r4 pc updates sp branch"),
        ("t32", "adds r0, #1", "alu reads r0 writes r0 flags"),
        ("t32", "ite ne", "nop"),
        ("t32", "cbz r3, #0x10", "branch reads r3 branch conditional"),
    ],
)
def test_record(decoder, isa, text, record):
    assert decoder.describe(isa, text) == record


@pytest.mark.parametrize("isa", ISA_NUMBERS)
@pytest.mark.parametrize("text", ["frobnicate r0, r1", ".byte 0xe0, 0x1f", "", "vfrob.f32 q0, q1"])
def test_unknown_is_never_guessed(decoder, isa, text):
    assert decoder.describe(isa, text) == "unknown"


def rewrite() -> None:
    with tempfile.TemporaryDirectory() as folder:
        decoder = Decoder(Path(folder))
        for isa in ISA_NUMBERS:
            lines = [f"{t}{SEPARATOR}{decoder.describe(isa, t)}\n" for t, _ in corpus(isa)]
            (CORPUS / f"{isa}.txt").write_text("".join(lines), encoding="ascii")


if __name__ == "__main__":
    rewrite()
