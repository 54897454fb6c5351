"""The file of a `HashIndex`: little-endian, no pickle, every byte under a checksum.

    page       4096 bytes, see `_PAGE`; the last four are the CRC-32 of those before
    body       the segment as it lies in memory (kernel/segment.hpp), to be mapped
    checksums  CRC-32 (u32) of each block of 1 MiB of the body, the last one shorter
    note       bytes of the caller's, at most 16 MiB

docs/reference/index-file.md says more. A reader refuses a version that it does not know, and a file
that is not exactly as long as its page says.

Writing goes to `.<name>.tmp` in the same folder, which is renamed over the old file once it is on
the disk; the page is written last, when all else is there. A writer holds a lock on it; one that a
killed process left behind is used again.
"""

import fcntl
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from safelight.errors import BadPath, CorruptFile, DiskFull
from safelight.files import NO_ROOM, PRIVATE, check_is_file, open_file, sync_folder

AnyPath = str | bytes | os.PathLike[str] | os.PathLike[bytes]

MAGIC = b"SLINDEX\n"
VERSION = 2
HASH_BITS = 256
PAGE_BYTES = 4096
BLOCK_BYTES = 1 << 20
MOST_NOTE_BYTES = 16 << 20

# Magic, version, bits of a hash; entries, rows, singles, bytes of the body; bytes of a block,
# blocks, bytes of the note, CRC-32 of the note, CRC-32 of the checksums.
_PAGE = struct.Struct("<8sIIQQQQIIIII")
_CRC = struct.Struct("<I")


class Counts(NamedTuple):
    """The counts of a segment: ids, different hashes, and hashes with one id."""

    entries: int
    rows: int
    singles: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a file says of itself, checked; the body is not."""

    counts: Counts
    body_bytes: int
    block_bytes: int
    checksums: bytes
    note: bytes


def path_of(path: AnyPath) -> Path:
    """The path as Python has them. BadPath for one that no file can have."""
    text = os.fsdecode(path)
    if "\0" in text:
        raise BadPath(f"{text!r} holds a zero byte, which no path can. Check the path.")
    return Path(text)


# ---- Writing ----


def write(path: AnyPath, counts: Counts, body: memoryview, note: bytes) -> None:
    """Replace the file at `path` by one with this segment and note, in one step."""
    target = path_of(path)
    temporary = target.with_name(f".{target.name}.tmp")
    try:
        with _locked(temporary) as file:
            try:
                _write_all(file, counts, body, note)
                temporary.replace(target)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
        sync_folder(target.parent)
    except OSError as exc:
        if exc.errno in NO_ROOM:
            raise DiskFull(
                f"There is no room to save the index as {str(target)!r}. The file that was there "
                "is unchanged. Free some space and save again."
            ) from exc
        raise BadPath(f"The index cannot be saved as {str(target)!r}: {exc.strerror}.") from exc


def _locked(temporary: Path) -> BinaryIO:
    """The temporary file, empty, mode 0600, locked: another save of the same index waits here."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    while True:
        file = open(os.open(temporary, flags, PRIVATE), "wb")  # noqa: PTH123, SIM115
        try:
            check_is_file(file.fileno())
            fcntl.flock(file, fcntl.LOCK_EX)
            if _is_still_at(file, temporary):
                os.fchmod(file.fileno(), PRIVATE)
                file.truncate(0)
                return file
        except BaseException:
            file.close()
            raise
        file.close()  # its owner has renamed or removed it while we waited


def _is_still_at(file: BinaryIO, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.lstat())
    except FileNotFoundError:
        return False


def _write_all(file: BinaryIO, counts: Counts, body: memoryview, note: bytes) -> None:
    """All but the page, made durable; then the page. So a torn file has no page that is whole."""
    file.write(bytes(PAGE_BYTES))
    checksums = bytearray()
    for start in range(0, len(body), BLOCK_BYTES):
        block = body[start : start + BLOCK_BYTES]
        checksums += _CRC.pack(zlib.crc32(block))
        file.write(block)
    file.write(checksums)
    file.write(note)
    _make_durable(file)
    file.seek(0)
    file.write(_page(counts, len(body), bytes(checksums), note))
    _make_durable(file)


