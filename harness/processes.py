"""Every process and directory the harness makes, and the promise that none is left.

`Processes` starts children outside the terminal's process group (Ctrl-C reaches
the runner alone, which then stops them in order), on the cores they belong to,
and tells the warden of each, so that even `kill -9` of the runner leaves nothing.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import IO

import psutil

from harness import warden

KILL_AFTER_S = 8.0
"""How long a process may take to stop when asked, before it is killed."""


class Processes:
    """Starts processes and makes temporary directories; each goes when its context ends."""

    def __init__(self, watch: IO[str]) -> None:
        self._watch = watch
        self._everywhere = _affinity(0)

    def keep_to(self, cpus: frozenset[int] | None) -> None:
        """Keep the runner itself to `cpus`. What it starts may run anywhere all the same."""
        if cpus is not None:
            pin([os.getpid()], cpus)

    @contextlib.asynccontextmanager
    async def start(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        cpus: frozenset[int] | None = None,
        stdin: IO[bytes] | None = None,
        stdout: IO[bytes] | None = None,
        stderr: IO[bytes] | None = None,
        user: int | None = None,
        pass_fds: Sequence[int] = (),
        stop_with: signal.Signals = signal.SIGTERM,
        kill_with: signal.Signals = signal.SIGKILL,
    ) -> "AsyncIterator[subprocess.Popen[bytes]]":
        """Run `argv` in a session of its own until the context ends.

        On the way out it gets `stop_with` and `KILL_AFTER_S` to obey. `kill_with`
        is what the warden sends should the runner itself have been killed.
        `cpus` pins it, where the platform can (None: it may run anywhere); `user` is the
        uid and gid it runs as. It inherits `pass_fds`, under the same numbers.
        """
        with _pinned(cpus or self._everywhere):
            process = subprocess.Popen(  # noqa: ASYNC220 - a fork and exec, not a wait
                argv,
                env=None if env is None else dict(env),
                cwd=cwd,
                stdin=stdin or subprocess.DEVNULL,
                stdout=stdout or subprocess.DEVNULL,
                stderr=stderr or subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=pass_fds,
                user=user,
                group=user,
                extra_groups=None if user is None else [],
            )
        self._tell(f"process {process.pid} {warden.start_of(process.pid)} {kill_with.value}")
        try:
            yield process
        finally:
            await asyncio.shield(_stop(process, stop_with))
            self._tell(f"ended {process.pid}")

    @contextlib.contextmanager
    def directory(self, prefix: str, parent: Path | None = None) -> Iterator[Path]:
        """Yield a new temporary directory, removed with all it holds when the context ends."""
        path = tempfile.mkdtemp(prefix=prefix, dir=parent)
        self._tell(f"directory {path}")
        try:
            yield Path(path)
        finally:
            shutil.rmtree(path, ignore_errors=True)
            self._tell(f"removed {path}")

    def _tell(self, line: str) -> None:
        with contextlib.suppress(BrokenPipeError):  # a warden someone ended must not end the run
            self._watch.write(line + "\n")
            self._watch.flush()


@contextlib.contextmanager
def watched() -> Iterator[Processes]:
    """Yield the `Processes` of this runner, with a warden beside it."""
    guard = subprocess.Popen(
        [sys.executable, "-S", "-E", warden.__file__],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        text=True,
    )
    assert guard.stdin is not None
    try:
        yield Processes(guard.stdin)
    finally:
        with contextlib.suppress(BrokenPipeError):
            guard.stdin.close()
        guard.wait()


async def finished(process: "subprocess.Popen[bytes]") -> int:
    """Wait for `process` without blocking the event loop; its return code."""
    while True:
        try:
            return process.wait(timeout=0)
        except subprocess.TimeoutExpired:
            await asyncio.sleep(0.01)


def on_signals(task: "asyncio.Task[object]") -> contextlib.AbstractContextManager[None]:
    """Cancel `task` on SIGINT or SIGTERM, once: a second signal must not cut the clean-up short."""

    @contextlib.contextmanager
    def installed() -> Iterator[None]:
        def cancel(_number: int, _frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(task.cancel)
            for each in (signal.SIGINT, signal.SIGTERM):
                signal.signal(each, signal.SIG_IGN)

        loop = asyncio.get_running_loop()
        before = {each: signal.signal(each, cancel) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    return installed()


async def _stop(process: "subprocess.Popen[bytes]", stop_with: signal.Signals) -> None:
    if process.poll() is None:
        process.send_signal(stop_with)
        try:
            await asyncio.wait_for(finished(process), KILL_AFTER_S)
        except TimeoutError:
            process.kill()
            await finished(process)
    # A leader may be gone and its workers not: they share its group and nothing else does.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def _pinned(cpus: frozenset[int] | None) -> Iterator[None]:
    """Give this thread `cpus` for the length of a fork, so that the child inherits them.

    Set before the child's first thread exists: a later sched_setaffinity would
    miss the threads that already run. Does nothing where the platform cannot pin.
    """
    if cpus is None or not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def pin(pids: Sequence[int], cpus: frozenset[int]) -> None:
    """Move every thread of `pids` to `cpus`; what they start later inherits it.

    Repeated until no thread is found elsewhere: one may be started by another that
    was still to be moved. Does nothing where the platform cannot pin.
    """
    if not hasattr(os, "sched_setaffinity"):
        return
    while astray := [each for each in _threads(pids) if _affinity(each) not in (cpus, None)]:
        for thread in astray:
            with contextlib.suppress(ProcessLookupError):
                os.sched_setaffinity(thread, cpus)


def _threads(pids: Sequence[int]) -> list[int]:
    found = []
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            found += [thread.id for thread in psutil.Process(pid).threads()]
    return found


def _affinity(thread: int) -> frozenset[int] | None:
    """Return the CPUs of `thread` (0: this one); None when it has gone or cannot be asked."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    try:
        return frozenset(os.sched_getaffinity(thread))
    except ProcessLookupError:
        return None


def running(pid: int) -> bool:
    """Whether `pid` is a process that has not ended (a zombie has)."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def tree(pid: int) -> list[int]:
    """`pid` and its descendants that live now; empty when it has gone."""
    try:
        root = psutil.Process(pid)
        return [pid, *(child.pid for child in root.children(recursive=True))]
    except psutil.NoSuchProcess:
        return []
