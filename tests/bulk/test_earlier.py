"""What the hashes in kept rows match, by the same rules as in a scan."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from safelight.bulk.earlier import (
    Comparable,
    comparable_by,
    digests_not_in,
    new_matches,
    rematched_row,
)
from safelight.bulk.earlier_files import results_files, rows_from
from safelight.bulk.parts import Part
from safelight.errors import BadInput, CorruptFile
from safelight.matching.rules import MatchList, MatchPolicy, Standing
from safelight.matching.step import Matcher
from safelight.model import FILE_DIGESTS, Algorithm, EntryArrays, Verdict

NOW = datetime(2026, 11, 24, tzinfo=UTC)
PDQ = "5a" * 32
SHA256 = "ab" * 32


def row(**more: Any) -> dict[str, Any]:
    return {
        "path": "/a.png",
        "md5": "01" * 16,
        "sha1": "02" * 20,
        "sha256": SHA256,
        "kind": "image",
        "format": "png",
        "verdict": "no_match",
        "fully_checked": True,
        "reasons": [],
        "matches": [],
        "pdq": PDQ,
        "pdq_quality": 90,
        "mode": "exact",
        "flags": [],
        **more,
    }


def near(bits: int) -> bytes:
    return (int(PDQ, 16) ^ ((1 << bits) - 1)).to_bytes(32, "big")


def matcher(*values: bytes, algorithm: Algorithm = Algorithm.PDQ, **more: Any) -> Matcher:
    entries = EntryArrays(
        algorithm=algorithm,
        ids=np.arange(1, len(values) + 1),
        lists=np.arange(len(values), dtype=np.int32),
        values=np.frombuffer(b"".join(values), np.uint8).reshape(len(values), -1),
        qualities=np.full(len(values), -1, np.int16),
    )
    lists = [MatchList(name="new", **more), MatchList(name="logos", standing=Standing.IGNORE)]
    return Matcher(lists[: len(values)], [entries])


def verdict(one: dict[str, Any], lists: Matcher, policy: MatchPolicy | None = None):
    answer = new_matches(one, lists, policy or MatchPolicy(), now=NOW)
    return None if answer is None else answer.verdict


@pytest.mark.parametrize(
    ("one", "bits", "expected"),
    [
        (row(), 0, Verdict.KNOWN),
        (row(), 31, Verdict.SIMILAR),
        (row(), 32, None),
        # of low quality only what is equal, and that says little
        (row(pdq_quality=3), 0, Verdict.SIMILAR),
        (row(pdq_quality=3), 2, None),
        # no hash of what it shows
        (row(pdq=None, pdq_quality=None), 0, None),
        # what the row tells already
        (row(verdict="known", matches=[{"list": "new", "entry": 1}]), 0, None),
        (row(verdict="known", matches=[{"list": "old", "entry": 1}]), 0, Verdict.KNOWN),
    ],
)
def test_a_row_is_judged_as_a_picture_is(one, bits, expected):
    assert verdict(one, matcher(near(bits))) is expected


def test_a_request_narrows_and_a_list_says_how_near():
    assert verdict(row(), matcher(near(20)), MatchPolicy(radius=10)) is None
    assert verdict(row(), matcher(near(20), radius=10)) is None
    assert verdict(row(), matcher(near(20), radius=20)) is Verdict.SIMILAR
    assert verdict(row(), matcher(near(0), until=int(NOW.timestamp()))) is None
    assert verdict(row(), matcher(near(0), standing=Standing.OBSERVED)) is None


def test_a_list_to_ignore_explains_what_is_near():
    assert verdict(row(), matcher(near(9), near(4))) is None
    assert verdict(row(), matcher(near(4), near(9))) is Verdict.SIMILAR
    flat = row(pdq_quality=3)
    assert verdict(flat, matcher(near(0), near(0))) is None
    assert verdict(flat, matcher(near(0), near(0), confirmed=True)) is Verdict.SIMILAR


def test_an_unreadable_row_is_known_by_its_bytes():
    one = row(pdq=None, pdq_quality=None, verdict="unreadable", code="damaged")
    known = matcher(bytes.fromhex(SHA256), algorithm=Algorithm.SHA256)
    answer = new_matches(one, known, MatchPolicy(), now=NOW)
    assert answer is not None
    new = rematched_row(one, answer, {"file": "a", "row": 7})
    assert (new["verdict"], new["fully_checked"], new["code"]) == ("known", False, "damaged")
    assert new["rematch_of"] == {"file": "a", "row": 7, "verdict": "unreadable"}


@pytest.mark.parametrize(
    ("one", "kept"),
    [
        (row(), Comparable.WHOLE),
        (row(pdq=None, code="damaged"), Comparable.IN_PART),
        (row(pdq=None, kind="video", frames=9), Comparable.IN_PART),
        (row(pdq=None, kind="archive", members=2), Comparable.WHOLE),  # its members have their own
        (row(pdq=None, verdict="skipped"), Comparable.IN_PART),
        (row(pdq=None, md5=None, sha1=None, sha256=None, code="e"), Comparable.NOTHING),
    ],
)
def test_how_much_of_an_item_is_in_its_row(one, kept):
    assert comparable_by(one, ()) is kept
    assert comparable_by(one, FILE_DIGESTS) is kept


@pytest.mark.parametrize("lacks", ["md5", "sha1", "sha256"])
def test_a_row_without_a_digest_that_lists_hold_is_compared_in_part(lacks):
    one = row(**{lacks: None})
    del one[lacks]
    others = [digest for digest in FILE_DIGESTS if digest != lacks]
    assert comparable_by(one, others) is Comparable.WHOLE
    assert comparable_by(one, FILE_DIGESTS) is Comparable.IN_PART
    assert digests_not_in(one, FILE_DIGESTS) == [lacks]


def test_lists_tell_which_digests_they_hold():
    assert matcher(near(0)).digests == ()
    assert matcher(b"0" * 20, algorithm=Algorithm.SHA1).digests == (Algorithm.SHA1,)


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    with Part(path) as part:
        for one in rows:
            part.write(one)
        part.finish()
    return path


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_rows_are_read_again_as_they_were_written_and_from_anywhere(tmp_path, ending):
    if ending == "parquet":
        pytest.importorskip("pyarrow")
    match = {
        "list": "a", "entry": 1, "class": "", "algorithm": "pdq", "distance": 4,
        "orientation": "identity", "frame": 0,
    }  # fmt: skip
    rows = [
        row(path="/1", derivation=[{"kind": "row", "name": "7"}], exhibit="x"),
        row(path="/2", verdict="similar", matches=[{**match, "flood": True}], suppressed=[match]),
        row(path="/3", pdq=None, pdq_quality=None, manifest={"url": "u"}),
    ]
    some = [write(tmp_path / f"part-{number}.{ending}", rows) for number in (0, 1)]
    files = results_files([tmp_path])
    assert files == tuple(some)
    found = list(rows_from(files))
    assert [one for one, _ in found] == rows * 2
    assert [(place.file, place.rows) for _, place in found] == [
        (file, number) for file in (0, 1) for number in (1, 2, 3)
    ]
    assert [place.share for _, place in found][2::3] == [1.0, 1.0]
    for number, (_, place) in enumerate(found, start=1):
        assert list(rows_from(files, place.file, place.rows)) == found[number:]


def test_what_holds_no_rows_is_told(tmp_path):
    with pytest.raises(BadInput, match="holds no parts"):
        results_files([tmp_path])
    broken = tmp_path / "part-0.parquet"
    broken.write_bytes(b"PAR1 and no more")
    pytest.importorskip("pyarrow")
    with pytest.raises(CorruptFile, match="no Parquet file"):
        list(rows_from([broken]))
