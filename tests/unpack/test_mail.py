"""Mail: attachments, forwarded messages, mailboxes, saved pages, broken encodings."""

import base64
import binascii
import gzip
import mailbox
import os
import random
from email.message import EmailMessage
from pathlib import Path

import pytest
from archives import Seen, walked, zipped
from hypothesis import given, settings
from hypothesis import strategies as st

from safelight.decode.rules import REASONS
from safelight.source import MemorySource, Source
from safelight.unpack.walk import UnpackLimits, walk

NOISE = random.Random(1).randbytes(100_000)
PNG = b"\x89PNG\r\n\x1a\n" + NOISE[:5000]
JPEG = b"\xff\xd8\xff\xe0" + NOISE[:6000]


def mail(*attachments: tuple[str, str, bytes], text: str = "Hello,\nsee below.\n") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"] = "Ann <ann@example.org>", "bob@example.org"
    message["Subject"], message["Date"] = "Pictures", "Tue, 05 Mar 2024 10:11:12 +0100"
    message.set_content(text)
    for name, kind, data in attachments:
        message.add_attachment(
            data, maintype=kind.partition("/")[0], subtype=kind.partition("/")[2], filename=name
        )
    return message


def container(members: int, form: str = "eml", *path: bytes, flags: tuple[str, ...] = ()) -> Seen:
    return Seen(path, members=members, format=form, flags=flags)


def test_attachments_are_members_and_the_text_is_none() -> None:
    made = mail(("a.png", "image/png", PNG), ("b.jpg", "image/jpeg", JPEG)).as_bytes()
    assert walked(made) == [Seen((b"a.png",), PNG), Seen((b"b.jpg",), JPEG), container(2)]
    assert [item.chain[0].kind for item in walk(MemorySource(made)) if item.chain] == [
        "attachment",
        "attachment",
    ]


def test_a_message_as_apple_keeps_it() -> None:
    made = mail(("a.png", "image/png", PNG)).as_bytes()
    kept = b"%d       \n" % len(made) + made + b"<?xml version='1.0'?><plist></plist>"
    assert walked(kept) == [Seen((b"a.png",), PNG), container(1, "emlx")]


def test_lines_may_end_with_carriage_returns() -> None:
    made = mail(("a.png", "image/png", PNG)).as_bytes().replace(b"\n", b"\r\n")
    assert walked(made) == [Seen((b"a.png",), PNG), container(1)]


def test_mail_without_attachments() -> None:
    assert walked(mail().as_bytes()) == [container(0)]


def test_old_mail_in_latin_1() -> None:
    made = b"From: a@example.org\nTo: b@example.org\nSubject: x\n\nGr\xfc\xdfe\n"
    assert walked(made) == [container(0)]


def test_a_picture_that_is_the_whole_message() -> None:
    made = (
        b"From: a@example.org\nDate: x\nContent-Type: image/png; name=only.png\n"
        b"Content-Transfer-Encoding: BASE64\n\n" + base64.encodebytes(PNG)
    )
    assert walked(made) == [Seen((b"only.png",), PNG), container(1)]


def test_a_picture_that_says_it_is_text() -> None:
    made = (
        b"From: a@example.org\nDate: x\nContent-Type: text/plain\n"
        b"Content-Transfer-Encoding: base64\n\n" + base64.encodebytes(PNG)
    )
    assert walked(made) == [Seen((b"part",), PNG), container(1)]


def test_a_forwarded_message_is_walked() -> None:
    inner = mail(("in.jpg", "image/jpeg", JPEG))
    outer = mail()
    outer.add_attachment(inner)
    assert walked(outer.as_bytes()) == [
        Seen((b"part 2", b"in.jpg"), JPEG),
        container(1, "eml", b"part 2"),
        container(1),
    ]
    message = list(walk(MemorySource(outer.as_bytes())))[-2].chain[0]
    assert (message.kind, message.modified) == ("message", "2024-03-05T10:11:12+01:00")


def test_an_archive_in_a_message_is_walked() -> None:
    made = mail(("x.zip", "application/zip", zipped({"p.png": PNG}))).as_bytes()
    assert walked(made) == [
        Seen((b"x.zip", b"p.png"), PNG),
        container(1, "zip", b"x.zip"),
        container(1),
    ]


