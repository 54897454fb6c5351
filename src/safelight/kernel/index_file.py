"""The file of a `HashIndex`: little-endian, no pickle, every byte under a checksum.

    page       4096 bytes: magic "SLINDEX\\n", version (u32), bits of a hash (u32), entries (u64),
               blocks (u64), zeros up to 4092, CRC-32 of the 4092 bytes before it (u32)
    block ...  16 bytes: entries n (u32), its number from 0 (u32), CRC-32 of what follows (u32),
               CRC-32 of the 12 bytes before it (u32);
               then n hashes of 32 bytes, then n ids (i64)

A block has 1 to 65,536 entries. The file ends with its last block. A reader refuses a version it
does not know.

Writing goes to `.<name>.tmp` in the same folder, which is made durable and then renamed over the
old file. A writer holds a lock on it; one that a killed process left behind is used again.
"""

import fcntl
import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from safelight.errors import BadPath, CorruptFile, DiskFull
from safelight.files import NO_ROOM, PRIVATE, sync_folder

MAGIC = b"SLINDEX\n"
VERSION = 1
HASH_BYTES = 32
BLOCK_ENTRIES = 65536
PAGE_BYTES = 4096

_PAGE = struct.Struct("<8sIIQQ")
_BLOCK = struct.Struct("<III")
_CRC = struct.Struct("<I")

Block = tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]


# ---- Writing ----


def write(path: str | os.PathLike[str], entries: int, blocks: Iterable[Block]) -> None:
    """Replace the file at `path` by one with these blocks, in one step."""
    target = Path(path)
    temporary = target.with_name(f".{target.name}.tmp")
    try:
        with _locked(temporary) as file:
            try:
                _write_all(file, entries, blocks)
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
    flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    while True:
        file = open(os.open(temporary, flags, PRIVATE), "wb")  # noqa: PTH123, SIM115
        try:
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


def _write_all(file: BinaryIO, entries: int, blocks: Iterable[Block]) -> None:
    file.write(bytes(PAGE_BYTES))
    count = 0
    for count, (hashes, ids) in enumerate(blocks, start=1):
        body = hashes.tobytes() + ids.astype("<i8", copy=False).tobytes()
        file.write(_with_crc(_BLOCK.pack(len(ids), count - 1, zlib.crc32(body))))
        file.write(body)
    file.seek(0)
    page = _PAGE.pack(MAGIC, VERSION, HASH_BYTES * 8, entries, count)
    file.write(_with_crc(page.ljust(PAGE_BYTES - _CRC.size, b"\0")))
    file.flush()
    os.fsync(file.fileno())


def _with_crc(data: bytes) -> bytes:
    return data + _CRC.pack(zlib.crc32(data))


# ---- Reading ----


def read(path: str | os.PathLike[str]) -> Iterator[Block]:
    """The blocks of the file at `path`, each checked before it is given out.

    Plain reads, not a mapping: all is copied into the index anyway, and a mapped file that someone
    cuts short kills the process that reads it.
    """
    try:
        with Path(path).open("rb") as file:
            yield from _read_all(file, str(path))
    except OSError as exc:
        raise BadPath(f"The index {str(path)!r} cannot be read: {exc.strerror}.") from exc


def _read_all(file: BinaryIO, name: str) -> Iterator[Block]:
    entries, blocks = _read_page(file.read(PAGE_BYTES), name)
    seen = 0
    for number in range(blocks):
        hashes, ids = _read_block(file, number, name)
        seen += len(ids)
        yield hashes, ids
    if seen != entries or file.read(1):
        raise damaged(name, "it does not hold the number of hashes it says")


def _read_page(page: bytes, name: str) -> tuple[int, int]:
    """The counts of entries and of blocks."""
    if not page.startswith(MAGIC):
        raise CorruptFile(
            f"{name!r} is not a Safelight hash index. Check the path, or build the index anew."
        )
    if len(page) < PAGE_BYTES or not _is_whole(page):
        raise damaged(name, "its first page does not match its checksum")
    _, version, bits, entries, blocks = _PAGE.unpack_from(page)
    if version != VERSION or bits != HASH_BYTES * 8:
        raise CorruptFile(
            f"{name!r} was written by a newer version of Safelight (format {version}, {bits} bits; "
            f"this one reads format {VERSION}, 256 bits). Upgrade Safelight, or build the index "
            "anew."
        )
    return entries, blocks


def _read_block(file: BinaryIO, number: int, name: str) -> Block:
    head = file.read(_BLOCK.size + _CRC.size)
    if len(head) < _BLOCK.size + _CRC.size or not _is_whole(head):
        raise damaged(name, f"block {number} is missing or does not match its checksum")
    count, own_number, crc = _BLOCK.unpack_from(head)
    if own_number != number or not 1 <= count <= BLOCK_ENTRIES:
        raise damaged(name, f"block {number} is not where it belongs")
    body = file.read(count * (HASH_BYTES + 8))
    if len(body) < count * (HASH_BYTES + 8) or zlib.crc32(body) != crc:
        raise damaged(name, f"block {number} is cut short or does not match its checksum")
    hashes = np.frombuffer(body, np.uint8, count * HASH_BYTES).reshape(count, HASH_BYTES)
    ids = np.frombuffer(body, "<i8", count, offset=count * HASH_BYTES)
    return hashes, ids.astype(np.int64, copy=False)


def _is_whole(data: bytes) -> bool:
    return data == _with_crc(data[: -_CRC.size])


def damaged(path: str | os.PathLike[str], what: str) -> CorruptFile:
    """The error for a file of ours whose content is not what was written."""
    return CorruptFile(
        f"{os.fspath(path)!r} is damaged: {what}. Restore it from a copy, or build the index anew."
    )
