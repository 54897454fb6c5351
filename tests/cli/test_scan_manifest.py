"""`safelight scan --manifest` as people run it."""

import json
import os

import pytest
from datasets import (
    ABOUT,
    KNOWN,
    jpeg,
    manifests,
    rows_in,
    tar_of,
    write_manifest,
    write_pictures,
    write_webdataset,
)


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_a_manifest_says_what_to_scan_and_is_carried(audit, tmp_path, ending):
    write_pictures(tmp_path / "files")
    manifest = write_manifest(tmp_path / f"rows.{ending}")
    ran = audit("--manifest", manifest, "--base", tmp_path / "files")
    assert ran.code == 1
    found = [
        (os.path.basename(row["path"]), row["verdict"], row.get("code"), row["manifest"])
        for row in rows_in(tmp_path / "audit")
    ]

    def carried(number: int) -> dict[str, str]:
        row = ABOUT[number]
        return {"_row": str(number)} | {name: str(row[name]) for name in ("url", "caption", "id")}

    assert found == [
        ("000.jpg", "no_match", None, carried(0)),
        ("001.jpg", "known", None, carried(1)),
        ("gone.jpg", "unreadable", "not_there", carried(2)),
        (f"rows.{ending}", "unreadable", "no_file_named", carried(3)),
        ("001.jpg", "known", None, carried(4)),  # each row is answered, though it is one file
    ]


def test_files_that_the_manifest_does_not_name_are_scanned_too(audit, tmp_path):
    write_pictures(tmp_path / "files")
    (tmp_path / "rows.csv").write_text("file,id\n002.jpg,a\n")
    ran = audit(tmp_path / "files", "--manifest", tmp_path / "rows.csv", "--base", "files")
    assert ran.code == 2  # --base is from where the command runs
    ran = audit(
        tmp_path / "files", "--manifest", tmp_path / "rows.csv", "--base", tmp_path / "files"
    )
    assert ran.code == 1
    assert manifests(rows_in(tmp_path / "audit")) == {
        "002.jpg": ("no_match", {"_row": "0", "id": "a"}),
        "000.jpg": ("no_match", None),
        "001.jpg": ("known", None),
        "003.jpg": ("no_match", None),
    }


def test_a_manifest_may_name_tars(audit, tmp_path):
    write_webdataset(tmp_path / "set")
    (tmp_path / "set" / "crawl.csv").write_text("file,crawl\nshard-00001.tar,spring\n")
    ran = audit("--manifest", tmp_path / "set" / "crawl.csv", "--layout", "webdataset")
    assert ran.code == 1
    (found,) = [row for row in rows_in(tmp_path / "audit") if row["matches"]]
    assert found["manifest"] == {
        "_row": "0",
        "crawl": "spring",
        "key": "001001",
        "url": "https://pictures.example/001001",
    }


def test_a_manifest_may_name_members(audit, tmp_path):
    write_webdataset(tmp_path / "set")
    (tmp_path / "set" / "rows.csv").write_text(
        "shard,member,id\nshard-00001.tar,001000,a\nshard-00001.tar,001001.jpg,b\n"
        "shard-00001.tar,absent,c\nshard-00009.tar,009000,d\n"
    )
    ran = audit("--manifest", tmp_path / "set" / "rows.csv", "--carry", "id")
    assert ran.code == 1
    rows = rows_in(tmp_path / "audit")
    assert manifests(rows) == {
        "001000.jpg": ("no_match", {"_row": "0", "id": "a", "key": "001000"}),
        "001001.jpg": ("known", {"_row": "1", "id": "b", "key": "001001"}),
        "001002.jpg": ("no_match", {"key": "001002"}),
        "001003.jpg": ("no_match", {"key": "001003"}),
        "absent": ("unreadable", {"_row": "2", "id": "c"}),
        "shard-00001.tar": ("no_match", None),
        "shard-00009.tar": ("unreadable", None),
    }
    assert [row["code"] for row in rows if "code" in row] == ["not_there", "not_there"]


@pytest.mark.parametrize("member", ["0001", "0001.jpg", ""])
def test_the_manifest_wins_over_a_sidecar(audit, tmp_path, member):
    about = {"url": "https://stranger.example/9", "id": "forged", "source_url": "https://b.example"}
    sidecar = json.dumps(about).encode()
    (tmp_path / "a.tar").write_bytes(tar_of([("0001.jpg", jpeg(KNOWN)), ("0001.json", sidecar)]))
    (tmp_path / "rows.csv").write_text(
        f"shard,member,url,id\na.tar,{member},https://owner.example/1,row-1\n"
    )
    ran = audit("--manifest", tmp_path / "rows.csv", "--layout", "webdataset")
    assert ran.code == 1
    (found,) = [row for row in rows_in(tmp_path / "audit") if row["matches"]]
    assert found["manifest"] == {
        "_row": "0",
        "url": "https://owner.example/1",
        "id": "row-1",
        "key": "0001",
        "source_url": "https://b.example",
        "sidecar.url": "https://stranger.example/9",
        "sidecar.id": "forged",
    }


def test_columns_can_be_named(audit, tmp_path):
    write_pictures(tmp_path / "files")
    (tmp_path / "files" / "rows.csv").write_text("where;who;what\n001.jpg;me;hills\n")
    ran = audit("--manifest", tmp_path / "files" / "rows.csv")
    assert (ran.code, "--manifest-file-column" in ran.err) == (2, True)
    ran = audit(
        *("--manifest", tmp_path / "files" / "rows.csv", "--carry", "who"),
        *("--manifest-file-column", "where"),
        result="again",
    )
    assert ran.code == 1
    assert manifests(rows_in(tmp_path / "again")) == {
        "001.jpg": ("known", {"_row": "0", "who": "me"})
    }
    ran = audit(
        *("--manifest", tmp_path / "files" / "rows.csv", "--manifest-file-column", "x"),
        result="third",
    )
    assert (ran.code, "has no column 'x'; it has 'where', 'who', 'what'" in ran.err) == (2, True)
