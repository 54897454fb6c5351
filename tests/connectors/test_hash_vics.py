import io
import json
from base64 import b64encode
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from safelight.connectors import hash_vics
from safelight.connectors.hash_files import HashFormat, read_hash_file, read_hashes
from safelight.connectors.hash_text import Row
from safelight.connectors.hash_vics import UNTOLD, Categories, load_categories, vics_rows
from safelight.errors import BadInput
from safelight.model import Algorithm, HashRow, RejectedRow

P = "f8f8f0cee0f4a84f06370a22038f63f0b36e2ed596621e1d33e6b39c4e9c9b22"
M = "0123456789abcdef0123456789abcdef"
S = "0123456789abcdef0123456789abcdef01234567"
EMPTY = "d41d8cd98f00b204e9800998ecf8427e"
V1 = {"odata.metadata": "http://github.com/ICMEC/ProjectVic/DataModels/1.2.xml#Media"}
V2 = {
    "@odata.context": "http://github.com/VICSDATAMODEL/ProjectVic/DataModels/2.0.xml/UK/"
    "$metadata#Cases"
}


def _read(data: Any, **how: Any) -> list[Row]:
    raw = data if isinstance(data, bytes) else json.dumps(data).encode()
    return list(read_hashes(io.BufferedReader(io.BytesIO(raw)), **how))


def _row(line: int, algorithm: Algorithm, digits: str, *rest: str) -> HashRow:
    return HashRow(line, algorithm, bytes.fromhex(digits), None, *rest)


MD5, SHA1, PDQ, SHA256 = Algorithm.MD5, Algorithm.SHA1, Algorithm.PDQ, Algorithm.SHA256


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_hash_set(encoding: str) -> None:
    media = [
        {"MediaID": 0, "MD5": M.upper(), "SHA1": S, "Category": 1, "MediaSize": "488"},
        {"MediaID": "A-7", "MD5": M[::-1], "Category": "2", "IsPrecategorized": "true"},
        {"MediaID": 3, "MD5": M, "IsPrecategorized": True},
    ]
    data = json.dumps({**V1, "value": media}, indent=2).encode(encoding)
    assert _read(data) == [
        _row(1, MD5, M, "0", "category 1 of VICS 1.2"),
        _row(1, SHA1, S, "0", "category 1 of VICS 1.2"),
        _row(2, MD5, M[::-1], "A-7", "category 2 of VICS 1.2"),
        _row(3, MD5, M, "3"),
    ]


def test_a_value_may_have_a_capital() -> None:
    data = {**V1, "Value": [{"MediaID": 1, "MD5": M}]}
    assert _read(data) == [_row(1, MD5, M, "1")]


def test_a_case_whose_counts_are_wrong_and_two_media_of_one_file() -> None:
    case = {
        "CaseID": "x",
        "TotalMediaFiles": 99,
        "TotalPrecategorized": 12,
        "SeizureDate": "/Date(1577836800000)/",
        "Media": [
            {"MediaID": 1, "MD5": M, "Category": 0, "DateUpdated": "1/2/2020 3:04:05 PM"},
            {"MediaID": 2, "MD5": M, "Category": 0, "MediaFiles": [{"FileName": "a", "MD5": M}]},
            {"MediaID": 3, "MediaFiles": [{"MD5": S[:32]}, {"MD5": S[:32]}, {"MD5": None}]},
        ],
    }
    assert _read({**V2, "value": [case, {**case, "Media": []}]}) == [
        _row(1, MD5, M, "1", "category 0 of VICS 2.0 UK"),
        _row(2, MD5, M, "2", "category 0 of VICS 2.0 UK"),
        _row(3, MD5, S[:32], "3"),
    ]


def test_other_hashes_are_found_by_their_names_and_those_of_other_programs_are_counted() -> None:
    others = [
        {"HashName": "PDQ", "HashValue": P},
        {"HashName": "SHA-256", "HashValue": P.upper()},
        {"HashName": "F1", "HashValue": "abc"},
        {"HashName": None, "HashValue": "abc"},
        {"HashName": "PDQ"},
        7,
    ]
    left_out: Counter[str] = Counter()
    opaque = bytes(range(144))
    text = b64encode(opaque).decode()
    media = [{"MediaID": 1, "PhotoDNA": text, "AlternativeHashes": others}, {"PhotoDNA": "AA"}]
    rows = _read({**V2, "value": media}, left_out=left_out)
    assert rows == [
        _row(1, Algorithm.PHOTODNA, opaque.hex(), "1"),
        _row(1, PDQ, P, "1"),
        _row(1, SHA256, P, "1"),
        RejectedRow(2, rows[3].reason, "MediaID : photodna AA"),  # type: ignore[union-attr]
    ]
    assert "not a PhotoDNA hash: base64 of 144 bytes" in rows[3].reason  # type: ignore[union-attr]
    assert left_out == {"F1": 1, "without a name": 1}


