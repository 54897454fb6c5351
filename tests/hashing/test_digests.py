"""Digests against hashlib, over pieces of every size."""

import hashlib
from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from safelight.hashing.digests import Digester
from safelight.model import Digests


def digest(chunks: Iterable[bytes]) -> Digests:
    digester = Digester()
    for chunk in chunks:
        digester.update(chunk)
    return digester.digests()


def whole(data: bytes) -> Digests:
    return Digests(
        md5=hashlib.md5(data, usedforsecurity=False).hexdigest(),
        sha1=hashlib.sha1(data, usedforsecurity=False).hexdigest(),
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
    )


@given(st.lists(st.binary(max_size=100), max_size=5))
def test_pieces_give_what_the_whole_gives(pieces: list[bytes]) -> None:
    assert digest(pieces) == whole(b"".join(pieces))


def test_pieces_larger_than_a_block() -> None:
    data = bytes(range(256)) * 3000
    assert digest([data, b"", data]) == whole(data + data)


def test_nothing() -> None:
    assert digest([]).md5 == "d41d8cd98f00b204e9800998ecf8427e"