@pytest.mark.parametrize(
    "name", ["Größe.png", "日本 語.png", "../../x", "a\\b", "emoji \U0001f600"]
)
def test_names_in_every_encoding(name: str) -> None:
    made = mail((name, "image/png", PNG)).as_bytes()
    assert walked(made)[0].path == (name.encode(),)
    encoded = base64.b64encode(name.encode()).decode()
    old = (
        f'From: a@example.org\nDate: x\nContent-Type: image/png; name="=?utf-8?b?{encoded}?="\n\nx'
    )
    assert walked(old.encode())[0].path == (name.encode(),)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(b"\n", b""),
        lambda text: text.replace(b"\n", b" \r\n\t"),
        lambda text: b"!" + text.replace(b"\n", b"\n--*--"),
        lambda text: text.rstrip(b"=\n"),
        lambda text: text + b"_______\nTo leave this list, write to list@example.org\n",
        lambda _: b"".join(
            base64.b64encode(PNG[at : at + 50]) + b"\r\n" for at in range(0, len(PNG), 50)
        ),
        lambda _: base64.b64encode(PNG[:1000]) + b"\n" + base64.encodebytes(PNG[1000:]),
    ],
)
def test_base64_is_read_as_mail_programs_read_it(change: object) -> None:
    body = change(base64.encodebytes(PNG))  # type: ignore[operator]
    head = b"From: a@example.org\nDate: x\nContent-Type: image/png\n"
    made = head + b"Content-Transfer-Encoding: base64\n\n" + body
    assert walked(made)[0].data == PNG


def test_a_body_right_behind_its_headers() -> None:
    head = b"From: a@example.org\nDate: x\nContent-Type: multipart/mixed; boundary=b\n\n--b\n"
    part = b"Content-Type: image/png; name=a.png\nContent-Transfer-Encoding: base64\n"
    assert walked(head + part + base64.encodebytes(PNG) + b"--b--\n") == [
        Seen((b"a.png",), PNG),
        container(1),
    ]
    without = b"--b\n\n" + b"text without headers\n--b--\n"
    assert walked(head.removesuffix(b"--b\n") + without) == [container(0)]


def test_quoted_printable_and_bytes_as_they_are() -> None:
    head = b"From: a@example.org\nDate: x\nContent-Type: image/png\n"
    encoded = binascii.b2a_qp(PNG, istext=False)
    quoted = head + b"Content-Transfer-Encoding: quoted-printable\n\n" + encoded
    assert walked(quoted)[0].data == PNG
    binary = head + b"Content-Transfer-Encoding: binary\n\n" + PNG
    assert walked(binary)[0].data == PNG


def uuencoded(data: bytes) -> bytes:
    lines = [binascii.b2a_uu(data[at : at + 45]) for at in range(0, len(data), 45)]
    return b"begin 644 old.png\n" + b"".join(lines) + b"`\nend\n"


def test_uuencode_in_the_text() -> None:
    made = b"From: a@example.org\nDate: x\n\nsee this\n" + uuencoded(PNG) + b"bye\n"
    assert walked(made) == [Seen((b"old.png",), PNG), container(1)]


def test_pictures_written_out_in_a_page() -> None:
    page = b'<html><img src="data:image/png;base64,' + base64.b64encode(PNG) + b'"></html>'
    message = mail()
    message.add_alternative(page.decode(), subtype="html")
    assert walked(message.as_bytes()) == [Seen((b"data 1",), PNG), container(1)]


HEADERS = b"From: a@example.org\nTo: b@example.org\nDate: x\n"
MIXED = HEADERS + b'Content-Type: multipart/mixed; boundary="BB"\n\n'
TEXT = b"Content-Type: text/plain\n\n"
BASE64 = base64.encodebytes(PNG)
A_PICTURE = b"Content-Type: image/png; name=a.png\nContent-Transfer-Encoding: base64\n\n" + BASE64


def multipart(*parts: bytes, before: bytes = b"", behind: bytes = b"") -> bytes:
    inside = b"".join(b"\n--BB\n" + part for part in parts)
    return MIXED + before + inside + b"\n--BB--\n" + behind


@pytest.mark.parametrize(
    "made",
    [
        multipart(TEXT, before=A_PICTURE),
        multipart(TEXT, behind=b"\n--CC\n" + A_PICTURE),
        multipart(TEXT, behind=PNG),
        multipart(TEXT, behind=uuencoded(PNG)),
        multipart(TEXT + BASE64),
        multipart(TEXT + b"A copy:\n\n" + multipart(A_PICTURE).replace(b"BB", b"CC")),
        multipart(TEXT + BASE64.replace(b"\n", b"\n> ")),
        multipart(TEXT + BASE64.replace(b"\n", b"")),
        multipart(TEXT + uuencoded(PNG).replace(b"\nend", b"")),
        multipart(TEXT + b"begin-base64 644 a.png\nAAAA\n====\n"),
        multipart(TEXT + b"=ybegin line=128 size=3 name=a.png\nabc\n=yend size=3\n"),
        multipart(TEXT + b"hello there\n" * 500 + PNG),
        multipart(TEXT + b'<img src="data:image/png;a=(b);base64,AAAA">'),
        multipart(TEXT.replace(b"\n\n", b"\nContent-Type: text/html\n\n")),
    ],
    ids=range(14),
)
def test_what_may_be_a_file_and_is_not_taken_out_is_missing(made: bytes) -> None:
    assert walked(made) == [container(0, flags=("members_missing",))]


