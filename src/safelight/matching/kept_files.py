"""A generation of kept arrays on disk: a folder of files that are written once and never changed.

    <folder>/current             the name of the generation that counts
    <folder>/<name>/*.npy, *.index
    <folder>/<name>/manifest     written last: what the files are, each with its size and CRC-32
    <folder>/<name>/checked      there once every byte was read and found whole; when, is its time
    <folder>/lock                locked by the one process that writes

An index file has checksums of its own, block by block, and none in the manifest. Its note says
which generation it is of, so that no other can stand in its place.

Arrays are mapped, so that processes share the pages and nothing is read before it is needed. A
generation that is removed stays with the processes that have it open until they end.
"""

import fcntl
import io
import json
import os
import secrets
import shutil
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from safelight.errors import CorruptFile, SafelightError
from safelight.files import (
    disk_errors,
    make_private_folder,
    new_private_file,
    open_file,
    replace_private,
    show_path,
)
from safelight.kernel.index import HashIndex

FORM = 2
MANIFEST = "manifest"
CURRENT = "current"
CHECKED = "checked"

_PIECE = 8 << 20
_LARGEST_MANIFEST = 256 << 20
_INDEX = ".index"
_ATTEMPTS = 5  # to read what others replace meanwhile

_Used = TypeVar("_Used")


def write_array(path: Path, array: npt.NDArray[Any]) -> None:
    """Write one array as NumPy does (.npy)."""
    head = io.BytesIO()
    plain = np.ascontiguousarray(array)
    np.lib.format.write_array_header_1_0(head, np.lib.format.header_data_from_array_1_0(plain))
    body: Any = plain.reshape(-1).view(np.uint8) if plain.size else b""
    with new_private_file(path) as write:
        write(head.getvalue())
        for first in range(0, len(body), _PIECE):
            write(body[first : first + _PIECE].tobytes())


def map_array(path: Path) -> npt.NDArray[Any]:
    """Map an array; ValueError or OSError where the file is not one."""
    mapped: npt.NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return mapped


def checksum(path: Path) -> tuple[int, int]:
    """The size of a file in bytes and its CRC-32."""
    size, crc = 0, 0
    with disk_errors(path), open_file(path) as file:
        while piece := file.read(_PIECE):
            size, crc = size + len(piece), zlib.crc32(piece, crc)
    return size, crc


class Generation:
    """One folder of kept files, and what its manifest says."""

    def __init__(self, folder: Path, facts: dict[str, Any]) -> None:
        self.folder, self.facts = folder, facts

    def path(self, name: str) -> Path:
        """Where a file of it lies."""
        return self.folder / name

    def arrays(self, prefix: str) -> dict[str, npt.NDArray[Any]]:
        """The arrays whose names begin so, by what follows, mapped."""
        first = f"{prefix}."
        names = [one for one in self.facts["files"] if one.startswith(first) and one[-4:] == ".npy"]
        return {name[len(first) : -4]: map_array(self.path(name)) for name in names}

    def index(self, name: str) -> HashIndex:
        """An index of it, mapped; CorruptFile where it is of another generation."""
        index = HashIndex.open(self.path(name))
        if index.note != index_note(self.path(name)):
            raise CorruptFile(f"{show_path(self.path(name))} is of another generation.")
        return index

    def check(self) -> None:
        """Hold every file against its checksum; CorruptFile names the first that is off."""
        for name, (size, crc) in self.facts["files"].items():
            if crc is None:
                HashIndex.verify(self.path(name))
            elif checksum(self.path(name)) != (size, crc):
                raise CorruptFile(f"{show_path(self.path(name))} is not what was written.")

    def note_checked(self) -> None:
        """Note that it was checked just now."""
        with suppress(SafelightError):  # then it is checked once more
            replace_private(self.path(CHECKED), b"")

    def checked_since(self, moment: float) -> bool:
        """Tell whether every byte was found whole after this moment, in seconds since 1970."""
        try:
            return self.path(CHECKED).stat().st_mtime >= moment
        except OSError:
            return False

    def is_current(self) -> bool:
        """Tell whether it is still the one that counts."""
        return _current_name(self.folder.parent) == self.folder.name

    @property
    def bytes(self) -> int:
        """The size of all files together."""
        return sum(size for size, _ in self.facts["files"].values())


def index_note(path: Path) -> bytes:
    """What an index file of a generation has for its note."""
    return f"{path.parent.name}/{path.name}".encode()


def read_current(folder: Path) -> Generation | None:
    """The generation that counts, if there is one; CorruptFile where it is not whole."""
    return use_current(folder, lambda generation: generation)


