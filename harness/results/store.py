"""A results folder: `blocks.csv` grows by whole rows, all else is replaced whole.

Nothing of an earlier run is touched before this run's first block is known, and no
file is ever seen half-written: a new file is finished under another name first.
"""

import contextlib
import fcntl
import os
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path

from harness.columns import values
from harness.errors import BadInput, NothingMeasurable
from harness.model import Observation, Setting
from harness.results import parsing, tables

BLOCKS = "blocks.csv"
PLOTS = "plots"


class Store:
    """The folder of one run, opened by `opened`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.observations: list[Observation] = []
        self._by_setting: dict[Setting, list[Observation]] = defaultdict(list)
        self._blocks: dict[Setting, set[int]] = defaultdict(set)
        self._size: int | None = None

    def of(self, setting: Setting) -> Sequence[Observation]:
        """Return the observations of `setting`."""
        return self._by_setting.get(setting, ())

    @property
    def blocks(self) -> int:
        """How many blocks there are, of all settings together."""
        return sum(map(len, self._blocks.values()))

    def resume(self, rows: Sequence[Observation], size: int) -> None:
        """Go on after `rows`, which are the first `size` bytes of `blocks.csv`.

        What comes after them there is cut off by the next `record`.
        """
        self._keep(rows)
        self._size = size

    def record(self, rows: Sequence[Observation], beside: Mapping[str, str] | None = None) -> None:
        """Append one block's rows, and have them on disk before returning.

        The first call replaces what an earlier run left in `blocks.csv`, unless that is resumed,
        and writes the files `beside` (name: text) that it is read with. What is kept in
        `observations` is what was written, with its digits: a report made from memory
        and one made from the file later must be the same bytes.
        Raises `NothingMeasurable` when the disk refuses.
        """
        flat = [values(row) for row in rows]
        whole = tables.table(Observation, flat)
        if self._size is None:
            self.write({BLOCKS: whole, **(beside or {})})
            self._size = len(whole.encode())
        else:
            self._size += self._append(tables.lines(flat).encode(), self._size)
        self._keep(parsing.parse(Observation, whole, BLOCKS))

    def _append(self, lines: bytes, at: int) -> int:
        """Write `lines` behind the first `at` bytes of `blocks.csv`; return their length."""
        with _disk(self.folder), (self.folder / BLOCKS).open("r+b") as file:
            file.truncate(at)
            file.seek(at)
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
        return len(lines)

    def _keep(self, rows: Sequence[Observation]) -> None:
        self.observations.extend(rows)
        for row in rows:
            self._by_setting[row.key.setting].append(row)
            self._blocks[row.key.setting].add(row.block)

    def forget(self) -> None:
        """Let go of the observations, where no block comes after: a report needs the room."""
        self.observations.clear()
        self._by_setting.clear()

    def publish(self, files: Mapping[str, str]) -> None:
        """Replace `files`, which are all that is computed: plots that are not among them go."""
        self.write(files)
        with _disk(self.folder):
            for path in (self.folder / PLOTS).glob("*.svg"):
                if f"{PLOTS}/{path.name}" not in files:
                    path.unlink()
            with contextlib.suppress(OSError):  # not there, or something of the user's is in it
                (self.folder / PLOTS).rmdir()

    def write(self, files: Mapping[str, str]) -> None:
        """Replace `files` (name: text), each in one step, once there is room for all of them."""
        with _disk(self.folder), contextlib.ExitStack() as staged:
            ready = [
                (staged.enter_context(_staged(self.folder, text)), name)
                for name, text in files.items()
            ]
            for path, name in ready:
                (self.folder / name).parent.mkdir(exist_ok=True)
                path.replace(self.folder / name)


@contextlib.contextmanager
def opened(folder: Path) -> Iterator[Store]:
    """Yield the store of `folder`, made if need be, to this process alone.

    A folder that was made for nothing goes again. Raises `BadInput`, before anything is
    measured, when nothing can be written there or another run is writing there.
    """
    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"\0" * 4096)
            probe.flush()
    except OSError as error:
        raise BadInput(f"{folder}: cannot write results there: {error.strerror}") from None
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise BadInput(
                f"{folder}: another run is writing its results there; wait for it, "
                "or choose another folder with --results"
            ) from None
        try:
            yield Store(folder)
        finally:
            if made:
                with contextlib.suppress(OSError):  # something was recorded
                    folder.rmdir()
    finally:
        os.close(handle)


def read(folder: Path, wanted: Callable[[bytes], bool] | None = None) -> list[Observation]:
    """Return the observations of a results folder, or those of the lines that are `wanted`.

    Raises `BadInput` when it holds none.
    """
    path = folder / BLOCKS
    try:
        with path.open("rb") as lines:
            some = chain(islice(lines, 1), filter(wanted, lines))
            observations = list(parsing.parsed(Observation, map(bytes.decode, some), str(path)))
    except UnicodeDecodeError:
        raise BadInput(f"{path}: not UTF-8 text") from None
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}") from None
    if not observations:
        raise BadInput(f"{path}: holds no observation")
    return observations


@contextlib.contextmanager
def _disk(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise NothingMeasurable(
            f"{folder}: cannot write results there: {error.strerror}; every file there is whole, "
            "and `report` makes the others again from blocks.csv"
        ) from error


@contextlib.contextmanager
def _staged(folder: Path, text: str) -> Iterator[Path]:
    """Yield a finished file that holds `text`, under a name that nobody reads, gone afterwards."""
    handle, name = tempfile.mkstemp(dir=folder, prefix=".")
    path = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        path.chmod(0o644)
        yield path
    finally:
        path.unlink(missing_ok=True)
