"""What is loaded to match against, and what is told of it."""

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safelight.matching.content import ListContents
from safelight.matching.load import Sources, load_files
from safelight.matching.rules import MatchPolicy
from safelight.model import Algorithm, EntryArrays, VideoFrame

POLICY = MatchPolicy(radius=31, min_quality=50)
VIDEO = [f"{bytes([n] * 32).hex()},90,{n}.000" for n in range(3)]


def _file(path: Path, *rows: dict[str, object]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def _md5(number: int, **more: object) -> dict[str, object]:
    return {"md5": (bytes([number]) * 16).hex(), **more}


def _pdq(number: int, **more: object) -> dict[str, object]:
    return {"pdq": random.Random(number).randbytes(32).hex(), **more}


def test_facts_of_every_file(tmp_path: Path) -> None:
    one = _file(tmp_path / "one.jsonl", _md5(1), {"vpdq": VIDEO}, _pdq(1))
    two = _file(tmp_path / "two.jsonl", _md5(1))
    loaded = load_files(Sources(hashes=(one, two)))
    facts = [(one.name, one.meaning, one.change, one.entries) for one in loaded.about]
    assert facts == [("one.jsonl", "unverified", 0, 3), ("two.jsonl", "unverified", 0, 1)]
    may = {(one.permitted_purposes, one.redistribution, one.licence) for one in loaded.about}
    assert may == {(("unknown",), "unknown", "unknown")}
    assert loaded.entries == 4
    assert (loaded.observed, loaded.ignore) == (frozenset(), frozenset())
    hits = loaded.matcher.hash_hits(Algorithm.MD5, bytes([1]) * 16, POLICY)
    assert sorted(hit.match.list_name for hit in hits) == ["one.jsonl", "two.jsonl"]


def test_a_digest_does_not_depend_on_the_order_and_does_on_all_else(tmp_path: Path) -> None:
    rows = [
        _md5(1, **{"class": "A1"}),
        _md5(2),
        _pdq(1, quality=80),
        _pdq(2),
        {"vpdq": VIDEO, "class": "B2"},
    ]

    def digest(*rows: dict[str, object]) -> str:
        (facts,) = load_files(Sources(hashes=(_file(tmp_path / "x.jsonl", *rows),))).about
        return facts.digest

    first = digest(*rows)
    assert digest(*rows[::-1]) == first
    for changed in (
        rows[:-1],
        [*rows, _md5(3)],
        [*rows, _md5(1)],  # twice is not once
        [_md5(3, **{"class": "A1"}), *rows[1:]],
        [_md5(1, **{"class": "B9"}), *rows[1:]],
        [_md5(1), *rows[1:]],
        [_md5(1), _md5(2, **{"class": "A1"}), *rows[2:]],
        [*rows[:-1], {"vpdq": VIDEO}],
        [*rows[:2], _pdq(1, quality=81), *rows[3:]],
        [*rows[:-1], rows[-1] | {"vpdq": VIDEO[:-1]}],
        [*rows[:-1], rows[-1] | {"vpdq": [*VIDEO[:-1], VIDEO[-1].replace("2.000", "2.001")]}],
    ):
        assert digest(*changed) != first


def test_a_digest_goes_by_the_names_of_classes_and_not_by_their_numbers() -> None:
    def digest(classes: list[int] | None, *names: str) -> str:
        contents = ListContents(1)
        contents.add(
            EntryArrays(
                algorithm=Algorithm.MD5,
                ids=np.arange(2, dtype=np.int64),
                lists=np.zeros(2, np.int32),
                values=np.arange(32, dtype=np.uint8).reshape(2, 16),
                qualities=np.full(2, -1, np.int16),
                classes=None if classes is None else np.array(classes, np.int32),
                class_names=names,
            )
        )
        return contents.digest(0)

    assert digest([1, 0], "", "A") == digest([2, 0], "", "B", "A") == digest([0, 1], "A", "")
    assert digest([0, 0], "", "A") == digest(None, "")
    assert digest([1, 0], "", "A") != digest([1, 0], "", "B")
    assert digest([1, 0], "", "A") != digest([0, 1], "", "A")


def test_contents_tell_lists_apart_whatever_the_batches() -> None:
    rng = np.random.default_rng(1)
    values = rng.integers(0, 256, (1000, 20), np.uint8)
    lists = rng.integers(0, 3, 1000).astype(np.int32)

    def arrays(rows: slice) -> EntryArrays:
        return EntryArrays(
            algorithm=Algorithm.SHA1,
            ids=np.arange(1000, dtype=np.int64)[rows],
            lists=lists[rows],
            values=values[rows],
            qualities=np.full(1000, -2, np.int16)[rows],
        )

    whole, parts = ListContents(3), ListContents(3)
    whole.add(arrays(slice(None)))
    for first in range(0, 1000, 300):
        parts.add(arrays(slice(first, first + 300)))
    for number in range(3):
        alone = ListContents(1)
        mine = arrays(slice(None))
        keep = mine.lists == number
        alone.add(
            EntryArrays(
                algorithm=Algorithm.SHA1,
                ids=mine.ids[keep],
                lists=np.zeros(int(keep.sum()), np.int32),
                values=mine.values[keep],
                qualities=mine.qualities[keep],
            )
        )
        assert whole.digest(number) == parts.digest(number) == alone.digest(0)
        assert whole.entries(number) == int(keep.sum())
    assert len({whole.digest(number) for number in range(3)}) == 3


def test_videos_and_classes_of_a_file_as_arrays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from safelight.matching import load  # noqa: PLC0415

    taken: list[EntryArrays] = []
    monkeypatch.setattr(load, "Matcher", lambda _names, arrays, **_: taken.extend(arrays))
    file = _file(
        tmp_path / "x.jsonl",
        _md5(1, **{"class": "B"}),
        {"vpdq": VIDEO[::-1], "class": "A"},
        _md5(2),
        {"vpdq": VIDEO[:1]},
    )
    load_files(Sources(hashes=(file,)))
    found = {array.algorithm: array for array in taken}
    md5, video = found[Algorithm.MD5], found[Algorithm.VPDQ]
    assert md5.classes is not None
    assert [md5.class_names[code] for code in md5.classes] == ["B", ""]
    assert video.times is not None
    assert video.classes is not None
    rows = zip(
        video.ids.tolist(),
        (VideoFrame(*facts) for facts in zip(
            video.times.tolist(), video.qualities.tolist(), map(bytes, video.values), strict=True
        )),
        (video.class_names[code] for code in video.classes),
        strict=True,
    )  # fmt: skip
    frames = [VideoFrame(1000 * n, 90, bytes([n] * 32)) for n in range(3)]
    assert list(rows) == [*((2, frame, "A") for frame in frames), (4, frames[0], "")]


def test_hashes_that_only_other_programs_know_are_told(tmp_path: Path) -> None:
    path = tmp_path / "set.json"
    other = {"HashName": "F1", "HashValue": "AAAA"}
    media = [{"MD5": (bytes([1]) * 16).hex(), "AlternativeHashes": [other, other]}]
    path.write_text(json.dumps({"value": media}))
    warnings = load_files(Sources(hashes=(str(path),))).warnings
    assert any("left out 2 of the kind F1" in one for one in warnings)


def test_a_digest_tells_what_is_observed_only_equal_or_ends():
    plain = EntryArrays(
        algorithm=Algorithm.PDQ,
        ids=np.arange(2),
        lists=np.zeros(2, np.int32),
        values=np.frombuffer(bytes(range(64)), np.uint8).reshape(2, 32),
        qualities=np.full(2, 90, np.int16),
    )

    def digest(**marks: Any) -> str:
        contents = ListContents()
        contents.add(replace(plain, **marks))
        return contents.digest(0)

    never = np.iinfo(np.int64).max
    none = {"flags": np.zeros(2, np.uint8), "until": np.full(2, never, np.int64)}
    assert digest(**none) == digest()
    told = [
        digest(flags=np.array([1, 0], np.uint8)),
        digest(flags=np.array([0, 1], np.uint8)),
        digest(flags=np.array([2, 0], np.uint8)),
        digest(until=np.array([5, never], np.int64)),
        digest(until=np.array([6, never], np.int64)),
        digest(),
    ]
    assert len(set(told)) == len(told)
