"""Data sets in an object store that speaks S3."""

import json
from typing import Any

import pytest
from datasets import (
    ABOUT,
    KNOWN,
    jpeg,
    rows_in,
    webdataset_shard,
    write_image_table,
    write_manifest,
    write_webdataset,
)

from s3_server import s3_server


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
