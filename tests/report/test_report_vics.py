"""VICS out: what was found, no pictures, no category that nobody gave; and the way back in."""

import json
from pathlib import Path

import pytest
from results import about, known, match, row, similar, unchecked, write

from safelight.bulk.about import read_about
from safelight.connectors.hash_files import read_hash_file
from safelight.connectors.vics_out import Version
from safelight.errors import BadInput
from safelight.model import Algorithm, HashRow
from safelight.report.vics import read_mapping
from safelight.report.write import Form, write_report

MAPPING = {"hotline": {"A1": 1, "B": 2}}


def case(folder: Path, *rows, version=Version.V2_0, mapping=None, **more) -> dict:
    result = write(folder, *rows, **more)
    out = folder / "vics.json"
    write_report(result, read_about(result), out, Form.VICS, version=version, mapping=mapping)
    return json.loads(out.read_text())


def test_a_case_whole(tmp_path: Path):
    told = case(tmp_path, known(), unchecked(), row())
    assert told["@odata.context"].endswith("/2.0.xml/Default/$metadata#Cases")
    (one,) = told["value"]
    (medium,) = one.pop("Media")
    digest = read_about(tmp_path / "a.jsonl")["results"]["sha256"]
    assert one == {
        "CaseID": f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:32]}",
        "CaseNumber": "2026-117/3",
        "ContactName": "E4",
        "SourceApplicationName": "Safelight",
        "SourceApplicationVersion": "0.1.0",
        "TotalMediaFiles": 1,
        "TotalPrecategorized": 0,
        "CaseMetadata": [
            {"PropertyName": "Authority", "PropertyValue": "order 12"},
            {"PropertyName": "ResultsSHA256", "PropertyValue": digest},
            {"PropertyName": "HashesFingerprint", "PropertyValue": "f" * 32},
        ],
    }
    found = known()
    assert medium == {
        "MediaID": 1,
        "MD5": found["md5"].upper(),
        "SHA1": found["sha1"].upper(),
        "AlternativeHashes": [
            {"HashName": "SHA256", "HashValue": found["sha256"]},
            {"HashName": "PDQ", "HashValue": "ab" * 32},
        ],
        "MediaSize": 1234,
        "MimeType": "image/png",
        "IsSuspected": True,
        "Tags": "hotline: A1",
        "Comments": "because: it is so",
        "DateUpdated": "2026-11-22T01:02:04.000000Z",
        "MediaFiles": [
            {
                "FileName": "k.png",
                "FilePath": "/m",
                "Created": "2025-12-31T23:59:59.9999999Z",
                "Written": "2026-01-02T03:04:05.1234567Z",
                "Unallocated": False,
                "SourceID": "2026-117/3",
                "MD5": found["md5"].upper(),
            }
        ],
    }


def test_what_may_not_be_given_away_is_left_out_and_told(tmp_path: Path):
    facts = {"name": "hotline", "permitted_purposes": ["match"], "redistribution": "forbidden"}
    against = about()["matched_against"] | {"facts": [facts]}
    mapping = {"hotline": {"A1": 1, "": 2}}
    told = case(tmp_path, known(), mapping=mapping, matched_against=against)
    (one,) = told["value"]
    (medium,) = one["Media"]
    note = (
        "Classes, tags and categories from the list hotline are left out: its redistribution is"
        " forbidden."
    )
    assert "Category" not in medium
    assert (medium["Tags"], medium["IsSuspected"]) == ("", True)
    assert medium["Comments"] == f"because: it is so {note}"
    assert one["CaseMetadata"][-1] == {"PropertyName": "LeftOut", "PropertyValue": note}


def test_version_1_3_has_its_own_context(tmp_path: Path):
    told = case(tmp_path, known(), version=Version.V1_3)
    assert told["odata.metadata"] == "http://github.com/ICMEC/ProjectVic/DataModels/1.3.xml#Cases"


