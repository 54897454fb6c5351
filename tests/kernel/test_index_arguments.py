"""What `HashIndex` says of arguments it cannot use, and the unusual ones it can."""

from collections.abc import Callable

import numpy as np
import pytest
from index_samples import as_lists, as_oriented_lists, numbered, random_hashes

from safelight.kernel.index import HashIndex

HASHES, IDS = random_hashes(2), numbered(2)

BAD_CALLS: list[tuple[Callable[[HashIndex], object], str]] = [
    # searching: the wrong type, element type, shape
    (lambda i: i.search([[0] * 32]), r"queries must be a NumPy array of uint8, not list"),
    (lambda i: i.search(None), r"queries must be a NumPy array of uint8, not NoneType"),
    (lambda i: i.search("00" * 32), r"queries must be a NumPy array of uint8, not str"),
    (lambda i: i.search(HASHES.astype(np.int8)), r"uint8, not of int8"),
    (lambda i: i.search(HASHES[:, :31]), r"shape \(n, 32\), 32 bytes for each hash, not \(2, 31\)"),
    (lambda i: i.search(HASHES.ravel()), r"not \(64,\)"),
    (lambda i: i.search(HASHES.reshape(1, 2, 32)), r"not \(1, 2, 32\)"),
    (lambda i: i.search(np.uint8(3)), r"uint8, not uint8"),
    # a radius and a limit out of range or no number
    (lambda i: i.search(HASHES, -1), r"radius must be a whole number from 0 to 255, not -1"),
    (lambda i: i.search(HASHES, 256), r"from 0 to 255, not 256"),
    (lambda i: i.search(HASHES, 10**30), r"from 0 to 255, not 1000"),
    (lambda i: i.search(HASHES, 31.0), r"from 0 to 255, not 31\.0"),
    (lambda i: i.search(HASHES, "31"), r"from 0 to 255, not '31'"),
    (lambda i: i.search(HASHES, True), r"from 0 to 255, not True"),
    (lambda i: i.search(HASHES, None), r"from 0 to 255, not None"),
    (lambda i: i.search(HASHES, limit=0), r"limit must be a whole number from 1 up, not 0"),
    (lambda i: i.search(HASHES, limit=2.5), r"from 1 up, not 2\.5"),
    (lambda i: i.search(HASHES, limit=2**63), r"from 1 up, not 9223372036854775808"),
    # searching with several hashes for each query
    (lambda i: i.search_oriented(HASHES), r"shape \(n, k, 32\), .* not \(2, 32\)"),
    (lambda i: i.search_oriented(HASHES[:, None, :31]), r"not \(2, 1, 31\)"),
    (lambda i: i.search_oriented([HASHES]), r"queries must be a NumPy array of uint8, not list"),
    (lambda i: i.search_oriented(HASHES[:, :0].reshape(2, 0, 32)), r"1 to 255 hashes each, not 0"),
    (lambda i: i.search_oriented(np.zeros((1, 256, 32), np.uint8)), r"1 to 255 .* not 256"),
    (lambda i: i.search_oriented(HASHES[None], 256), r"from 0 to 255, not 256"),
    (lambda i: i.search_oriented(HASHES[None], limit=0), r"from 1 up, not 0"),
    # adding
    (lambda i: i.add(HASHES[0], IDS[:1]), r"hashes must have the shape \(n, 32\)"),
    (lambda i: i.add(HASHES, [1, 2]), r"ids must be a NumPy array of int64, not list"),
    (lambda i: i.add(HASHES, IDS.astype(np.int32)), r"int64, not of int32"),
    (lambda i: i.add(HASHES, IDS.astype(np.uint64)), r"int64, not of uint64"),
    (lambda i: i.add(HASHES, IDS.astype(">i8")), r"int64, not of >i8"),
    (lambda i: i.add(HASHES, IDS.reshape(2, 1)), r"one dimension, not the shape \(2, 1\)"),
    (lambda i: i.add(HASHES, IDS[:1]), r"2 hashes and 1 ids; give one id for each hash"),
    (lambda _: HashIndex.build(HASHES, np.arange(3)), r"2 hashes and 3 ids"),
    # replacing
    (lambda i: i.replace(HASHES, IDS[:1]), r"2 hashes and 1 ids; give one id for each hash"),
    (lambda i: i.replace(HASHES, np.array([4, 4])), r"id 4 is given twice"),
    # removing
    (lambda i: i.remove(3), r"ids must be a NumPy array of int64, not int"),
    (lambda i: i.remove(IDS.astype(float)), r"int64, not of float64"),
]


@pytest.mark.parametrize(("call", "message"), BAD_CALLS)
def test_bad_arguments_are_named(call: Callable[[HashIndex], object], message: str) -> None:
    index = HashIndex.build(HASHES, numbered(2, 100))
    with pytest.raises(ValueError, match=message):
        call(index)
    assert len(index) == 2


def test_unaligned_ids_are_taken() -> None:
    unaligned = np.frombuffer(b"x" + IDS.tobytes(), np.int64, 2, offset=1)
    assert as_lists(HashIndex.build(HASHES, unaligned).search(HASHES, 0)) == [[(0, 0)], [(1, 0)]]


def test_a_whole_number_of_numpy_is_a_radius() -> None:
    assert as_lists(HashIndex.build(HASHES, IDS).search(HASHES, np.uint8(0))) == (
        [[(0, 0)], [(1, 0)]]
    )


def test_strided_queries_and_queries_without_elements_are_taken() -> None:
    index = HashIndex.build(HASHES, IDS)
    assert as_lists(index.search(np.repeat(HASHES, 2, axis=1)[:, ::2], 0)) == [[(0, 0)], [(1, 0)]]
    assert as_lists(index.search(np.zeros((0, 64), np.uint8)[:, ::2])) == []
    found = index.search_oriented(np.repeat(HASHES, 2, axis=0)[None][:, ::2], 0)
    assert as_oriented_lists(found) == [[(0, 0, 0), (1, 0, 1)]]
    assert as_oriented_lists(index.search_oriented(np.zeros((0, 8, 32), np.uint8))) == []
