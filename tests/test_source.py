"""Bytes of files, of parts of files, and in memory."""

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.source import MemorySource, Source

DATA = random.Random(1).randbytes(100_000)


@pytest.fixture(params=["file", "memory"])
def source_of(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[bytes], Source]:
    def make(data: bytes) -> Source:
        if request.param == "memory":
            return MemorySource(data)
        (tmp_path / "data").write_bytes(data)
        return Source(os.open(tmp_path / "data", os.O_RDONLY))

    return make


def test_the_bytes_in_every_way(source_of: Callable[[bytes], Source]) -> None:
    source = source_of(DATA)
    assert source.size == len(DATA)
    assert source.head == DATA[:4096]
    assert source.whole == DATA
    assert b"".join(source.chunks()) == DATA
    assert source.stream().read() == DATA
    assert source.read_at(99_990, 100) == DATA[99_990:]
    assert source.read_at(200_000, 100) == b""


def test_no_bytes(source_of: Callable[[bytes], Source]) -> None:
    source = source_of(b"")
    assert (source.size, source.head, source.whole, list(source.chunks())) == (0, b"", b"", [])
    assert source.stream().read() == b""


def test_a_window_and_a_window_of_it(source_of: Callable[[bytes], Source]) -> None:
    window = source_of(DATA).window(1000, 5000)
    assert window.whole == DATA[1000:6000]
    inner = window.window(10, 20)
    assert (inner.size, inner.whole) == (20, DATA[1010:1030])
    assert inner.read_at(15, 100) == DATA[1025:1030]
    assert inner.head == DATA[1010:1030]


def test_a_window_past_the_end_has_what_is_there(source_of: Callable[[bytes], Source]) -> None:
    assert source_of(DATA).window(99_000, 5000).whole == DATA[99_000:]


def test_a_file_is_read_without_moving_its_position(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(DATA)
    fd = os.open(tmp_path / "data", os.O_RDONLY)
    os.lseek(fd, 7, os.SEEK_SET)
    source = Source(fd)
    assert source.whole == DATA
    source.stream().read()
    assert os.lseek(fd, 0, os.SEEK_CUR) == 7


def large(tmp_path: Path) -> Source:
    """A window of 40 megabytes, most of it a hole, that a stream reads piece by piece."""
    with open(tmp_path / "large", "wb") as file:
        file.write(b"before" + DATA)
        file.seek(6 + (40 << 20) - len(DATA))
        file.write(DATA + b"after")
    return Source(os.open(tmp_path / "large", os.O_RDONLY), 6, 40 << 20)


@given(st.integers(0, 40 << 20), st.integers(0, 300_000))
def test_a_large_window_as_a_stream(
    tmp_path_factory: pytest.TempPathFactory, at: int, length: int
) -> None:
    source = large(tmp_path_factory.getbasetemp())
    with source.stream() as stream:
        assert stream.seek(at) == at
        found = stream.read(length)
        assert stream.tell() == at + len(found)
    assert found == source.read_at(at, length)


def test_the_ends_of_a_large_window(tmp_path: Path) -> None:
    source = large(tmp_path)
    with source.stream() as stream:
        assert stream.read(len(DATA)) == DATA
        assert stream.seek(-len(DATA), os.SEEK_END) == (40 << 20) - len(DATA)
        assert stream.read() == DATA
        assert stream.read(1) == b""
        with pytest.raises(OSError, match="before the beginning"):
            stream.raw.seek(-1)  # type: ignore[attr-defined]
    assert sum(map(len, source.chunks())) == 40 << 20
    assert max(map(len, source.chunks())) == 1 << 20