def _make_durable(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _page(counts: Counts, body_bytes: int, checksums: bytes, note: bytes) -> bytes:
    blocks = len(checksums) // _CRC.size
    sums = (zlib.crc32(note), zlib.crc32(checksums))
    sizes = (body_bytes, BLOCK_BYTES, blocks, len(note))
    page = _PAGE.pack(MAGIC, VERSION, HASH_BITS, *counts, *sizes, *sums)
    padded = page.ljust(PAGE_BYTES - _CRC.size, b"\0")
    return padded + _CRC.pack(zlib.crc32(padded))


# ---- Reading ----


@contextmanager
def opened(path: AnyPath) -> Iterator[tuple[BinaryIO, Contents]]:
    """The file at `path`, open, and what it says of itself.

    An OSError of what is done with it is raised as BadPath.
    """
    target = path_of(path)
    name = str(target)
    try:
        with open_file(target) as file:
            yield file, _read_contents(file, name)
    except OSError as exc:
        raise BadPath(f"The index {name!r} cannot be read: {exc.strerror}.") from exc


def verify(path: AnyPath, *, progress: Callable[[int, int], None] | None = None) -> None:
    """Compare every block of the file at `path` with its checksum; see `HashIndex.verify`.

    With plain reads, not a mapping: a file that somebody cuts short meanwhile does no harm.
    """
    with opened(path) as (file, contents):
        file.seek(PAGE_BYTES)
        done, size = 0, contents.body_bytes
        for number, (crc,) in enumerate(_CRC.iter_unpack(contents.checksums)):
            block = file.read(min(contents.block_bytes, size - done))
            if zlib.crc32(block) != crc:
                raise damaged(path, f"block {number} does not match its checksum")
            done += len(block)
            if progress is not None:
                progress(done, size)


def _read_contents(file: BinaryIO, name: str) -> Contents:
    page = file.read(PAGE_BYTES)
    _check_kind(page, name)
    fields = _PAGE.unpack_from(page)
    body_bytes, block_bytes, blocks, note_bytes, note_crc, checksums_crc = fields[6:]
    rest = blocks * _CRC.size + note_bytes
    has, says = os.fstat(file.fileno()).st_size, PAGE_BYTES + body_bytes + rest
    if has != says:
        raise damaged(name, f"it has {has:,} bytes and should have {says:,}")
    if note_bytes > MOST_NOTE_BYTES or blocks != -(-body_bytes // max(block_bytes, 1)):
        raise damaged(name, "its first page contradicts itself")
    file.seek(PAGE_BYTES + body_bytes)
    end = file.read(rest)
    checksums, note = end[: -note_bytes or None], end[len(end) - note_bytes :]
    if zlib.crc32(checksums) != checksums_crc:
        raise damaged(name, "its table of checksums does not match its own checksum")
    if zlib.crc32(note) != note_crc:
        raise damaged(name, "its note does not match its checksum")
    return Contents(
        counts=Counts(*fields[3:6]),
        body_bytes=body_bytes,
        block_bytes=block_bytes,
        checksums=checksums,
        note=note,
    )


def _check_kind(page: bytes, name: str) -> None:
    """Refuse what is not the whole first page of a file that this version can read."""
    if not page.startswith(MAGIC):
        if page and not page.strip(b"\0"):
            raise damaged(name, "its first page is empty: it was not written to its end")
        raise CorruptFile(
            f"{name!r} is not a Safelight hash index. Check the path, or build the index anew."
        )
    whole = page[: -_CRC.size] + _CRC.pack(zlib.crc32(page[: -_CRC.size]))
    if len(page) < PAGE_BYTES or page != whole:
        raise damaged(name, "its first page does not match its checksum")
    _, version, bits = struct.unpack_from("<8sII", page)
    if version < VERSION:
        raise CorruptFile(
            f"{name!r} was written by an older version of Safelight (format {version}; this one "
            f"reads format {VERSION}). Build the index anew."
        )
    if version > VERSION or bits != HASH_BITS:
        raise CorruptFile(
            f"{name!r} was written by a newer version of Safelight (format {version}, {bits} bits; "
            f"this one reads format {VERSION}, {HASH_BITS} bits). Upgrade Safelight, or build the "
            "index anew."
        )


def damaged(path: AnyPath, what: str) -> CorruptFile:
    """The error for a file of ours whose content is not what was written."""
    return CorruptFile(
        f"{os.fsdecode(path)!r} is damaged: {what}. "
        "Restore it from a copy, or build the index anew."
    )
