"""What a board's Linux says about its processor: libraries choose their kernels by it.

QEMU shows the host's /proc and /sys unless a file of that name lies under its `-L` prefix.
"""

from __future__ import annotations

from pathlib import Path

from schedules.hardware import Board

_PARTS = {
    "cortex-a7": "0xc07",
    "cortex-a17": "0xc0e",
    "cortex-a53": "0xd03",
    "cortex-a53-32": "0xd03",
    "cortex-a72": "0xd08",
}
_FEATURES = {
    "aarch64": "fp asimd evtstrm crc32 cpuid",
    "armv7": "half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt vfpd32 lpae evtstrm",
}
_CACHE_INDICES = ("index0", "index1", "index2", "index3")


def write(board: Board, prefix: Path) -> None:
    """Writes proc/cpuinfo and sys/devices/system/cpu of `board` below `prefix`."""
    _put(prefix / "proc/cpuinfo", _cpuinfo(board))
    folder = prefix / "sys/devices/system/cpu"
    everyone = f"0-{board.cores - 1}"
    for name in ("possible", "present", "online"):
        _put(folder / name, everyone)
    _put(folder / "kernel_max", str(board.cores - 1))
    for core in range(board.cores):
        _write_core(board, folder / f"cpu{core}", core, everyone)


def _cpuinfo(board: Board) -> str:
    is_64_bit = board.core.isa == "aarch64"
    text = ""
    for core in range(board.cores):
        text += f"processor\t: {core}\n"
        text += "" if is_64_bit else "model name\t: ARMv7 Processor rev 4 (v7l)\n"
        text += f"BogoMIPS\t: 38.40\nFeatures\t: {_FEATURES[board.core.isa]}\n"
        text += f"CPU implementer\t: 0x41\nCPU architecture: {8 if is_64_bit else 7}\n"
        text += f"CPU variant\t: 0x0\nCPU part\t: {_PARTS[board.core.name]}\nCPU revision\t: 4\n\n"
    return text


def _write_core(board: Board, folder: Path, core: int, everyone: str) -> None:
    alone, all_bits = f"{1 << core:x}", f"{(1 << board.cores) - 1:x}"
    _put(folder / "cpufreq/cpuinfo_max_freq", str(board.clock_hz // 1000))
    _put(folder / "cpufreq/cpuinfo_min_freq", "600000")
    topology = {
        "core_id": str(core),
        "physical_package_id": "0",
        "cluster_id": "0",
        "thread_siblings_list": str(core),
        "core_cpus_list": str(core),
        "thread_siblings": alone,
        "core_siblings_list": everyone,
        "core_siblings": all_bits,
    }
    for name, value in topology.items():
        _put(folder / "topology" / name, value)
    l1 = f"{board.core.l1d_bytes // 1024}K"
    caches = [("1", "Data", l1), ("1", "Instruction", l1)]
    caches += [("2", "Unified", f"{board.l2_bytes // 1024}K"), ("", "", "")]
    for index, (level, kind, size) in zip(_CACHE_INDICES, caches, strict=True):
        cache = folder / "cache" / index
        _put(cache / "level", level)
        _put(cache / "type", kind)
        _put(cache / "size", size)
        _put(cache / "shared_cpu_map", all_bits if level == "2" else alone if level else "")
        _put(cache / "coherency_line_size", "64")
    if board.core.isa == "aarch64":
        part = _PARTS[board.core.name].removeprefix("0x")
        _put(folder / "regs/identification/midr_el1", f"0x00000000410f{part}4")


def _put(path: Path, text: str) -> None:
    text += "\n" if text and not text.endswith("\n") else ""
    if path.exists() and path.read_text(encoding="ascii") == text:
        return  # another process may be reading it
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="ascii")
