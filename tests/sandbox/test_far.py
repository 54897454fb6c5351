"""A file that lies elsewhere, read through a socket."""

import io
import os
import socket
import struct
import tarfile
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import photo, saved

from safelight.errors import CouldNotCheck
from safelight.examine import Examiner, make_pool
from safelight.model import Container, Depth, ImageHashes
from safelight.sandbox.far import MOST_AT_ONCE, FarFile
from safelight.settings import Settings
from safelight.source import FarSource, Source, open_source


def far(data: bytes) -> FarFile:
    return FarFile(len(data), lambda start, end: data[start:end])


@settings(max_examples=50, deadline=None)
@given(
    st.binary(min_size=1, max_size=2000),
    st.lists(st.tuples(st.integers(0, 2100), st.integers(0, 2100)), max_size=10),
    st.integers(0, 2000),
)
def test_ranges_are_those_of_the_file(
    data: bytes, ranges: list[tuple[int, int]], offset: int
) -> None:
    with far(data).descriptor() as fd:
        source = open_source(fd)
        assert isinstance(source, FarSource)
        assert source.size == len(data)
        for at, length in ranges:
            assert source.read_at(at, length) == data[at : at + length]
        window = source.window(offset, max(0, len(data) - offset))
        assert window.whole == data[offset:]
        assert source.stream().read() == data


def test_a_large_file_is_read_in_pieces() -> None:
    data = os.urandom(2 * MOST_AT_ONCE + 77)
    asked: list[tuple[int, int]] = []

    def read(start: int, end: int) -> bytes:
        asked.append((start, end))
        return data[start:end]

    with FarFile(len(data), read).descriptor() as fd:
        source = open_source(fd)
        assert b"".join(source.chunks()) == data
        stream = source.stream()
        stream.seek(MOST_AT_ONCE)
        assert stream.read(10) == data[MOST_AT_ONCE : MOST_AT_ONCE + 10]
    assert max(end - start for start, end in asked) <= MOST_AT_ONCE


def test_a_plain_file_is_opened_as_one() -> None:
    fd = os.memfd_create("test")
    try:
        assert type(open_source(fd)) is Source
    finally:
        os.close(fd)


def test_a_failure_is_kept_and_told() -> None:
    def read(_start: int, _end: int) -> bytes:
        raise CouldNotCheck("remote_error", "the network is down")

    file = FarFile(10, read)
    with file.descriptor() as fd, pytest.raises(OSError, match="where it lies"):
        open_source(fd).read_at(0, 5)
    assert file.failure is not None
    assert file.failure.code == "remote_error"


def test_what_a_child_may_ask_is_bounded() -> None:
    file = FarFile(1 << 40, lambda start, end: bytes(end - start))
    with file.descriptor() as fd:
        channel = socket.socket(fileno=os.dup(fd))
        for start, length, size in (
            (0, 1 << 63, MOST_AT_ONCE),
            ((1 << 40) - 5, 100, 5),
            (1 << 63, 1, 0),
        ):
            channel.sendall(struct.pack("!QQ", start, length))
            with channel.makefile("rb") as answers:
                (count,) = struct.unpack("!q", answers.read(8))
                assert count == size
                assert len(answers.read(count)) == size
        channel.close()


def test_the_thread_ends_with_the_task() -> None:
    with far(b"data").descriptor() as fd:
        assert open_source(fd).whole == b"data"
        (thread,) = [one for one in threading.enumerate() if one.name == "far file"]
    thread.join(timeout=10)
    assert not thread.is_alive()


def test_children_examine_it_as_any_file() -> None:
    picture = saved(photo(), "PNG")
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name in ("1.png", "2.png"):
            member = tarfile.TarInfo(name)
            member.size = len(picture)
            tar.addfile(member, io.BytesIO(picture))
    with make_pool(Settings(), children=1) as pool:
        *items, whole = Examiner(pool).walk(far(out.getvalue()), Depth(archives=True))
        assert [type(item.examined) for item in items] == [ImageHashes] * 2
        assert isinstance(whole.examined, Container)
        assert whole.examined.members == 2
        here = Examiner(None).examine(far(picture))
        assert here == items[0].examined == Examiner(pool).examine(far(picture))
