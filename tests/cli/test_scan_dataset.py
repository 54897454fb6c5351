"""`safelight scan --dataset` as people run it: WebDatasets, and what is said of wrong use."""

import gzip
import io
import json
import stat
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import (
    jpeg,
    manifests,
    rows_in,
    tar_of,
    webdataset_shard,
    without_nulls,
    write_image_table,
    write_manifest,
    write_pictures,
    write_webdataset,
)
from PIL import Image

from safelight.bulk.environment import environment


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
    assert summary["parts"] == {
        path.name: sha256(path.read_bytes()).hexdigest() for path in sorted(folder.glob("part-*"))
    }
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


def test_a_clean_audit_with_sidecars_is_fully_checked(audit, tmp_path):
    ran = audit(write_webdataset(tmp_path / "set", shards=1), "--dataset")
    assert ran.code == 0
    *items, shard = rows_in(tmp_path / "audit")
    assert [row["verdict"] for row in items] == ["no_match"] * 4  # read sidecars have no rows
    assert all(row["fully_checked"] for row in (*items, shard))
    assert shard["inside"] == {
        **dict.fromkeys(("known", "similar", "unreadable", "skipped", "partly_checked"), 0),
        "no_match": 4,
    }


def test_a_result_says_with_what_it_was_made(audit, listed, tmp_path):
    write_pictures(tmp_path / "files")
    manifest = write_manifest(tmp_path / "rows.csv")
    words = ("--manifest", manifest, "--base", tmp_path / "files")
    audit(*words, SAFELIGHT_MAX_PIXELS="1000000")
    for name in ("dataset.json", "summary.json"):
        told = json.loads((tmp_path / "audit" / name).read_text())
        assert told["environment"] == environment()
        assert told["settings"]["max_pixels"] == 1_000_000
        (facts,) = told["matched_against"]["facts"]
        assert (facts["name"], facts["licence"], facts["entries"]) == ("listed.csv", "unknown", 2)
        assert told["matched_against"]["files"] == [
            {"path": str(listed), "sha256": sha256(listed.read_bytes()).hexdigest()}
        ]
        assert told["manifest_sha256"] == sha256(manifest.read_bytes()).hexdigest()
    ran = audit(*words)
    assert (ran.code, "these differ: settings.max_pixels." in ran.err) == (2, True)


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