def test_a_text_that_is_binary_is_a_member_and_may_hold_more() -> None:
    text = '<img src="data:image/png;base64,">'.encode("utf-16")
    made = multipart(TEXT + text)
    assert walked(made) == [Seen((b"part 1",), text), container(1, flags=("members_missing",))]


def test_what_lies_behind_the_end_of_base64_is_missing() -> None:
    behind = b"AA==\n\n--CC\n" + A_PICTURE
    made = multipart(A_PICTURE, A_PICTURE.replace(BASE64, base64.b64encode(b"1" * 60) + behind))
    assert walked(made)[-1] == container(2, flags=("members_missing",))


@pytest.mark.parametrize("text", ["This is a multi-part message.\n", "=" * 70 + "\nList: x\n"])
def test_words_around_the_parts_are_no_files(text: str) -> None:
    made = multipart(A_PICTURE, before=text.encode(), behind=text.encode())
    assert walked(made) == [Seen((b"a.png",), PNG), container(1)]


@pytest.mark.parametrize("encoding", [b"base64 (x)", b'"base64"', b"Base64;", b"(a) BASE64"])
def test_the_name_of_an_encoding_is_read_leniently(encoding: bytes) -> None:
    made = multipart(A_PICTURE.replace(b": base64", b": " + encoding))
    assert walked(made) == [Seen((b"a.png",), PNG), container(1)]


QUOTED = base64.b64encode(PNG)


@pytest.mark.parametrize(
    "address",
    [
        b'"data:;base64,' + QUOTED + b'"',
        b'\'data:image/png;name="a b";base64,' + QUOTED + b"'",
        b'"data:image/png&#59;base64&#x2C;' + QUOTED + b'"',
        b'"data&colon;image/png;base64,' + QUOTED.replace(b"+", b"&#43;") + b'"',
        b'"data:image/png,' + b"".join(b"%%%02X" % one for one in PNG) + b'"',
    ],
    ids=["no type", "quoted", "entities", "more entities", "percent"],
)
def test_pictures_written_out_in_other_ways(address: bytes) -> None:
    made = multipart(b"Content-Type: text/html\n\n<img src=" + address + b">")
    assert walked(made) == [Seen((b"data 1",), PNG), container(1)]


def test_addresses_too_small_for_a_picture_have_no_rows() -> None:
    tiny = b'<img src="data:image/png;base64,AAAA">' * 1000
    large = b'<img src="data:image/png;base64,' + base64.b64encode(PNG[:32]) + b'">'
    made = multipart(b"Content-Type: text/html\n\n" + tiny + large)
    assert walked(made) == [Seen((b"data 1001",), PNG[:32]), container(1)]


MHT = (
    b"From: <Saved by Blink>\r\nSnapshot-Content-Location: https://example.org/\r\n"
    b"Subject: A page\r\nDate: Tue, 5 Mar 2024 10:11:12 -0000\r\nMIME-Version: 1.0\r\n"
    b'Content-Type: multipart/related;\r\n\ttype="text/html";\r\n\tboundary="--xyz"\r\n\r\n\r\n'
    b"----xyz\r\nContent-Type: text/html\r\nContent-Location: https://example.org/\r\n\r\n<html>\r\n"
    b"----xyz\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: base64\r\n"
    b"Content-Location: https://example.org/a.png\r\n\r\n"
)


def test_a_saved_page() -> None:
    made = MHT + base64.encodebytes(PNG).replace(b"\n", b"\r\n") + b"\r\n----xyz--\r\n"
    assert walked(made) == [Seen((b"https://example.org/a.png",), PNG), container(1, "mht")]


def test_mail_that_is_cut_off() -> None:
    made = MHT + base64.encodebytes(PNG)
    assert walked(made) == [
        Seen((b"https://example.org/a.png",), PNG),
        container(1, "mht", flags=("members_missing",)),
    ]


def test_encrypted_mail_is_not_checked() -> None:
    head = b"From: a@example.org\nDate: x\nMIME-Version: 1.0\n"
    pgp = head + b'Content-Type: multipart/encrypted; boundary="b"\n\n--b\n\nx\n--b--\n'
    smime = head + b"Content-Type: application/pkcs7-mime; smime-type=enveloped-data\n\nx"
    signed = head + b"Content-Type: application/pkcs7-mime; smime-type=signed-data\n\nx"
    inline = head + b"\n-----BEGIN PGP MESSAGE-----\n\nabc\n-----END PGP MESSAGE-----\n"
    codes = [walked(made)[0].code for made in (pgp, smime, signed, inline)]
    assert codes == [
        "password_protected",
        "password_protected",
        "archive_not_supported",
        "password_protected",
    ]


