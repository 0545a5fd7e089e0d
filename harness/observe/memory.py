"""The memory of a set of processes, in MiB. None where the platform or its owner hides it."""

from collections.abc import Sequence
from pathlib import Path

import psutil

KIB_PER_MIB = 1024


def rss_mib(pids: Sequence[int]) -> float | None:
    """Return the resident set of `pids`, summed: pages they share are counted for each."""
    total_bytes = 0
    for pid in pids:
        try:
            total_bytes += psutil.Process(pid).memory_info().rss
        except psutil.Error:
            return None
    return total_bytes / 2**20 if pids else None


def by_process_mib(pids: Sequence[int]) -> list[float]:
    """Return the resident set of each of `pids`; nothing when one is hidden or has gone."""
    each = [rss_mib([pid]) for pid in pids]
    return [mib for mib in each if mib is not None] if None not in each else []


def peak_rss_mib(pids: Sequence[int]) -> float | None:
    """Return the highest resident set each of `pids` ever had, summed (VmHWM; Linux only)."""
    return _sum_kib(pids, "status", "VmHWM:")


def pss_mib(pids: Sequence[int]) -> float | None:
    """Return the proportional set size of `pids`, summed (Linux only, own processes or root).

    PSS splits a shared page among those who map it. For Postgres backends nothing
    else makes sense: RSS counts the shared buffers once for each of them.
    """
    return _sum_kib(pids, "smaps_rollup", "Pss:")


def _sum_kib(pids: Sequence[int], file: str, label: str) -> float | None:
    total_kib = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/{file}").read_text().splitlines()
        except OSError:
            return None
        found = [line for line in lines if line.startswith(label)]
        if not found:
            return None
        total_kib += int(found[0].split()[1])
    return total_kib / KIB_PER_MIB if pids else None
