"""What is written for others is read again by our own readers, and is what theirs expect."""

import io
import json
from datetime import UTC, datetime

import pytest

from safelight.connectors.hash_files import read_hashes
from safelight.connectors.hash_writers import ExportFormat, writer
from safelight.model import Algorithm, HashMode, HashRow, VideoFrame, video_value
from safelight.store.entries import Assertion, Entry
from safelight.store.export import Exported

NOW = datetime(2026, 11, 24, tzinfo=UTC)
FRAMES = (VideoFrame(0, 100, bytes(32)), VideoFrame(1001, 90, bytes([1]) * 32))
NAMES = {"pdq": bytes([5]) * 32, "md5": bytes([1]) * 16, "sha1": bytes([2]) * 20}
NAMES |= {"sha256": bytes([3]) * 32, "vpdq": video_value(FRAMES), "photodna": bytes(range(144))}


def _said(source: str, their_id: str, their_class: str, retracted: bool = False) -> Assertion:
    return Assertion(
        source=source,
        their_id=their_id,
        their_class=their_class,
        asserted_at=NOW,
        retracted_at=NOW if retracted else None,
    )


def _entry(number: int, algorithm: Algorithm, *assertions: Assertion) -> Exported:
    is_pdq = algorithm is Algorithm.PDQ
    made = Entry(
        id=number,
        algorithm=algorithm,
        value=NAMES[algorithm],
        quality=60 if is_pdq else -2,
        mode="exact" if is_pdq else "not_applicable",
        change=1,
        added_at=NOW,
        assertions=assertions,
    )
    return Exported(entry=made, frames=FRAMES if algorithm is Algorithm.VPDQ else ())


ENTRIES = [
    _entry(n, algorithm, _said("S", f"id,{n}", 'category 1 of us: "x"'), _said("T", "t", "", True))
    for n, algorithm in enumerate(Algorithm, 1)
]


def _written(form: ExportFormat, entries: list[Exported]) -> tuple[str, int, int]:
    made = writer(form)
    text = b"".join(made.pieces(iter(entries))).decode()
    return text, made.entries, made.left_out


@pytest.mark.parametrize(
    ("form", "kept", "left_out"),
    [
        (ExportFormat.CSV, ("pdq", "md5", "sha1", "sha256", "photodna"), 1),
        (ExportFormat.JSONL, tuple(Algorithm), 0),
        (ExportFormat.HEX, ("pdq", "md5", "sha1", "sha256", "photodna"), 1),
        (ExportFormat.THREATEXCHANGE, ("pdq", "md5", "sha256", "vpdq", "photodna"), 1),
        (ExportFormat.VICS, ("pdq", "md5", "sha1", "sha256", "photodna"), 1),
    ],
)
def test_every_format_is_read_again(
    form: ExportFormat, kept: tuple[str, ...], left_out: int
) -> None:
    text, number, without = _written(form, ENTRIES)
    assert (number, without) == (len(kept), left_out)
    rows = list(read_hashes(io.BufferedReader(io.BytesIO(text.encode()))))
    assert all(isinstance(row, HashRow) for row in rows)
    assert {(row.algorithm.value, row.value) for row in rows} == {(k, NAMES[k]) for k in kept}  # type: ignore[union-attr]
    if form in (ExportFormat.CSV, ExportFormat.JSONL):
        pdq = next(row for row in rows if row.algorithm is Algorithm.PDQ)  # type: ignore[union-attr]
        assert pdq[3:8] == (60, "id,1", 'category 1 of us: "x"', False, HashMode.EXACT)


def test_vics_as_others_read_it() -> None:
    text, _, _ = _written(ExportFormat.VICS, ENTRIES)
    data = json.loads(text)
    assert data["@odata.context"].endswith("DataModels/2.0.xml/CUSTOM/$metadata#Media")
    assert data["value"][1] == {
        "MediaID": 2,
        "Category": 1,
        "MD5": "01" * 16,
        "Comments": 'category 1 of us: "x"',
    }
    assert data["value"][0]["AlternativeHashes"] == [{"HashName": "PDQ", "HashValue": "05" * 32}]
    assert json.loads(_written(ExportFormat.VICS, [])[0])["value"] == []


def test_no_source_is_left_out() -> None:
    entry = _entry(1, Algorithm.MD5, _said("S", "1", "A"), _said("T", "2", "B"))
    text, _, _ = _written(ExportFormat.CSV, [entry])
    assert text.splitlines()[1:] == [
        f"md5,{'01' * 16},,not_applicable,1,A,S,",
        f"md5,{'01' * 16},,not_applicable,2,B,T,",
    ]
    (row,) = map(json.loads, _written(ExportFormat.JSONL, [entry])[0].splitlines())
    assert [said["source"] for said in row["assertions"]] == ["S", "T"]
