"""Rows of a hash file into a staging table, as COPY's binary format.

Each row is put together from a beginning that is the same for thousands of rows, its value, and
what the source says of it. The driver's own row writer takes several times as long.
"""

import struct
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import IO, Any

import sqlalchemy as sa

from safelight.files import disk_errors
from safelight.model import Algorithm, HashRow, VideoFrame
from safelight.store.tables import (
    MODE_NOT_APPLICABLE,
    MODE_UNKNOWN,
    QUALITY_NOT_APPLICABLE,
    QUALITY_UNKNOWN,
    check_code,
)

_MAKE = """
CREATE TEMP TABLE staged (
    algorithm text NOT NULL, quality smallint NOT NULL, mode text NOT NULL,
    value bytea NOT NULL, their_id text NOT NULL, their_class text NOT NULL
) ON COMMIT DROP
"""
_MAKE_FRAMES = """
CREATE TEMP TABLE staged_frame (
    value bytea NOT NULL, number integer NOT NULL, milliseconds integer NOT NULL,
    quality smallint NOT NULL, frame bytea NOT NULL
) ON COMMIT DROP
"""
_HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_END = b"\xff\xff"
_SILENT = bytes(8)  # two empty texts
_FRAME = struct.Struct(">hi32siiiiihi32s")
_AT_A_TIME = 8192  # rows
_READ = 1 << 20  # bytes


def stage(connection: sa.Connection, rows: Iterable[HashRow]) -> tuple[int, int]:
    """Make the staging tables and fill them; return the number of rows, and of videos' frames."""
    connection.execute(sa.text(_MAKE))
    with closing(_Spool()) as spool:
        packer = _Packer(spool)
        _copy(connection, "staged", packer.pieces(rows))
        if packer.frames:
            connection.execute(sa.text(_MAKE_FRAMES))
            _copy(connection, "staged_frame", spool.pieces())
            connection.execute(sa.text("ANALYZE staged_frame"))
    connection.execute(sa.text("ANALYZE staged"))
    return packer.rows, packer.frames


def _copy(connection: sa.Connection, table: str, pieces: Iterable[bytes]) -> None:
    driver: Any = connection.connection.driver_connection
    with driver.cursor().copy(f"COPY {table} FROM STDIN (FORMAT BINARY)") as copy:
        copy.write(_HEADER)
        for piece in pieces:
            copy.write(piece)
        copy.write(_END)


class _Spool:
    """A private file in the folder for temporary files, gone when closed; DiskFull, BadPath."""

    def __init__(self) -> None:
        with disk_errors(Path("TMPDIR")):  # which is written to before it is chosen
            self._folder = Path(tempfile.gettempdir())
        with disk_errors(self._folder):
            self._file: IO[bytes] = tempfile.TemporaryFile(  # noqa: SIM115 - `close` closes it
                prefix="safelight-frames-", buffering=_READ
            )

    def write(self, data: bytes) -> None:
        with disk_errors(self._folder):
            self._file.write(data)

    def pieces(self) -> Iterator[bytes]:
        with disk_errors(self._folder):
            self._file.seek(0)
        while piece := self._read():
            yield piece

    def _read(self) -> bytes:
        with disk_errors(self._folder):
            return self._file.read(_READ)

    def close(self) -> None:
        with disk_errors(self._folder):
            self._file.close()


class _Packer:
    """Packs rows; the frames of videos, which go into another table, wait in a private file."""

    def __init__(self, spool: _Spool) -> None:
        self.rows = self.frames = 0
        self._spool = spool
        self._beginnings: dict[tuple[object, ...], bytes] = {}

    def pieces(self, rows: Iterable[HashRow]) -> Iterator[bytes]:
        gathered: list[bytes] = []
        add, known = gathered.append, self._beginnings.get
        for row in rows:
            _, algorithm, value, quality, their_id, their_class, _, mode, frames = row
            add(known((algorithm, quality, mode)) or self._beginning(row))
            add(value)
            add(_text(their_id) + _text(their_class) if their_id or their_class else _SILENT)
            if frames:
                self._spool_frames(value, frames)
            if len(gathered) == 3 * _AT_A_TIME:
                yield b"".join(gathered)
                self.rows += _AT_A_TIME
                gathered.clear()
        yield b"".join(gathered)
        self.rows += len(gathered) // 3

    def _beginning(self, row: HashRow) -> bytes:
        """A row's bytes up to its value: a count of fields, then each field's length and bytes."""
        made = (
            struct.pack(">h", 6)
            + _text(row.algorithm.value)
            + struct.pack(">ih", 2, _quality(row))
            + _text(_mode(row))
            + struct.pack(">i", row.algorithm.size)
        )
        self._beginnings[row.algorithm, row.quality, row.mode] = made
        return made

    def _spool_frames(self, value: bytes, frames: Iterable[VideoFrame]) -> None:
        packed = [
            _FRAME.pack(5, 32, value, 4, number, 4, milliseconds, 2, quality, 32, frame)
            for number, (milliseconds, quality, frame) in enumerate(frames)
        ]
        self._spool.write(b"".join(packed))
        self.frames += len(packed)


def _text(text: str) -> bytes:
    data = text.encode()
    return len(data).to_bytes(4, "big") + data


def _quality(row: HashRow) -> int:
    if row.algorithm is not Algorithm.PDQ:
        return QUALITY_NOT_APPLICABLE
    return QUALITY_UNKNOWN if row.quality is None else row.quality


def _mode(row: HashRow) -> str:
    if row.algorithm is not Algorithm.PDQ:
        return MODE_NOT_APPLICABLE
    return MODE_UNKNOWN if row.mode is None else check_code("mode", row.mode.value)
