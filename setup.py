"""Distribution `tvm-arm-schedules`: the packages `schedules`, `tuner` and `benchmarks`."""

from pathlib import Path

from setuptools import find_packages, setup

_DOCS = ["mkdocs>=1.6,<2", "mkdocstrings-python>=2", "Pygments>=2.15"]

setup(
    name="tvm-arm-schedules",
    version="0.1.0",
    description="Fast convolution schedules for ARM CPUs on Apache TVM, and their tuner",
    long_description=Path(__file__).with_name("README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10",
    packages=find_packages(
        include=["schedules", "schedules.*", "tuner", "tuner.*", "benchmarks", "benchmarks.*"]
    ),
    package_data={
        "schedules": [
            *("cores/*.toml", "boards/*.toml", "records/*.jsonl"),
            "microkernels/orders/*.json",
        ],
        "tuner.board": ["clock_loop.cc", "server/**/*", "emulator/*.[ch]", "arithmetic/*.[ch]"],
        "tuner.board.rehearsal": ["library.c"],
        "tuner.export": ["runner/*"],
        "tuner.report": ["*.css"],
        "benchmarks": ["*.csv", "*.c", "board/*.cc"],
    },
    install_requires=[
        "apache-tvm==0.27.0.post1",
        # 0.1.15 crashes on any IR serialisation with this TVM.
        "apache-tvm-ffi>=0.1.14.post0,<0.1.15",
        "numpy",
        "tomli>=2; python_version < '3.11'",
        # The tuner.
        "click>=8.1",
        "filelock>=3.12",
        "pillow>=9.1",
        "platformdirs>=3",
        "rich>=13",
        "tqdm>=4.65",
        "xgboost>=2",
        # What TVM's RPC client, tracker and process pool import but do not declare.
        "cloudpickle",
        "psutil",
        "tornado",
    ],
    extras_require={
        "zig": ["ziglang"],
        "bench": ["matplotlib>=3.7"],
        "testing": ["pytest>=7.4", "hypothesis>=6"],  # schedules.testing
        "onnx": ["onnx>=1.16"],
        "tflite": ["tflite>=2.18"],
        "docs": _DOCS,
        "test": [
            *_DOCS,
            "matplotlib>=3.7",
            "onnx>=1.16",
            "tflite>=2.18",
            "pytest>=7.4",
            "pytest-xdist>=3",
            "hypothesis>=6",
            "ruff==0.17.6",
            "mypy>=1.8",
        ],
    },
)
