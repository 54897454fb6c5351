"""Kinds and formats from first bytes."""

import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import photo, saved

from safelight.decode.sniff import HEAD_BYTES, Sniffed, sniff, webp_size


def tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("name"))
    return out.getvalue()


@pytest.mark.parametrize(
    ("head", "kind", "name"),
    [
        (b"\xff\xd8\xff\xe0", "image", "jpeg"),
        (b"\x89PNG\r\n\x1a\n", "image", "png"),
        (b"GIF89a", "image", "gif"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "image", "webp"),
        (b"RIFF\0\0\0\0AVI LIST", "video", "avi"),
        (b"RIFF\0\0\0\0WAVEfmt ", "audio", "wav"),
        (b"II*\0\x08\0\0\0", "image", "tiff"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "image", "heif"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "image", "heif"),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avifmiaf", "image", "avif"),
        (b"\0\0\0\x18ftypavif\0\0\0\0mif1miaf", "image", "avif"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isomavc1", "video", "mp4"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "video", "mp4"),
        (b"\0\0\0\x18ftypM4A \0\0\0\0M4A mp42", "audio", "m4a"),
        (b"\0\0\0\x18ftypcrx \0\0\0\0crx isom", "image", "raw"),
        (b"\x1aE\xdf\xa3", "video", "matroska"),
        (b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", "image", "bmp"),
        (b"BM is how this letter begins", "text", "text"),
        (b"PK\x03\x04", "archive", "zip"),
        (tar(), "archive", "tar"),
        (b"%PDF-1.7", "document", "pdf"),
        (b"\xff\xfb\x90\x44", "audio", "mp3"),
        (b"G" + b"\0" * 187 + b"G" + b"\0" * 187 + b"G", "video", "mpegts"),
        (b"hello\n", "text", "text"),
        (b'<?xml version="1.0"?><svg>', "image", "svg"),
        (("é" * HEAD_BYTES).encode()[1 : HEAD_BYTES + 1], "other", "unknown"),
        (("x" + "é" * HEAD_BYTES).encode()[:HEAD_BYTES], "text", "text"),  # cut in a character
        (b"\xc3", "other", "unknown"),
        (b"\0\0\0\0", "other", "unknown"),
        (b"\x07bell", "other", "unknown"),
        (b"", "other", "unknown"),
    ],
)
def test_sniff(head: bytes, kind: str, name: str) -> None:
    assert sniff(head) == Sniffed(kind, name)


@given(st.binary(max_size=600))
def test_sniff_never_fails(head: bytes) -> None:
    assert sniff(head).kind in {
        "image", "video", "audio", "archive", "document", "text", "other",
    }  # fmt: skip


@pytest.mark.parametrize("size", [(1, 1), (300, 200), (7, 1000)])
def test_webp_size(size: tuple[int, int]) -> None:
    image = photo().resize(size)
    half = image.convert("RGBA")
    half.putalpha(128)
    for picture, options in ((image, {}), (image, {"lossless": True}), (half, {})):
        assert webp_size(saved(picture, "WEBP", **options)) == size


@given(st.binary(max_size=40))
def test_webp_size_never_fails(tail: bytes) -> None:
    for chunk in (b"VP8X", b"VP8L", b"VP8 ", b""):
        webp_size(b"RIFF\0\0\0\0WEBP" + chunk + tail)
