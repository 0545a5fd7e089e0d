"""What a CPU does when it has nothing to do: on a virtual machine, the largest noise there is.

A virtual CPU that is idle halts, which hands it to the hypervisor, and the next request waits
until it is given back. Linux lets a process ask for CPUs that wake at once, for as long as it
holds a file open (https://docs.kernel.org/power/pm_qos_interface.html): they poll instead.
Nothing is left of that when the process ends, however it does.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path

DRIVER = Path("/sys/devices/system/cpu/cpuidle/current_driver")

LATENCY = Path("/dev/cpu_dma_latency")
"""Takes the microseconds that waking up may last, as 32 bits. By default root alone may."""

HALTING = "haltpoll"
"""The driver of a guest. Others put a CPU of the machine's own to sleep, which wakes it soon;
there, polling could take from a core's other thread what it gives to this one."""

POLLING = "poll"


@contextlib.contextmanager
def awake(wanted: bool) -> Iterator[str | None]:
    """Keep a guest's CPUs from halting while the context lasts, if that is wanted and allowed.

    Yields what idle CPUs do meanwhile: `poll`, else the name of their driver, such as
    `haltpoll` or `intel_idle`, and None where that cannot be read.
    """
    driver = _driver()
    with contextlib.ExitStack() as held:
        if wanted and driver == HALTING:
            with contextlib.suppress(OSError):
                file = held.enter_context(LATENCY.open("wb", buffering=0))
                file.write(bytes(4))
                driver = POLLING
        yield driver


def _driver() -> str | None:
    try:
        return DRIVER.read_text(encoding="ascii").strip()
    except OSError:
        return None
