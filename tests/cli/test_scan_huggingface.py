"""Data sets in the layouts of Hugging Face."""

import os

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import KNOWN, jpeg, manifests, rows_in, write_image_table, write_pictures


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