def a_mailbox(folder: Path) -> bytes:
    path = folder / "box"
    box = mailbox.mbox(path)
    for number in range(3):
        box.add(mail((f"{number}.png", "image/png", PNG), text="x\nFrom here on\n\nFrom me\n"))
    box.flush()
    box.close()
    return path.read_bytes()


def expected_of_mailbox(*around: bytes) -> list[Seen]:
    found = []
    for number in range(3):
        name = b"message %d" % (number + 1)
        found.append(Seen((*around, name, b"%d.png" % number), PNG))
        found.append(container(1, "eml", *around, name))
    return [*found, container(3, "mbox", *around)]


def test_a_mailbox(tmp_path: Path) -> None:
    made = a_mailbox(tmp_path)
    assert walked(made) == expected_of_mailbox()
    assert (
        walked(Source(os.open(tmp_path / "box", os.O_RDONLY)), start=3)
        == (expected_of_mailbox()[3:])
    )
    assert walked(gzip.compress(made))[:-1] == expected_of_mailbox(b"content")


def test_a_mailbox_of_many_megabytes(tmp_path: Path) -> None:
    line = b"From ann@example.org Tue Mar  5 10:11:12 2024\n"
    made = mail(("a.bin", "application/octet-stream", bytes(900_000))).as_bytes()
    (tmp_path / "box").write_bytes((line + made + b"\n") * 5)
    found = walked(Source(os.open(tmp_path / "box", os.O_RDONLY)))
    assert [item.data for item in found if item.data] == [bytes(900_000)] * 5
    assert found[-1] == container(5, "mbox")


@pytest.mark.parametrize("line", [b"From a@b", b"From b@c Tue Nov 24 2026"])
@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_a_mailbox_with_lines_without_a_time(line: bytes, newline: bytes) -> None:
    first = b"From a@b Tue Nov 24 07:00:00 2026\n" + mail().as_bytes()
    text = first + b"\n" + line + b"\n" + mail(("a.png", "image/png", PNG)).as_bytes()
    assert walked(text.replace(b"\n", newline)) == [
        container(0, "eml", b"message 1"),
        Seen((b"message 2", b"a.png"), PNG),
        container(1, "eml", b"message 2"),
        container(2, "mbox"),
    ]


def test_a_sentence_begins_no_message() -> None:
    text = "Hello,\n\nFrom here on\nit is text.\n"
    made = b"From a@b Tue Nov 24 07:00:00 2026\n" + mail(text=text).as_bytes()
    assert walked(made) == [container(0, "eml", b"message 1"), container(1, "mbox")]


def test_a_mailbox_whose_lines_end_in_an_old_way_is_not_read_whole() -> None:
    first = b"From a@b Tue Nov 24 07:00:00 2026\n" + mail().as_bytes()
    second = b"\n\nFrom a@b Tue Nov 24 07:00:00 2026\n" + mail().as_bytes()
    assert walked(first + second.replace(b"\n", b"\r"))[-1] == container(
        1, "mbox", flags=("members_missing",)
    )


def test_parts_in_parts_without_end() -> None:
    made = b"From: a@example.org\nDate: x\n"
    for number in range(200):
        made += b'Content-Type: multipart/mixed; boundary="%d"\n\n\n--%d\n' % (number, number)
    last = walked(made)[-1]
    assert last.flags == ("members_missing", "too_deep")


def test_messages_in_messages_are_too_deep() -> None:
    message = mail(("a.png", "image/png", PNG))
    for _ in range(6):
        outer = mail()
        outer.add_attachment(message)
        message = outer
    found = walked(message.as_bytes(), UnpackLimits(max_depth=3))
    assert found[0].code == "too_deep"
    assert len(found[0].path) == 3


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_changed_mail_never_fails(data: st.DataObject) -> None:
    outer = mail(
        ("a.png", "image/png", PNG[:200]), ("x.zip", "application/zip", zipped({"a": b"b"}))
    )
    outer.add_attachment(mail(("b", "text/plain", b"x")))
    made = bytearray(outer.as_bytes())
    for _ in range(data.draw(st.integers(1, 12))):
        made[data.draw(st.integers(0, len(made) - 1))] = data.draw(st.integers(0, 255))
    for item in walked(bytes(made[: data.draw(st.integers(100, len(made)))])):
        assert item.code is None or item.code in REASONS
