"""Parts of a result: whole or not there."""

import json
import stat
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from safelight.bulk.parquet_rows import ROWS_AT_A_TIME, SCHEMA
from safelight.bulk.parts import Part
from safelight.bulk.rows import scan_row
from safelight.model import (
    Algorithm,
    Answer,
    Digests,
    FrameHashes,
    FrameSampling,
    Match,
    Member,
    NotChecked,
    Scene,
    Verdict,
    VideoHashes,
    VideoMatch,
)

DIGESTS = Digests(md5="0" * 32, sha1="1" * 40, sha256="2" * 64, size=7)
FRAME = FrameHashes(number=0, quality=100, dihedral=("ab" * 32,) * 8, time=0.0)


def a_row(number: int = 0) -> dict[str, Any]:
    """A row with everything in it that a row can have."""
    scenes = (Scene(start=0.0, end=1.0, list_start=2.0, list_end=3.0),)
    match = Match(
        list_name="partner",
        entry=3,
        algorithm=Algorithm.VPDQ,
        distance=4,
        time=0.5,
        their_class="A1",
        video=VideoMatch(query_percent=50.0, list_percent=100.0, scenes=scenes),
    )
    examined = VideoHashes(
        digests=DIGESTS,
        format="mp4",
        width=8,
        height=9,
        duration=1.5,
        sampling=FrameSampling.SECOND,
        frames=(FRAME,),
        flags=("truncated",),
    )
    answer = Answer(
        verdict=Verdict.SIMILAR, reasons=("near: x",), matches=(match,), examined=examined
    )
    members = [Member(name=b"\xff.mp4", kind="archive_member", modified="2026-11-24")]
    row = scan_row(b"/a/%d" % number, answer, members, {"manifest": {"url": "u", "_row": "1"}})
    return dict(json.loads(json.dumps(row)))


def test_a_part_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "part.jsonl"
    with Part(path) as part:
        part.write(a_row())
        assert not path.exists()
        part.finish()
    assert json.loads(path.read_text()) == a_row()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_nothing_is_left_of_a_part_given_up(tmp_path: Path, ending: str) -> None:
    with Part(tmp_path / f"part.{ending}") as part:
        part.write(a_row())
        assert len(list(tmp_path.iterdir())) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_part_takes_the_place_of_an_older_one(tmp_path: Path) -> None:
    path = tmp_path / "part.jsonl"
    path.write_text("old")
    (tmp_path / ".part.jsonl.unfinished").write_text("of a process that was killed")
    with Part(path) as part:
        part.write(a_row())
        part.finish()
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_text() != "old"


def test_parquet_holds_every_field(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    unchecked = NotChecked(code="empty", message="", digests=None)
    bare = scan_row(
        b"b", Answer(verdict=Verdict.UNREADABLE, reasons=(), examined=unchecked), (), {"new": [1]}
    )
    with Part(path) as part:
        part.write(a_row())
        part.write(bare)
        part.finish()
    table = pq.read_table(path)
    assert table.schema.equals(SCHEMA)
    full, empty = table.to_pylist()
    assert full.pop("manifest") == [("url", "u"), ("_row", "1")]
    assert dict(empty.pop("manifest")) == {}
    assert [match.pop("flood") for match in full["matches"]] == [None]  # said only where it is so
    assert {name: value for name, value in full.items() if value is not None} == {
        name: value for name, value in a_row().items() if value is not None and name != "manifest"
    } | {"derivation": [{**a_row()["derivation"][0]}]}
    assert json.loads(empty["other"]) == {"new": [1]}
    assert (empty["sha256"], empty["code"], empty["pdq"]) == (None, "empty", None)


def test_parquet_of_many_rows(tmp_path: Path) -> None:
    path = tmp_path / "part.parquet"
    count = 2 * ROWS_AT_A_TIME + 7
    with Part(path) as part:
        for number in range(count):
            part.write(a_row(number))
        part.finish()
    assert part.rows == count
    table = pq.read_table(path, columns=["path"])
    assert table["path"].to_pylist() == [f"/a/{number}" for number in range(count)]
    assert pq.ParquetFile(path).metadata.num_row_groups == 3
