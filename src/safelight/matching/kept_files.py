"""A generation of kept arrays on disk: a folder of files that are written once and never changed.

    <folder>/current             the name of the generation that counts
    <folder>/<name>/*.npy, *.index
    <folder>/<name>/manifest     written last: what the files are, each with its size and CRC-32
    <folder>/lock                locked by the one process that writes

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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from safelight.errors import CorruptFile
from safelight.files import (
    disk_errors,
    make_private_folder,
    new_private_file,
    open_file,
    replace_private,
    show_path,
)

FORM = 1
MANIFEST = "manifest"
CURRENT = "current"

_PIECE = 8 << 20
_LARGEST_MANIFEST = 256 << 20

Arrays = Mapping[str, npt.NDArray[Any]]


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

    def check(self) -> None:
        """Hold every file against its checksum; CorruptFile names the first that is off."""
        for name, (size, crc) in self.facts["files"].items():
            if checksum(self.path(name)) != (size, crc):
                raise CorruptFile(f"{show_path(self.path(name))} is not what was written.")

    @property
    def bytes(self) -> int:
        """The size of all files together."""
        return sum(size for size, _ in self.facts["files"].values())


def read_current(folder: Path) -> Generation | None:
    """The generation that counts, if there is one; CorruptFile where it is not whole."""
    try:
        with open_file(folder / CURRENT) as file:
            name = file.read().decode("ascii").strip()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as exc:
        raise CorruptFile(f"{show_path(folder / CURRENT)} cannot be read: {exc}.") from exc
    generation = folder / name
    if not name or generation.parent != folder:
        raise CorruptFile(f"{show_path(folder / CURRENT)} names no generation.")
    try:
        facts = _read_manifest(generation / MANIFEST)
        for file, (size, _) in facts["files"].items():
            found = (generation / file).stat().st_size
            if found != size or Path(file).name != file:
                raise CorruptFile(f"{show_path(generation / file)} has {found} bytes, not {size}.")
    except (OSError, KeyError, TypeError, ValueError, AttributeError) as exc:
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
    files = {name: checksum(generation / name) for name in names}
    line = json.dumps({"form": FORM, **facts, "files": files}, separators=(",", ":")).encode()
    replace_private(generation / MANIFEST, line + b"\n%08x\n" % zlib.crc32(line))
    replace_private(generation.parent / CURRENT, generation.name.encode())
    for other in generation.parent.iterdir():
        if other.is_dir() and other.name != generation.name:
            shutil.rmtree(other, ignore_errors=True)


def forget(folder: Path) -> None:
    """Let no generation count: the next that needs one makes it anew."""
    with disk_errors(folder):
        (folder / CURRENT).unlink(missing_ok=True)
