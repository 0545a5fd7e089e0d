"""Idle CPUs: what they do, and that a run changes it for as long as it lasts and no longer."""

import os
import time
from pathlib import Path

import pytest

from harness.idle import DRIVER, HALTING, LATENCY, POLLING, awake


def halts() -> int:
    """Return how often CPU 0 has gone into the driver's deeper state: halted, in a guest."""
    return int(Path("/sys/devices/system/cpu/cpu0/cpuidle/state1/usage").read_text())


def in_a_guest_that_may() -> bool:
    return DRIVER.exists() and DRIVER.read_text().strip() == HALTING and os.access(LATENCY, os.W_OK)


guest = pytest.mark.skipif(
    not in_a_guest_that_may(), reason="no guest whose CPUs may be kept awake"
)


def asked() -> list[str]:
    """Return what this process has open of the file that keeps CPUs awake."""
    opened = []
    for each in Path("/proc/self/fd").iterdir():
        try:
            opened.append(str(each.readlink()))
        except OSError:  # the folder's own
            continue
    return [each for each in opened if each == str(LATENCY)]


@guest
def test_a_guest_s_cpus_do_not_halt_while_they_are_kept_awake() -> None:
    with awake(wanted=True) as idle:
        assert idle == POLLING
        assert len(asked()) == 1
        time.sleep(0.02)  # what halted already has woken since, if only for the clock
        before = halts()
        time.sleep(0.2)
        assert halts() == before
    assert asked() == []


@guest
def test_they_halt_when_nobody_wants_them_awake() -> None:
    with awake(wanted=False) as idle:
        assert idle == HALTING
        assert asked() == []


@pytest.mark.skipif(not DRIVER.exists(), reason="no driver of idle CPUs")
def test_who_may_not_is_told_what_cpus_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("harness.idle.LATENCY", tmp_path)  # a folder: nobody may write to it
    with awake(wanted=True) as idle:
        assert idle == DRIVER.read_text().strip()


def test_where_there_is_no_driver_nothing_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("harness.idle.DRIVER", tmp_path / "none")
    with awake(wanted=True) as idle:
        assert idle is None
