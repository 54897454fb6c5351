"""`safelight scan --dataset` and `--manifest` as people run them."""

import csv
import gzip
import io
import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import (
    KNOWN,
    jpeg,
    tar_of,
    webdataset_shard,
    write_image_table,
    write_known,
    write_pictures,
    write_webdataset,
)
from PIL import Image

from s3_server import s3_server


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    return write_known(tmp_path / "listed.csv")


@pytest.fixture
def audit(safelight, listed, tmp_path):
    """Run an audit with JSON Lines as its result."""

    def run(*arguments: str | Path, result: str = "audit", **environ: str):
        return safelight(
            *("scan", *arguments, "--hashes", listed, "--result", tmp_path / result),
            *("--format", "jsonl", "--jobs", "1"),
            **environ,
        )

    return run


def rows_in(folder: Path) -> list[dict[str, Any]]:
    return [
        json.loads(line)
        for part in sorted(folder.glob("part-*.jsonl"))
        for line in part.read_text().splitlines()
    ]


def manifests(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Verdict and what is carried, by file or member name."""
    return {
        row["derivation"][-1]["name"] if "derivation" in row else os.path.basename(row["path"]): (
            row["verdict"],
            row.get("manifest"),
        )
        for row in rows
    }


def test_a_find_in_a_webdataset_says_where_it_came_from(audit, tmp_path):
    ran = audit(write_webdataset(tmp_path / "set"), "--dataset")
    assert ran.code == 1
    assert "Do not open, copy, send or delete" in ran.err
    folder = tmp_path / "audit"
    assert sorted(path.name for path in folder.iterdir()) == [
        "dataset.json",
        *(f"part-{number:05}-shard-{number:05}.jsonl" for number in range(3)),
        "shards.jsonl",
        "summary.json",
    ]
    rows = rows_in(folder)
    (found,) = [row for row in rows if row["matches"]]
    assert found["path"] == str(tmp_path / "set" / "shard-00001.tar")
    assert found["derivation"] == [{"kind": "archive_member", "name": "001001.jpg"}]
    assert found["manifest"] == {"key": "001001", "url": "https://pictures.example/001001"}
    # every picture has the facts of its own sample; read sidecars have no rows
    assert {name: carried for name, (_, carried) in manifests(rows).items() if carried} == {
        f"{shard:03}{number:03}.jpg": {
            "key": f"{shard:03}{number:03}",
            "url": f"https://pictures.example/{shard:03}{number:03}",
        }
        for shard in range(3)
        for number in range(4)
    }
    summary = json.loads((folder / "summary.json").read_text())
    assert {
        name: summary[name]
        for name in ("ended", "shards", "files", "members", "known", "no_match", "sidecars")
    } == {
        "ended": True,
        "shards": 3,
        "files": 3,
        "members": 12,
        "known": 1,
        "no_match": 14,  # the tars themselves among them
        "sidecars": 24,
    }


def test_nobody_else_may_read_the_result(audit, tmp_path):
    audit(write_webdataset(tmp_path / "set", shards=1), "--dataset")
    folder = tmp_path / "audit"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_parquet_and_json_lines_say_the_same(safelight, audit, listed, tmp_path):
    write_webdataset(tmp_path / "set", shards=2)
    audit(tmp_path / "set", "--dataset")
    ran = safelight(
        *("scan", tmp_path / "set", "--dataset", "--hashes", listed),
        *("--result", tmp_path / "parquet", "--output", "json"),
    )
    assert ran.code == 1
    assert ran.rows[0] == json.loads((tmp_path / "parquet" / "summary.json").read_text())
    parts = sorted((tmp_path / "parquet").glob("*.parquet"))
    assert [part.name for part in parts] == [
        "part-00000-shard-00000.parquet",
        "part-00001-shard-00001.parquet",
    ]
    table = pq.read_table(parts)
    for row, record in zip(rows_in(tmp_path / "audit"), table.to_pylist(), strict=True):
        kept = {name: value for name, value in record.items() if value not in (None, [])}
        kept["matches"] = [without_nulls(match) for match in record["matches"]]
        for name in ("derivation", "manifest"):
            kept.pop(name, None)
        if record["derivation"]:
            kept["derivation"] = [without_nulls(step) for step in record["derivation"]]
        if record["manifest"]:
            kept["manifest"] = dict(record["manifest"])
        if "pdq" in kept:
            kept["pdq"] = kept["pdq"].hex()
        assert kept == {name: value for name, value in row.items() if value is not None and (
            value != [] or name == "matches"
        )}  # fmt: skip


def without_nulls(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value is not None}


def test_the_fields_asked_for_are_carried_and_no_other(audit, tmp_path):
    audit(write_webdataset(tmp_path / "set"), "--dataset", "--carry", "caption", "--carry", "width")
    (found,) = [row for row in rows_in(tmp_path / "audit") if row["matches"]]
    assert found["manifest"] == {"key": "001001", "caption": "hills", "width": "240"}


def test_a_sidecar_that_cannot_be_read_has_its_own_row(audit, tmp_path):
    (tmp_path / "set.tar").write_bytes(tar_of([("1.jpg", jpeg(1)), ("1.json", b"{not json")]))
    ran = audit(tmp_path / "set.tar", "--dataset")
    assert ran.code == 2
    assert manifests(rows_in(tmp_path / "audit")) == {
        "1.jpg": ("no_match", {"key": "1"}),
        "1.json": ("unreadable", {"key": "1"}),
        "set.tar": ("no_match", None),
    }


def test_sidecars_of_every_kind(audit, tmp_path):
    members = [("1.jpg", jpeg(1)), ("1.url", b"https://a.example/1"), ("1.cls", b"7")]
    members += [("1.txt", b""), ("1.id", b"\xe2\x98\x83"), ("1.json", b"{}")]
    bitmap = io.BytesIO()
    Image.new("1", (8, 8)).save(bitmap, "XBM")  # a picture that is text
    members.append(("2.txt", bitmap.getvalue()))
    gif = b"GIF89a" + b"\x01\x00\x01\x00" + bytes(3) + b";"
    members.append(("3.txt", gif))  # bytes that are text, and begin like a picture
    (tmp_path / "set.tar").write_bytes(tar_of(members))
    ran = audit(tmp_path / "set.tar", "--dataset")
    assert ran.code == 2
    rows = rows_in(tmp_path / "audit")
    assert [row["derivation"][0]["name"] for row in rows[:-1]] == ["1.jpg", "3.txt"]
    assert rows[0]["manifest"] == {
        "key": "1",
        "url": "https://a.example/1",
        "cls": "7",
        "id": "\N{SNOWMAN}",
    }
    assert rows[1]["kind"] == "image"


def test_compressed_tars(audit, tmp_path):
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "1.tar.gz").write_bytes(gzip.compress(webdataset_shard(1)))
    assert audit(tmp_path / "set", "--dataset").code == 1
    (found,) = [row for row in rows_in(tmp_path / "audit") if row["matches"]]
    assert [step["kind"] for step in found["derivation"]] == ["compressed", "archive_member"]
    assert found["manifest"] == {"key": "001001", "url": "https://pictures.example/001001"}
    summary = json.loads((tmp_path / "audit" / "summary.json").read_text())
    assert (summary["not_checked"], summary["sidecars"]) == ({}, 8)


def test_a_pattern_names_shards(audit, tmp_path):
    write_webdataset(tmp_path / "set")
    ran = audit(tmp_path / "set" / "shard-{00001..00002}.tar", "--dataset")
    assert ran.code == 1
    assert len(list((tmp_path / "audit").glob("part-*"))) == 2
    ran = audit(tmp_path / "set" / "shard-{00001..00003}.tar", "--dataset", result="other")
    assert (ran.code, "shard-00003.tar: there is no such file" in ran.err) == (2, True)
    assert not (tmp_path / "other").exists()


# --- stopped and gone on with ---------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_stopped_audit_goes_on_where_it_was(audit, command, environ, tmp_path, listed, number):
    write_webdataset(tmp_path / "set", shards=12, count=60)
    arguments = ["scan", tmp_path / "set", "--dataset", "--hashes", listed, "--format", "jsonl"]
    arguments += ["--result", tmp_path / "audit", "--jobs", "2"]
    folder = tmp_path / "audit"
    with subprocess.Popen(
        [*command, *map(str, arguments)], env=environ, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 60
        while len(list(folder.glob("part-*"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(number)
        _, err = process.communicate(timeout=60)
    if number == signal.SIGINT:
        assert process.returncode in (1, 2)
        assert "The same command again goes on" in err
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob("part-*")}
    noted = len((folder / "shards.jsonl").read_text().splitlines())
    assert 2 <= len(before) < 12
    assert 0 <= len(before) - noted <= 2  # at most those in the middle of being noted
    ran = audit(tmp_path / "set", "--dataset")
    assert ran.code == 1
    assert json.loads((folder / "summary.json").read_text())["shards"] == 12
    again = {path.name: path.stat().st_mtime_ns for path in folder.glob("part-*")}
    untouched = [name for name, time_ns in before.items() if again[name] == time_ns]
    assert len(untouched) >= noted
    assert not list(folder.glob(".*"))
    audit(tmp_path / "set", "--dataset", result="at-once")
    assert rows_in(folder) == rows_in(tmp_path / "at-once")


def test_a_full_disk_leaves_no_half_a_part(audit, command, environ, tmp_path, listed):
    write_webdataset(tmp_path / "set", shards=3, count=20)
    arguments = ["scan", tmp_path / "set", "--dataset", "--hashes", listed, "--format", "jsonl"]
    arguments += ["--result", tmp_path / "audit", "--jobs", "1"]
    # a limit on the size of files stands in for a full disk
    limited = ["prlimit", "--fsize=6000", *command, *map(str, arguments)]
    done = subprocess.run(limited, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "error (disk_full)" in done.stderr
    assert "The same command again goes on" in done.stderr
    assert not list((tmp_path / "audit").glob("part-*"))
    assert not list((tmp_path / "audit").glob(".*"))
    assert audit(tmp_path / "set", "--dataset").code == 1
    assert len(rows_in(tmp_path / "audit")) == 63


def test_a_whole_audit_is_not_made_again(audit, tmp_path):
    write_webdataset(tmp_path / "set")
    audit(tmp_path / "set", "--dataset")
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "audit").glob("part-*")}
    ran = audit(tmp_path / "set", "--dataset")
    assert ran.code == 1  # what was found stays found
    assert "3 shards of an earlier run" in ran.err
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_a_part_without_its_note_is_made_again_once(audit, tmp_path):
    write_webdataset(tmp_path / "set")
    audit(tmp_path / "set", "--dataset")
    whole = rows_in(tmp_path / "audit")
    shards = tmp_path / "audit" / "shards.jsonl"
    lines = shards.read_text().splitlines(keepends=True)
    shards.write_text(lines[0] + lines[1][:30])  # killed while it was written
    (tmp_path / "audit" / ".part-00002-shard-00002.jsonl.unfinished").write_text("half a row")
    assert audit(tmp_path / "set", "--dataset").code == 1
    assert rows_in(tmp_path / "audit") == whole
    assert not list((tmp_path / "audit").glob(".*"))
    assert json.loads((tmp_path / "audit" / "summary.json").read_text())["members"] == 12


def test_a_part_that_went_missing_is_made_again(audit, tmp_path):
    write_webdataset(tmp_path / "set")
    audit(tmp_path / "set", "--dataset")
    whole = rows_in(tmp_path / "audit")
    (tmp_path / "audit" / "part-00001-shard-00001.jsonl").unlink()
    assert audit(tmp_path / "set", "--dataset").code == 1
    assert rows_in(tmp_path / "audit") == whole


def test_something_else_is_not_gone_on_with(audit, safelight, tmp_path, listed):
    write_webdataset(tmp_path / "set")
    audit(tmp_path / "set", "--dataset")
    ran = audit(tmp_path / "set", "--dataset", "--radius", "20")
    assert (ran.code, "these differ: radius." in ran.err) == (2, True)
    listed.write_text(listed.read_text() + "0" * 64 + ",\n")
    ran = audit(tmp_path / "set", "--dataset")
    assert (ran.code, "hashes_fingerprint" in ran.err) == (2, True)


def test_a_data_set_that_changed_is_not_gone_on_with(audit, tmp_path):
    write_webdataset(tmp_path / "set")
    audit(tmp_path / "set", "--dataset")
    (tmp_path / "set" / "shard-00001.tar").write_bytes(webdataset_shard(1, 5))
    ran = audit(tmp_path / "set", "--dataset")
    assert "shard 1 (shard-00001) is not what it was" in ran.err
    assert ran.code == 1  # what was found before is still told
    assert json.loads((tmp_path / "audit" / "summary.json").read_text())["ended"] is False


def test_a_folder_of_something_else_is_left_alone(audit, tmp_path):
    write_webdataset(tmp_path / "set", shards=1)
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit" / "thesis.txt").write_text("mine")
    ran = audit(tmp_path / "set", "--dataset")
    assert (ran.code, "holds something else" in ran.err) == (2, True)
    ran = audit(tmp_path / "set", "--dataset", result="set/audit")
    assert (ran.code, "never written to" in ran.err) == (2, True)
    assert sorted(path.name for path in tmp_path.glob("*/*")) == ["shard-00000.tar", "thesis.txt"]


# --- manifests ------------------------------------------------------------------------------------

ABOUT = [
    {"file_name": "000.jpg", "url": "https://a.example/0", "caption": "hills, again", "id": 7},
    {"file_name": "001.jpg", "url": "https://a.example/1", "caption": 'a "lake"', "id": 8},
    {"file_name": "gone.jpg", "url": "https://a.example/2", "caption": "lost", "id": 9},
    {"file_name": None, "url": "https://a.example/3", "caption": "nothing", "id": 10},
    {"file_name": "001.jpg", "url": "https://b.example/1", "caption": "again", "id": 11},
]


def write_manifest(path: Path) -> Path:
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(ABOUT), path)
    elif path.suffix == ".jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in ABOUT))
    else:
        with path.open("w", newline="") as file:
            rows = csv.DictWriter(file, list(ABOUT[0]))
            rows.writeheader()
            rows.writerows(ABOUT)
    return path


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


# --- Hugging Face ---------------------------------------------------------------------------------


def test_an_image_folder_with_its_metadata(audit, tmp_path):
    (tmp_path / "set").mkdir()
    write_pictures(tmp_path / "set" / "train")
    (tmp_path / "secret.jpg").write_bytes(jpeg(KNOWN))
    (tmp_path / "set" / "train" / "metadata.csv").write_text(
        "file_name,url\n001.jpg,https://a.example/1\n../../secret.jpg,https://a.example/2\n"
    )
    ran = audit(tmp_path / "set", "--dataset")
    assert ran.code == 1
    assert manifests(rows_in(tmp_path / "audit")) == {
        "001.jpg": ("known", {"_row": "0", "url": "https://a.example/1"}),
        # a data set does not make us read what is not in it
        "secret.jpg": ("unreadable", {"_row": "1", "url": "https://a.example/2"}),
        "000.jpg": ("no_match", None),
        "002.jpg": ("no_match", None),
        "003.jpg": ("no_match", None),
    }


def test_pictures_in_parquet_files(audit, tmp_path):
    (tmp_path / "set" / "data").mkdir(parents=True)
    rows = [
        {
            "image": {"bytes": jpeg(seed), "path": f"{seed}.jpg"},
            "url": f"https://a.example/{seed}",
            "caption": "hills",
        }
        for seed in (1, 2, 3, KNOWN, 5)
    ]
    rows.append({"image": {"bytes": None, "path": "elsewhere.jpg"}, "url": None, "caption": None})
    rows.append({"image": None, "url": "https://a.example/none", "caption": None})
    rows.append({"image": {"bytes": b"no picture", "path": None}, "url": None, "caption": None})
    write_image_table(tmp_path / "set" / "data" / "train-00000-of-00001.parquet", rows)
    ran = audit(tmp_path / "set", "--dataset")
    assert ran.code == 1
    *items, whole = rows_in(tmp_path / "audit")
    assert [
        (row["derivation"][0]["name"], row["verdict"], row.get("code"), row.get("manifest"))
        for row in items
    ] == [
        *(
            (
                str(number),
                "known" if seed == KNOWN else "no_match",
                None,
                {"url": f"https://a.example/{seed}", "path": f"{seed}.jpg"},
            )
            for number, seed in enumerate((1, 2, 3, KNOWN, 5))
        ),
        ("5", "unreadable", "no_bytes", {"path": "elsewhere.jpg"}),
        ("7", "unreadable", "not_a_picture", None),
    ]
    assert (whole["kind"], whole["format"], whole["members"]) == ("archive", "parquet", 8)


def test_parquet_files_that_are_damaged_or_hold_no_pictures(audit, tmp_path):
    (tmp_path / "set").mkdir()
    rows = [{"image": {"bytes": jpeg(seed), "path": ""}} for seed in range(20)]
    write_image_table(tmp_path / "set" / "cut.parquet", rows)
    whole = (tmp_path / "set" / "cut.parquet").read_bytes()
    (tmp_path / "set" / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    middle = bytearray(whole)
    middle[len(whole) // 2 : len(whole) // 2 + 2000] = bytes(2000)
    (tmp_path / "set" / "middle.parquet").write_bytes(middle)
    pq.write_table(pa.table({"text": ["a", "b"]}), tmp_path / "set" / "text.parquet")
    ran = audit(tmp_path / "set", "--dataset")
    assert ran.code == 2
    last = {os.path.basename(row["path"]): row for row in rows_in(tmp_path / "audit")}
    assert (last["cut.parquet"]["verdict"], last["cut.parquet"]["code"]) == (
        "unreadable",
        "damaged",
    )
    assert last["text.parquet"]["verdict"] == "unreadable"
    assert not last["middle.parquet"]["fully_checked"] or [
        row for row in rows_in(tmp_path / "audit") if row.get("code") == "damaged"
    ]
    assert all(last[name]["sha256"] for name in last)


# --- S3 -------------------------------------------------------------------------------------------


def test_tars_in_s3(audit, tmp_path):
    with s3_server() as server:
        for shard in range(3):
            server.objects[f"pictures/set/shard-{shard:05}.tar"] = webdataset_shard(shard)
        ran = audit("s3://pictures/set", "--dataset", **server.environ)
        assert ran.code == 1
        (found,) = [row for row in rows_in(tmp_path / "audit") if row["matches"]]
        assert found["path"] == "s3://pictures/set/shard-00001.tar"
        assert found["manifest"] == {"key": "001001", "url": "https://pictures.example/001001"}
        ran = audit(
            "s3://pictures/set/shard-{00000..00001}.tar", "--dataset", result="b", **server.environ
        )
        assert ran.code == 1
    write_webdataset(tmp_path / "set")
    audit(tmp_path / "set", "--dataset", result="local")

    def nowhere(folder: str) -> list[dict[str, Any]]:
        return [{**row, "path": ""} for row in rows_in(tmp_path / folder)]

    assert nowhere("audit") == nowhere("local")


def test_a_manifest_of_files_in_s3(audit, tmp_path):
    with s3_server() as server:
        server.objects["pictures/some/1.jpg"] = jpeg(KNOWN)
        server.objects["other/2.jpg"] = jpeg(2)
        (tmp_path / "rows.csv").write_text("path,id\n1.jpg,a\ns3://other/2.jpg,b\nabsent.jpg,c\n")
        ran = audit(
            *("--manifest", tmp_path / "rows.csv", "--base", "s3://pictures/some"),
            **server.environ,
        )
    assert ran.code == 1
    assert [
        (row["path"], row["verdict"], row.get("code")) for row in rows_in(tmp_path / "audit")
    ] == [
        ("s3://pictures/some/1.jpg", "known", None),
        ("s3://other/2.jpg", "no_match", None),
        ("s3://pictures/some/absent.jpg", "unreadable", "not_there"),
    ]


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize("memory", ["0", "256"])
def test_a_manifest_in_s3(audit, tmp_path, ending, memory):
    with s3_server() as server:
        manifest = write_manifest(tmp_path / f"rows.{ending}")
        server.objects[f"pictures/{manifest.name}"] = manifest.read_bytes()
        server.objects["pictures/000.jpg"] = jpeg(0)
        server.objects["pictures/001.jpg"] = jpeg(KNOWN)
        ran = audit(
            *("--manifest", f"s3://pictures/{manifest.name}"),
            **server.environ,
            SAFELIGHT_REMOTE_MEMORY_MB=memory,
        )
    assert ran.code == 1
    rows = rows_in(tmp_path / "audit")
    assert [row["verdict"] for row in rows] == [
        *("no_match", "known", "unreadable", "unreadable", "known"),
    ]
    assert [row["manifest"]["url"] for row in rows] == [row["url"] for row in ABOUT]


def test_what_cannot_be_fetched_is_tried_again(audit, tmp_path):
    with s3_server() as server:
        for shard in range(3):
            server.objects[f"pictures/set/{shard}.tar"] = webdataset_shard(shard)
        server.refused.add("pictures/set/1.tar")
        ran = audit("s3://pictures/set", "--dataset", **server.environ)
        assert ran.code == 2
        assert "The same command again tries them again." in ran.err
        summary = json.loads((tmp_path / "audit" / "summary.json").read_text())
        assert (summary["ended"], summary["shards_to_try_again"]) == (False, 1)
        assert summary["not_checked"] == {"remote_error": 1}
        server.refused.clear()
        asked = len(server.asked)
        ran = audit("s3://pictures/set", "--dataset", **server.environ)
        assert ran.code == 1
        assert {name for method, name in server.asked[asked:] if method == "GET"} == {
            "pictures",
            "pictures/set/1.tar",
        }
    summary = json.loads((tmp_path / "audit" / "summary.json").read_text())
    assert (summary["ended"], summary["known"], summary["members"]) == (True, 1, 12)
    assert summary["not_checked"] == {}


def test_large_objects_are_read_piece_by_piece(audit, tmp_path):
    """The same rows, whether an object is fetched whole or read as it is examined."""
    rows = [{"image": {"bytes": jpeg(seed), "path": f"{seed}"}} for seed in (1, KNOWN)]
    write_image_table(tmp_path / "table.parquet", rows)
    with s3_server() as server:
        server.objects["pictures/set/1.tar"] = webdataset_shard(1)
        server.objects["pictures/hf/1.parquet"] = (tmp_path / "table.parquet").read_bytes()
        server.objects["pictures/set/2.jpg"] = jpeg(2)
        for place in ("set", "hf"):
            url = f"s3://pictures/{place}"
            audit(url, "--dataset", result=f"{place}-whole", **server.environ)
            asked = len(server.asked)
            ran = audit(
                *(url, "--dataset"),
                result=f"{place}-pieces",
                **server.environ,
                SAFELIGHT_REMOTE_MEMORY_MB="0",
            )
            assert ran.code == 1
            assert len(server.asked) > asked
            assert rows_in(tmp_path / f"{place}-pieces") == rows_in(tmp_path / f"{place}-whole")


def test_an_object_that_fails_in_the_middle_is_tried_again(audit, tmp_path):
    with s3_server() as server:
        server.objects["pictures/1.tar"] = webdataset_shard(1) + bytes(6 << 20)
        server.refused_from["pictures/1.tar"] = 4 << 20
        pieces = {**server.environ, "SAFELIGHT_REMOTE_MEMORY_MB": "0"}
        ran = audit("s3://pictures", "--dataset", **pieces)
        assert ran.code == 1  # what is found is told all the same
        *items, whole = rows_in(tmp_path / "audit")
        assert [row["verdict"] for row in items] == ["no_match", "known", "no_match", "no_match"]
        assert whole["code"] == "remote_error"
        server.refused_from.clear()
        assert audit("s3://pictures", "--dataset", **pieces).code == 1
    assert rows_in(tmp_path / "audit")[-1]["verdict"] == "no_match"


def test_a_store_that_does_not_answer(audit, tmp_path):
    ran = audit("s3://pictures/set", "--dataset", AWS_ENDPOINT_URL="http://127.0.0.1:9")
    assert (ran.code, "remote_unavailable" in ran.err) == (2, True)


# --- what is said of wrong use --------------------------------------------------------------------


def test_without_pyarrow_results_are_json_lines(environ, tmp_path, listed):
    write_webdataset(tmp_path / "set", shards=1)
    pq.write_table(pa.table({"path": ["a"]}), tmp_path / "rows.parquet")
    (tmp_path / "hf").mkdir()
    write_image_table(tmp_path / "hf" / "a.parquet", [])

    def run(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        program = (
            "import sys; sys.modules['pyarrow'] = None; from safelight.cli import main; main()"
        )
        return subprocess.run(
            [sys.executable, "-c", program, "scan", *map(str, arguments), "--hashes", str(listed)],
            env=environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    done = run(tmp_path / "set", "--dataset", "--result", tmp_path / "audit")
    assert done.returncode == 0, done.stderr
    assert [path.suffix for path in (tmp_path / "audit").glob("part-*")] == [".jsonl"]
    for arguments in (
        (tmp_path / "set", "--dataset", "--format", "parquet"),
        ("--manifest", tmp_path / "rows.parquet"),
        (tmp_path / "hf", "--dataset"),
    ):
        done = run(*arguments, "--result", tmp_path / "other")
        assert done.returncode == 2
        assert "pip install 'safelight[parquet]'" in done.stderr


def test_options_of_a_data_set_need_one(safelight, tree, listed, tmp_path):
    ran = safelight("scan", tree, "--hashes", listed, "--layout", "folder")
    assert (ran.code, "--dataset" in ran.err) == (2, True)
    ran = safelight("scan", tree, "--hashes", listed, "--dataset")
    assert (ran.code, "--result" in ran.err) == (2, True)
    ran = safelight("scan", "--hashes", listed, "--dataset", "--result", tmp_path / "a")
    assert (ran.code, "nothing to audit" in ran.err) == (2, True)


def test_options_of_other_scans_are_refused(audit, tree):
    for option in ("--resume", "--exhibit", "--skip-known"):
        ran = audit(tree, "--dataset", option, "last")
        assert (ran.code, "the same command again goes on" in ran.err) == (2, True)


def test_plain_folders(audit, tree, tmp_path):
    ran = audit(tree, "--dataset")
    assert ran.code == 2
    assert [path.name for path in (tmp_path / "audit").glob("part-*")] == ["part-00000-files.jsonl"]
    assert {
        name: verdict for name, (verdict, _) in manifests(rows_in(tmp_path / "audit")).items()
    } == {
        "same.png": "no_match",
        "changed.jpg": "no_match",
        "stranger.jpg": "no_match",
        "empty.jpg": "unreadable",
        "text.jpg": "unreadable",
    }


def test_what_is_named_twice_is_examined_once(audit, tmp_path):
    write_webdataset(tmp_path / "set")
    ran = audit(
        *(tmp_path / "set" / "shard-{00000..00001}.tar", tmp_path / "set" / "shard-00001.tar"),
        *(tmp_path / "set", "--dataset"),
    )
    assert ran.code == 1
    assert len(rows_in(tmp_path / "audit")) == 15
