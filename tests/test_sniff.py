"""Kinds and formats from first bytes."""

import io
import lzma
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictures import photo, saved

from safelight.sniff import HEAD_BYTES, Sniffed, sniff, webp_size


def tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("name"))
    return out.getvalue()


def old_tar() -> bytes:
    block = bytearray(tar()[:512])
    block[257:265] = bytes(8)
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


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
        # the major brand may be generic, or that of a video
        (b"\0\0\0\x18ftypmiaf\0\0\0\0heicmiaf", "image", "heif"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isomheix", "image", "heif"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isommif1", "image", "heif"),
        (b"\0\0\0\x18ftypmsf1\0\0\0\0msf1heic", "image", "heif"),
        (b"\0\0\0\x18ftypmsf1\0\0\0\0msf1avis", "image", "avif"),
        (b"\0\0\0\x18ftypmiaf\0\0\0\0miafavif", "image", "avif"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isomavis", "image", "avif"),
        (b"\0\0\0\x18ftypheic\0\0\0\0heicavif", "image", "heif"),
        # brands end with their box, however much is in the file
        (b"\0\0\0\x14ftypisom\0\0\0\0isomheic", "video", "mp4"),
        (b"\xff\xff\xff\xffftypisom\0\0\0\0isom" + bytes(9000), "video", "mp4"),
        (b"\0\0\0\x18ftypisom\0\0\0\0isomavc1", "video", "mp4"),
        (b"\0\0\0\x14ftypqt  \0\0\0\0qt  ", "video", "mp4"),
        (b"\0\0\0\x18ftypM4A \0\0\0\0M4A mp42", "audio", "m4a"),
        (b"\0\0\0\x18ftypcrx \0\0\0\0crx isom", "image", "raw"),
        (b"\x1aE\xdf\xa3", "video", "matroska"),
        (b"FLV\x01\x05", "video", "flv"),
        (b"\0\0\x01\xba", "video", "mpeg"),
        (b"\0\0\x01\xb3", "video", "mpegvideo"),
        (b".RMF\0\0\0\x12", "video", "realmedia"),
        (b"DKIF\0\0", "video", "ivf"),
        (b"YUV4MPEG2 W64 H48", "video", "y4m"),
        (b"\x06\x0e+4\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02\x04\0", "video", "mxf"),
        # QuickTime of before there were brands
        (b"\0\0\0\x08wide\0\0\x10\0mdat", "video", "mp4"),
        (b"\0\0\x10\0moov\0\0\0lmvhd", "video", "mp4"),
        # transport streams with time codes in front of each packet, and with check sums behind
        ((b"\0\0\0\0G" + b"\0" * 187) * 6, "video", "mpegts"),
        ((b"G" + b"\0" * 203) * 6, "video", "mpegts"),
        (b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", "image", "bmp"),
        (b"BM is how this letter begins", "text", "text"),
        (b"PK\x03\x04", "archive", "zip"),
        (tar(), "archive", "tar"),
        (old_tar(), "archive", "tar"),
        (old_tar()[:511], "other", "unknown"),
        (b"PK\x07\x08PK\x03\x04", "archive", "zip"),
        (lzma.compress(b"x", lzma.FORMAT_ALONE), "archive", "lzma"),
        (b"]\0\0\x80\0" + bytes(7) + b"\x80", "other", "unknown"),
        (b"] is a bracket", "text", "text"),
        (b"07070100", "archive", "cpio"),
        (b"!BDN", "mail", "pst"),
        # mail begins with header lines of mail, up to an empty line
        (b"From ann@example.org Tue Mar  5 10:11:12 2024\nTo: x", "mail", "mbox"),
        (b"From here on it is 10:15 and all is well\n", "text", "text"),
        (b"Received: x\r\n\tfolded\r\nFrom: a\r\n\r\nGr\xfc\xdfe", "mail", "eml"),
        (b"\xef\xbb\xbfDate: x\nFrom: a\n\n", "mail", "eml"),
        (b"Date: x\nFrom: a\nno header\n\n", "text", "text"),
        (b"From: a\nFrom: b\n\n", "text", "text"),
        (b"Content-Type: multipart/mixed; boundary=b\n\n--b\n", "mail", "eml"),
        (b"Content-Type: text/html\n\n", "text", "text"),
        (b"From: a\nDate: x\nContent-Type: multipart/related\n\n", "mail", "mht"),
        (b"From: a\nTo: x\nContent-Type: multipart/related\n\n", "mail", "eml"),
        (b"%PDF-1.7", "document", "pdf"),
        # one header of MPEG audio is not enough, two at the right distance are
        (b"\xff\xfb\x90\x44", "other", "unknown"),
        (b"\xff\xfb\x90\x44" + bytes(413) + b"\xff\xfb\x90\x44", "audio", "mp3"),
        (b"\xff\xfb\x90\x44" + bytes(414) + b"\xff\xfb\x90\x44", "other", "unknown"),
        (b"\xff\xfb\x92\x44" + bytes(414) + b"\xff\xfb\x90\x44", "audio", "mp3"),
        (b"\xff\xf3\x40\xc4" + bytes(92) + b"\xff\xf3\x40\xc4", "other", "unknown"),
        (b"\xff\xf3\x40\xc4" + bytes(100) + b"\xff\xf3\x40\xc4", "audio", "mp3"),
        (b"\xff\xfd\xe4\x00" + bytes(1148) + b"\xff\xfd\xe4\x00", "audio", "mp3"),
        (b"\xff\xff\xe4\x00" + bytes(444) + b"\xff\xff\xe4\x00", "audio", "mp3"),
        (b"ID3\x04", "audio", "mp3"),
        ("\ufeffhello\n".encode("utf-16-le"), "text", "text"),
        ("\ufeffhello\n".encode("utf-16-be"), "text", "text"),
        ("\ufeff<svg>".encode("utf-16-le"), "image", "svg"),
        ("\ufeff\U0001f600".encode("utf-16-le")[:-1], "other", "unknown"),
        (("\ufeff" + "\U0001f600" * HEAD_BYTES).encode("utf-16-le")[:HEAD_BYTES], "text", "text"),
        (b"\xff\xfe\x00\x00", "other", "unknown"),
        ((b"G" + b"\0" * 187) * 5, "video", "mpegts"),
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
        "image", "video", "audio", "archive", "mail", "document", "text", "other",
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


@pytest.mark.parametrize(
    ("sniffed", "maybe"),
    [
        (Sniffed("video", "mp4"), True),
        # a brand says sound, and a player shows the picture all the same
        (Sniffed("audio", "m4a"), True),
        (Sniffed("audio", "ogg"), True),
        (Sniffed("audio", "mp3"), False),
        (Sniffed("video", "realmedia"), False),
        (Sniffed("image", "gif"), False),
    ],
)
def test_which_files_are_opened_as_videos(sniffed: Sniffed, maybe: bool) -> None:
    assert sniffed.may_be_video is maybe
