"""Every kind of container, walked in a real locked-down child, gives what it gives outside one."""

import bz2
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Iterator
from pathlib import Path

import py7zr
import pytest
import test_mail
import test_pdf
import unpack_work
from archives import tarred, zipped

from safelight.examine import memory_file
from safelight.sandbox.limits import Limits
from safelight.sandbox.pool import ChildFailed, ChildPool
from safelight.unpack.inflate import zstd

FILES = {"a.txt": b"hello" * 1000, "b/c": bytes(200_000), "empty": b""}


def seven_zipped(**options: object) -> bytes:
    out = io.BytesIO()
    with py7zr.SevenZipFile(out, "w", **options) as archive:  # type: ignore[arg-type]
        for name, data in FILES.items():
            archive.writestr(data, name)
    return out.getvalue()


def encrypted_pdf(password: str, algorithm: str) -> bytes:
    writer = test_pdf.writer_of((test_pdf.jpeg_stream(), test_pdf.JPEG))
    writer.encrypt(password, "owner", algorithm=algorithm)
    return test_pdf.written(writer)


def mail_in_koi8() -> bytes:
    head = b"From: a@example.org\nDate: x\nContent-Type: image/png; name="
    return head + b'"=?koi8-r?b?8NLJ18XU?="\n\nx'


CONTAINERS = {
    "zip": zipped(FILES),
    "zip lzma": zipped(FILES, zipfile.ZIP_LZMA),
    "zip bzip2": zipped(FILES, zipfile.ZIP_BZIP2),
    "tar": tarred(FILES),
    "tar.gz": gzip.compress(tarred(FILES)),
    "tar.bz2": bz2.compress(tarred(FILES)),
    "tar.xz": lzma.compress(tarred(FILES)),
    "tar.zst": zstd.compress(tarred(FILES)),
    "7z": seven_zipped(),
    "7z ppmd": seven_zipped(filters=[{"id": py7zr.FILTER_PPMD, "order": 6, "mem": 24}]),
    "7z zstd": seven_zipped(filters=[{"id": py7zr.FILTER_ZSTD}]),
    "7z encrypted": seven_zipped(password="x"),
    "7z closed": seven_zipped(password="x", header_encryption=True),
    "mail": test_mail.mail(
        ("Größe.png", "image/png", b"x"), ("a.zip", "application/zip", zipped(FILES))
    ).as_bytes(),
    "mail koi8": mail_in_koi8(),
    "pdf": test_pdf.with_picture(test_pdf.saved(test_pdf.PHOTO, "PNG")),
    "pdf aes": encrypted_pdf("", "AES-256"),
    "pdf rc4": encrypted_pdf("", "RC4-128"),
    "pdf closed": encrypted_pdf("user", "AES-128"),
    "nested": zipped({"a.tgz": gzip.compress(tarred({"b.zip": zipped(FILES)}))}),
    "broken pdf": b"%PDF-1.7\nrubbish",
}


@pytest.fixture(scope="module")
def pool() -> Iterator[ChildPool]:
    folder = str(Path(__file__).parent)
    with ChildPool("unpack_work:work", children=1, search_path=[folder]) as pool:
        yield pool


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_child_finds_what_is_found_outside(pool: ChildPool, name: str) -> None:
    fd = memory_file(CONTAINERS[name])
    inside = pool.run(fd, {})
    assert inside == json.loads(json.dumps(unpack_work.work(fd, {})))
    assert len(inside["items"]) > 0
    assert pool.run(fd, {"start": 1})["items"] == inside["items"][1:]


def test_a_bomb_in_memory_costs_its_child_only() -> None:
    folder = str(Path(__file__).parent)
    limits = Limits(memory_mb=64)
    with ChildPool("unpack_work:work", children=1, search_path=[folder], limits=limits) as small:
        fd = memory_file(zipped({"a": bytes(300 << 20)}))
        with pytest.raises(ChildFailed) as caught:
            small.run(fd, {})
        assert caught.value.code == "out_of_memory"
        assert small.run(memory_file(zipped(FILES)), {})["items"]