def test_bad_media_are_rejected_with_their_place_and_no_miniature() -> None:
    media = [
        {"MediaID": 1, "MD5": "zz", "Miniature": "SECRET" * 99},
        {"MediaID": 2, "MD5": EMPTY, "SHA1": S},
        "text",
        None,
        {"MediaID": 5, "MD5": M},
    ]
    data = json.dumps({**V1, "value": media})
    places = [data.index(json.dumps(one)) for one in media[:4]]
    rows = _read(data.encode())
    assert rows == [
        RejectedRow(1, f"not hexadecimal (the medium at byte {places[0]:,})", "MediaID 1: md5 zz"),
        RejectedRow(
            2,
            "the md5 of an empty file, which would match every empty file (the medium at byte "
            f"{places[1]:,})",
            f"MediaID 2: md5 {EMPTY}",
        ),
        _row(2, SHA1, S, "2"),
        RejectedRow(3, f"not an object (the medium at byte {places[2]:,})", ""),
        RejectedRow(4, f"not an object (the medium at byte {places[3]:,})", ""),
        _row(5, MD5, M, "5"),
    ]


def test_a_file_that_ends_early_keeps_what_came_before() -> None:
    data = json.dumps({**V1, "value": [{"MD5": M}, {"MD5": S[:32]}]}).encode()
    first, last = _read(data[:-20])
    assert first == _row(1, MD5, M)
    assert isinstance(last, RejectedRow)
    assert "nothing behind it was read" in last.reason


@pytest.mark.parametrize("behind", ["{}", "\n\n" + json.dumps({"value": [{"MD5": S[:32]}]}), "x"])
def test_what_stands_behind_the_object_is_rejected(behind: str) -> None:
    data = json.dumps({**V1, "value": [{"MD5": M}]})
    first, last = _read((data + behind).encode())
    assert first == _row(1, MD5, M)
    at = len(data) + behind.index(behind.strip())
    assert isinstance(last, RejectedRow)
    assert last.reason == (
        f"not JSON from byte {at:,} on (the file goes on behind the end of its object): nothing"
        " behind it was read"
    )
    assert _read((data + " \n").encode()) == [first]


def test_a_case_too_large_to_hold_is_read_as_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hash_vics, "_SHORT", 10)
    case = {"CaseID": 1, "Media": [{"MediaID": n, "MD5": M} for n in range(50)], "After": {}}
    single = {"MediaID": 99, "MD5": M, "Miniature": "A" * 5000}
    text = io.StringIO(json.dumps({**V2, "value": [case, single]}))
    rows = list(vics_rows(text.read, UNTOLD, Counter()))
    assert rows == [_row(n + 1, MD5, M, str(n)) for n in range(50)] + [_row(51, MD5, M, "99")]


@pytest.mark.parametrize(
    ("chosen", "number", "said"),
    [
        ("us", 0, "category 0 of us: Non-Pertinent"),
        # 0 and 5 changed their meaning
        ("legacy", 0, "category 0 of legacy: Uncategorized"),
        ("legacy", 5, "category 5 of legacy: Non-Pertinent"),
        ("us", 5, "category 5 of us"),
    ],
)
def test_numbers_mean_what_the_person_says_they_mean(chosen: str, number: int, said: str) -> None:
    data = {**V1, "value": [{"MD5": M, "Category": number}]}
    assert _read(data, categories=load_categories(chosen)) == [_row(1, MD5, M, "", said)]


@pytest.mark.parametrize("text", ["1,first word\n2,second\n", '{"1": "first word", "2": "second"}'])
def test_categories_of_a_source_from_a_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "partner.txt"
    path.write_text(text)
    wanted = Categories(profile="partner", words={1: "first word", 2: "second"})
    assert load_categories(str(path)) == wanted


@pytest.mark.parametrize("text", ["no numbers", "[1]", "a,b\n", None])
def test_a_file_without_categories(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "file"
    if text is not None:
        path.write_text(text)
    with pytest.raises(BadInput, match="holds no categories"):
        load_categories(str(path))


def test_a_set_of_the_nsrl(tmp_path: Path) -> None:
    # As public converters of the NSRL's VICS files show it.
    medium = {
        "odata.id": f'Media("{M}")',
        "MediaFiles": [{"MD5": M, "FileName": "build2.art", "FilePath": "x/y"}],
        "MediaID": 0,
        "MD5": M,
        "SHA1": S,
        "Category": 8,
        "MediaSize": "488",
    }
    path = tmp_path / "nsrl.json"
    path.write_text(json.dumps({**V1, "value": [medium]}))
    rows = list(read_hash_file(path))
    assert [(row.algorithm, row.value.hex()) for row in rows if isinstance(row, HashRow)] == [
        (MD5, M),
        (SHA1, S),
    ]
    table = tmp_path / "NSRLFile.txt"
    head = '"SHA-1","MD5","CRC32","FileName","FileSize","ProductCode","OpSystemCode","SpecialCode"'
    table.write_text(f'{head}\n"{S.upper()}","{M.upper()}","0","a,b",7,1,"WIN",""\n')
    assert list(read_hash_file(table)) == [_row(2, MD5, M), _row(2, SHA1, S)]


def test_vics_without_a_context_is_told_by_its_shape() -> None:
    assert _read({"x": 1, "value": [{"MD5": M}]}) == [_row(1, MD5, M)]
    assert _read({"md5": M}) == [_row(1, MD5, M)]  # a line of JSON Lines


@given(st.binary(max_size=300))
def test_any_bytes_give_rows_and_no_other_error(data: bytes) -> None:
    head = b'{"value":['
    for row in _read(head + data, form=HashFormat.VICS):
        assert isinstance(row, HashRow | RejectedRow)