def media(told: dict) -> list[dict]:
    found: list[dict] = told["value"][0]["Media"]
    return found


def test_a_category_is_written_only_where_one_is_given(tmp_path: Path):
    other = row(b"/m/o.png", "known", match(algorithm="md5", distance=0, **{"class": "C"}))
    told = case(tmp_path, known(), other, mapping=MAPPING)
    (first, second) = media(told)
    assert (first["Category"], first["IsPrecategorized"], first["IsSuspected"]) == (1, True, False)
    assert "Category" not in second
    assert "IsPrecategorized" not in second
    assert told["value"][0]["TotalPrecategorized"] == 1


@pytest.mark.parametrize(
    "found",
    [
        similar(),
        # the class is that of a picture with an equal hash, not of this file
        row(b"/m/e.png", "known", match(distance=0, **{"class": "A1"})),
    ],
)
def test_what_only_looks_alike_is_not_what_a_source_has_classed(tmp_path: Path, found):
    (medium,) = media(case(tmp_path, found, mapping=MAPPING))
    assert ("Category" in medium, medium["IsSuspected"]) == (False, True)


def test_sources_that_disagree_give_no_category(tmp_path: Path):
    md5 = {"algorithm": "md5", "distance": 0}
    both = row(
        b"/m/b.png", "known", match(**md5, **{"class": "A1"}), match(**md5, **{"class": "B"})
    )
    (medium,) = media(case(tmp_path, both, mapping=MAPPING))
    assert "Category" not in medium
    assert "mapped to several categories (1, 2)" in medium["Comments"]
    assert medium["Tags"] == "hotline: A1; hotline: B"


def test_one_medium_may_lie_in_many_places(tmp_path: Path):
    again = known() | {
        "path": "/m/z.zip",
        "derivation": [{"kind": "archive_member", "name": "in/k.png"}],
        "times": {},
    }
    told = case(tmp_path, known(), again)
    (medium,) = media(told)
    assert [(one["FilePath"], one["FileName"]) for one in medium["MediaFiles"]] == [
        ("/m", "k.png"),
        ("/m/z.zip/in", "k.png"),
    ]
    assert told["value"][0]["TotalMediaFiles"] == 2


def test_times_that_net_cannot_hold_are_left_out(tmp_path: Path):
    (medium,) = media(case(tmp_path, known(times={"modified": "@-99.000000001"})))
    assert "Written" not in medium["MediaFiles"][0]


def test_rows_without_an_exhibit_are_refused(tmp_path: Path):
    found = known()
    del found["exhibit"]
    with pytest.raises(BadInput, match="--exhibit"):
        case(tmp_path, found)
    assert not (tmp_path / "vics.json").exists()


@pytest.mark.parametrize("version", list(Version))
def test_the_importer_reads_back_what_was_written(tmp_path: Path, version: Version):
    rows = [known(), similar(), row(b"/m/v.mp4", "known", match(), pdq=None)]
    case(tmp_path, *rows, version=version, mapping=MAPPING)
    read = list(read_hash_file(tmp_path / "vics.json"))
    assert all(isinstance(one, HashRow) for one in read)
    assert {(one.algorithm, one.value.hex()) for one in read} == {
        (algorithm, one[algorithm.value])
        for one in rows
        for algorithm in (Algorithm.MD5, Algorithm.SHA1, Algorithm.SHA256, Algorithm.PDQ)
        if one[algorithm.value]
    }
    classes = {one.their_id: one.their_class for one in read}
    assert classes["1"].startswith("category 1 of ")
    assert classes["2"] == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"a": 1}',
        '{"a": {"b": "1"}}',
        '{"a": {"b": true}}',
        '{"a": {"b": -1}}',
        "[" * 9999,
    ],
)
def test_a_mapping_that_is_none_is_refused(tmp_path: Path, text: str):
    path = tmp_path / "categories.json"
    path.write_text(text)
    with pytest.raises(BadInput, match="holds no categories"):
        read_mapping(path)