def use_current(folder: Path, use: Callable[[Generation], _Used]) -> _Used | None:
    """What `use` makes of the generation that counts, if there is one.

    Others may replace and remove it at any moment: then the next one is read. CorruptFile where it
    is not whole, or cannot be used.
    """
    for attempt in range(_ATTEMPTS):
        name = _current_name(folder)
        if name is None:
            return None
        try:
            return use(_read_generation(folder / name))
        except (SafelightError, *_UNUSABLE) as exc:
            if attempt < _ATTEMPTS - 1 and _current_name(folder) != name:
                continue
            if isinstance(exc, CorruptFile):
                raise
            what = f"{type(exc).__name__}: {exc}"
            raise CorruptFile(f"{show_path(folder / name)} cannot be used: {what}.") from exc
    return None


_UNUSABLE = (OSError, KeyError, TypeError, ValueError, AttributeError, IndexError)


def _current_name(folder: Path) -> str | None:
    try:
        with open_file(folder / CURRENT) as file:
            name = file.read().decode("ascii").strip()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as exc:
        raise CorruptFile(f"{show_path(folder / CURRENT)} cannot be read: {exc}.") from exc
    if not name or (folder / name).parent != folder:
        raise CorruptFile(f"{show_path(folder / CURRENT)} names no generation.")
    return name


def _read_generation(generation: Path) -> Generation:
    try:
        facts = _read_manifest(generation / MANIFEST)
        for file, (size, _) in facts["files"].items():
            found = (generation / file).stat().st_size
            if found != size or Path(file).name != file:
                raise CorruptFile(f"{show_path(generation / file)} has {found} bytes, not {size}.")
    except _UNUSABLE as exc:
        raise CorruptFile(f"{show_path(generation)} is not whole: {exc}.") from exc
    return Generation(generation, facts)


def _read_manifest(path: Path) -> dict[str, Any]:
    """ValueError where it is damaged or of another form."""
    with open_file(path) as file:
        line, _, crc = file.read(_LARGEST_MANIFEST).partition(b"\n")
    if crc != b"%08x\n" % zlib.crc32(line):
        raise ValueError("the manifest does not match its checksum")
    facts: dict[str, Any] = json.loads(line)
    if facts["form"] != FORM:
        raise ValueError(f"it was written by another version (form {facts['form']})")
    return facts


@contextmanager
def writing(folder: Path) -> Iterator[bool]:
    """Be the one that writes; False where another process is."""
    make_private_folder(folder)
    with disk_errors(folder / "lock"):
        lock = os.open(
            folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
        )
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True
    finally:
        os.close(lock)


def new_generation(folder: Path) -> Path:
    """An empty folder for a new generation. Only for the one that writes."""
    with disk_errors(folder):
        path = folder / f"g{secrets.token_hex(8)}"
        path.mkdir(mode=0o700)
    return path


def make_current(generation: Path, facts: dict[str, Any]) -> None:
    """Finish a generation: note what it holds, let it count, and remove all others."""
    names = sorted(one.name for one in generation.iterdir())
    files = {name: _described(generation / name) for name in names}
    line = json.dumps({"form": FORM, **facts, "files": files}, separators=(",", ":")).encode()
    replace_private(generation / MANIFEST, line + b"\n%08x\n" % zlib.crc32(line))
    replace_private(generation.parent / CURRENT, generation.name.encode())
    _remove_others(generation.parent, generation.name)


def _described(path: Path) -> tuple[int, int | None]:
    if path.suffix == _INDEX:
        return path.stat().st_size, None
    return checksum(path)


def _remove_others(folder: Path, but: str | None) -> None:
    for other in folder.iterdir():
        if other.is_dir() and other.name != but:
            shutil.rmtree(other, ignore_errors=True)


def tidy(folder: Path) -> None:
    """Remove what a process left behind that was killed while it wrote."""
    if sum(one.is_dir() for one in _entries(folder)) < 2:
        return
    with writing(folder) as is_ours:
        if is_ours:
            _remove_others(folder, _current_name(folder))


def forget(generation: Generation) -> None:
    """Let it not count any more, if it does: the next that needs one makes it anew."""
    folder = generation.folder.parent
    with writing(folder) as is_ours:  # who writes now puts the next one in its place
        if is_ours and generation.is_current():
            with disk_errors(folder):
                (folder / CURRENT).unlink(missing_ok=True)


def discard(folder: Path) -> None:
    """Remove every generation from the disk."""
    if not any(one.is_dir() for one in _entries(folder)):
        return
    with writing(folder) as is_ours:
        if is_ours:
            with disk_errors(folder):
                (folder / CURRENT).unlink(missing_ok=True)
            _remove_others(folder, None)


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []
