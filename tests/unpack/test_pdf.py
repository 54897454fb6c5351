"""PDF: pictures byte for byte or without loss, attached files, passwords, damage."""

import io
import random
import zlib
from pathlib import Path

import numpy as np
import pytest
from archives import Seen, on_disk, walked, zipped
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pypdf import PdfReader, PdfWriter
from pypdf.generic import (
    ArrayObject,
    DecodedStreamObject,
    DictionaryObject,
    NameObject,
    NumberObject,
    StreamObject,
    TextStringObject,
)
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from safelight.decode.rules import REASONS
from safelight.unpack.walk import UnpackLimits

PIXELS = np.random.default_rng(1).integers(0, 256, (40, 60, 3), dtype=np.uint8)
PHOTO = Image.fromarray(PIXELS)


def saved(picture: Image.Image, form: str) -> bytes:
    out = io.BytesIO()
    picture.save(out, form)
    return out.getvalue()


JPEG = saved(PHOTO.resize((200, 100)), "JPEG")


def with_picture(picture: bytes, text: str = "Hello") -> bytes:
    out = io.BytesIO()
    canvas = Canvas(out)
    canvas.drawString(100, 700, text)
    canvas.drawImage(ImageReader(io.BytesIO(picture)), 100, 100)
    canvas.save()
    return out.getvalue()


def container(members: int, *more: str) -> Seen:
    flags = tuple(sorted(("pictures_only", *more)))
    return Seen((), members=members, flags=flags, format="pdf")


def pixels(item: Seen) -> np.ndarray:  # type: ignore[type-arg]
    assert item.data is not None
    return np.asarray(Image.open(io.BytesIO(item.data)))


def writer_of(*pictures: tuple[dict[str, object], bytes]) -> PdfWriter:
    """A document of one empty page and pictures that no page shows."""
    writer = PdfWriter()
    writer.add_blank_page(100, 100)
    for settings_, data in pictures:
        stream = StreamObject()
        stream._data = data
        stream[NameObject("/Type")] = NameObject("/XObject")
        stream[NameObject("/Subtype")] = NameObject("/Image")
        for key, value in settings_.items():
            stream[NameObject(key)] = value  # type: ignore[assignment]
        writer._add_object(stream)
    return writer


def written(writer: PdfWriter) -> bytes:
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def raw(mode: str, width: int, height: int, bits: int = 8, **more: object) -> dict[str, object]:
    return {
        "/Width": NumberObject(width),
        "/Height": NumberObject(height),
        "/BitsPerComponent": NumberObject(bits),
        "/ColorSpace": NameObject(mode),
        **{f"/{key}": value for key, value in more.items()},
    }


def jpeg_stream(**more: object) -> dict[str, object]:
    return raw("/DeviceRGB", 200, 100, Filter=NameObject("/DCTDecode"), **more)


def test_a_jpeg_comes_out_byte_for_byte(tmp_path: Path) -> None:
    out = io.BytesIO()
    PHOTO.resize((200, 100)).save(out, "PDF")
    embedded = [item for item in walked(out.getvalue()) if item.path]
    assert len(embedded) == 1
    assert Image.open(io.BytesIO(embedded[0].data or b"")).format == "JPEG"
    made = written(writer_of((jpeg_stream(), JPEG)))
    assert [item.data for item in walked(made)] == [JPEG, None]
    assert [item.data for item in walked(on_disk(tmp_path, made))] == [JPEG, None]


def test_a_jpeg_packed_once_more() -> None:
    filters = ArrayObject([NameObject("/FlateDecode"), NameObject("/DCTDecode")])
    stream = {**jpeg_stream(), "/Filter": filters}
    assert walked(written(writer_of((stream, zlib.compress(JPEG)))))[0].data == JPEG


def test_other_pictures_are_built_without_loss() -> None:
    found = walked(with_picture(saved(PHOTO, "PNG")))
    assert found[-1] == container(1)
    assert found[0].path[0].startswith(b"object ")
    assert np.array_equal(pixels(found[0]), PIXELS)


@pytest.mark.parametrize(
    ("mode", "channels"), [("/DeviceGray", 1), ("/DeviceRGB", 3), ("/DeviceCMYK", 4)]
)
def test_pixels_as_they_are(mode: str, channels: int) -> None:
    data = np.random.default_rng(2).integers(0, 256, (20, 30, channels), dtype=np.uint8)
    found = walked(written(writer_of((raw(mode, 30, 20), data.tobytes()))))
    assert np.array_equal(pixels(found[0]).reshape(data.shape), data)


def test_a_picture_under_a_mask_comes_out_whole() -> None:
    picture = PHOTO.convert("RGBA")
    picture.putalpha(0)
    found = [item for item in walked(with_picture(saved(picture, "PNG"))) if item.path]
    assert any(np.array_equal(pixels(item), PIXELS) for item in found if pixels(item).ndim == 3)


def test_pictures_among_the_drawing_commands() -> None:
    writer = PdfWriter()
    page = writer.add_blank_page(100, 100)
    stream = DecodedStreamObject()
    head = b"q 50 0 0 50 0 0 cm BI /W 60 /H 40 /CS /RGB /BPC 8 /F /AHx ID "
    stream.set_data(head + PIXELS.tobytes().hex().encode() + b"> EI Q")
    page[NameObject("/Contents")] = writer._add_object(stream)
    found = walked(written(writer))
    assert [item.path for item in found] == [(b"page 1 inline 1",), ()]
    assert np.array_equal(pixels(found[0]), PIXELS)


def test_pictures_among_the_commands_of_what_a_page_shows() -> None:
    writer = PdfWriter()
    writer.add_blank_page(100, 100)
    form = DecodedStreamObject()
    form.set_data(b"BI /W 200 /H 100 /CS /RGB /BPC 8 /F [/DCT] ID " + JPEG + b"\nEI Q")
    form[NameObject("/Subtype")] = NameObject("/Form")
    writer._add_object(form)
    found = walked(written(writer))
    assert found[0].path[0].endswith(b" inline 1")
    assert Image.open(io.BytesIO(found[0].data or b"")).size == (200, 100)


def test_attached_files_are_members() -> None:
    writer = writer_of()
    writer.add_attachment("Größe.jpg", JPEG)
    writer.add_attachment("x.zip", zipped({"a.jpg": JPEG}))
    assert walked(written(writer)) == [
        Seen(("Größe.jpg".encode(),), JPEG),
        Seen((b"x.zip", b"a.jpg"), JPEG),
        Seen((b"x.zip",), members=1, format="zip"),
        container(2),
    ]


def test_a_file_attached_to_a_place_on_a_page() -> None:
    writer = PdfWriter()
    page = writer.add_blank_page(100, 100)
    stream = DecodedStreamObject()
    stream.set_data(JPEG)
    files = DictionaryObject({NameObject("/F"): writer._add_object(stream)})
    specification = DictionaryObject(
        {NameObject("/F"): TextStringObject("note.jpg"), NameObject("/EF"): files}
    )
    note = DictionaryObject(
        {
            NameObject("/Subtype"): NameObject("/FileAttachment"),
            NameObject("/FS"): specification,
        }
    )
    page[NameObject("/Annots")] = ArrayObject([writer._add_object(note)])
    assert walked(written(writer)) == [Seen((b"note.jpg",), JPEG), container(1)]


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-128", "AES-256"])
def test_encrypted_documents(algorithm: str) -> None:
    open_to_all = writer_of((jpeg_stream(), JPEG))
    open_to_all.encrypt("", "owner", algorithm=algorithm)
    assert [item.data for item in walked(written(open_to_all))] == [JPEG, None]
    closed = writer_of((jpeg_stream(), JPEG))
    closed.encrypt("user", "owner", algorithm=algorithm)
    assert walked(written(closed)) == [Seen((), code="password_protected")]


def test_a_picture_that_a_newer_version_left_out() -> None:
    made = written(writer_of((jpeg_stream(), JPEG)))
    number = next(
        number
        for number in PdfReader(io.BytesIO(made)).xref[0]
        if b"%d 0 obj" % number in made[: made.index(JPEG)].rpartition(b"endobj")[2]
    )
    update = b"%d 0 obj\n<< >>\nendobj\n" % number
    xref = b"xref\n%d 1\n%010d 00000 n \n" % (number, len(made))
    start = made.rindex(b"startxref") + 10
    trailer = b"trailer\n<< /Size 9 /Root 3 0 R /Prev %d >>\n" % int(made[start:].split()[0])
    trailer = trailer.replace(b"3 0 R", made[made.index(b"/Root ") + 6 :].split(b"R")[0] + b"R")
    end = b"startxref\n%d\n%%%%EOF\n" % (len(made) + len(update))
    found = walked(made + update + xref + trailer + end)
    assert [(item.data, item.code) for item in found] == [(JPEG, None), (None, None)]
    assert found[0].path == (b"bytes at %d" % made.index(JPEG),)


def test_a_document_without_its_list_of_objects() -> None:
    made = written(writer_of((jpeg_stream(), JPEG)))
    found = walked(made[: made.rindex(b"xref\n0")])
    assert found[0].data == JPEG
    assert "members_missing" in found[-1].flags or len(found) == 2


def test_nothing_of_a_document_is_damage() -> None:
    assert walked(b"%PDF-1.7\nrubbish") == [Seen((), code="archive_damaged")]


def test_a_picture_in_a_method_that_is_not_read() -> None:
    stream = {**jpeg_stream(), "/Filter": NameObject("/JBIG2Decode")}
    code = walked(written(writer_of((stream, b"xxxx"))))[0].code
    assert code in ("unsupported_compression", "member_damaged")


def test_a_picture_that_unpacks_to_far_too_much() -> None:
    bomb = zlib.compress(bytes(450 << 20), 1)
    stream = raw("/DeviceGray", 30_000, 16_000, Filter=NameObject("/FlateDecode"))
    assert walked(written(writer_of((stream, bomb))))[0].code == "member_too_large"
    small = UnpackLimits(max_member_bytes=1000)
    found = walked(with_picture(saved(PHOTO, "PNG")), small)
    assert found[0].data is not None


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_changed_document_never_fails(data: st.DataObject) -> None:
    writer = writer_of((jpeg_stream(), JPEG[:300]))
    writer.add_attachment("a", b"hello")
    made = bytearray(written(writer))
    for _ in range(data.draw(st.integers(1, 10))):
        made[data.draw(st.integers(8, len(made) - 1))] = data.draw(st.integers(0, 255))
    for item in walked(bytes(made[: data.draw(st.integers(100, len(made)))])):
        assert item.code is None or item.code in REASONS


def test_random_bytes_never_fail() -> None:
    noise = random.Random(7)
    for _ in range(50):
        assert walked(b"%PDF-1.4\n" + noise.randbytes(2000))[-1].path == ()
