"""What a file is, from its first bytes. Pure; a file's name is never asked."""

import re
from collections.abc import Callable
from dataclasses import dataclass

HEAD_BYTES = 4096

# The formats that are decoded.
READABLE = ("jpeg", "png", "gif", "webp", "tiff", "bmp", "heif", "avif")

# The formats that may hold a video that is decoded. Some of them hold sound only, mostly.
VIDEOS = ("mp4", "matroska", "avi", "mpegts", "mpeg", "flv", "asf", "ogg", "m4a")


# Where, and how far, a file must be read to tell a disc image.
ISO_BYTES = (0x8001, 5)


@dataclass(frozen=True, slots=True)
class Sniffed:
    """Kind (image, video, audio, archive, mail, document, text, other) and format of a file."""

    kind: str
    format: str

    @property
    def readable(self) -> bool:
        """Whether it is a picture of a format that is decoded."""
        return self.kind == "image" and self.format in READABLE

    @property
    def may_be_video(self) -> bool:
        """Whether it is a file of a format in which videos are decoded."""
        return self.kind in ("video", "audio") and self.format in VIDEOS


# (offset, bytes there, kind, format); the first that fits wins
_SIGNATURES: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"\xff\xd8\xff", "image", "jpeg"),
    (0, b"\x89PNG\r\n\x1a\n", "image", "png"),
    (0, b"GIF87a", "image", "gif"),
    (0, b"GIF89a", "image", "gif"),
    (0, b"II*\0", "image", "tiff"),
    (0, b"MM\0*", "image", "tiff"),
    (0, b"II+\0", "image", "tiff"),
    (0, b"MM\0+", "image", "tiff"),
    (0, b"\0\0\0\x0cjP  \r\n\x87\n", "image", "jpeg2000"),
    (0, b"\xff\x4f\xff\x51", "image", "jpeg2000"),
    (0, b"\0\0\0\x0cJXL \r\n\x87\n", "image", "jpegxl"),
    (0, b"\xff\x0a", "image", "jpegxl"),
    (0, b"8BPS", "image", "psd"),
    (0, b"\0\0\x01\0", "image", "ico"),
    (0, b"icns", "image", "icns"),
    (0, b"qoif", "image", "qoi"),
    (0, b"DDS ", "image", "dds"),
    (0, b"gimp xcf", "image", "xcf"),
    (0, b"v/1\x01", "image", "exr"),
    (0, b"#?RADIANCE", "image", "hdr"),
    (0, b"FUJIFILMCCD-RAW", "image", "raw"),
    (0, b"IIRO", "image", "raw"),
    (0, b"\x1aE\xdf\xa3", "video", "matroska"),
    (0, b"FLV\x01", "video", "flv"),
    (0, b"0&\xb2u\x8ef\xcf\x11", "video", "asf"),
    (0, b"\0\0\x01\xba", "video", "mpeg"),
    (0, b"\0\0\x01\xb3", "video", "mpegvideo"),
    (0, b".RMF", "video", "realmedia"),
    (0, b"DKIF", "video", "ivf"),
    (0, b"YUV4MPEG2 ", "video", "y4m"),
    (0, b"\x06\x0e+4\x02\x05\x01\x01\x0d\x01\x02\x01\x01\x02", "video", "mxf"),
    (0, b"ID3", "audio", "mp3"),
    (0, b"fLaC", "audio", "flac"),
    (0, b"OggS", "audio", "ogg"),
    (0, b"MThd", "audio", "midi"),
    (0, b"PK\x03\x04", "archive", "zip"),
    (0, b"PK\x05\x06", "archive", "zip"),
    (0, b"PK00PK\x03\x04", "archive", "zip"),  # once meant to be split over several disks
    (0, b"PK\x07\x08PK\x03\x04", "archive", "zip"),
    (0, b"Rar!\x1a\x07", "archive", "rar"),
    (0, b"7z\xbc\xaf\x27\x1c", "archive", "7z"),
    (0, b"\x1f\x8b", "archive", "gzip"),
    (0, b"BZh", "archive", "bzip2"),
    (0, b"\xfd7zXZ\0", "archive", "xz"),
    (0, b"(\xb5/\xfd", "archive", "zstd"),
    (0, b"P*M\x18", "archive", "zstd"),  # begins with a frame that holds nothing
    (0, b"LZIP", "archive", "lzip"),
    (0, b"\x04\x22M\x18", "archive", "lz4"),
    (0, b"\x1f\x9d", "archive", "compress"),
    (0, b"\x1f\xa0", "archive", "compress"),
    (0, b"MSCF\0\0\0\0", "archive", "cab"),
    (0, b"ISc(", "archive", "cab"),
    (2, b"-lh", "archive", "lha"),
    (0, b"`\xea", "archive", "arj"),
    (7, b"**ACE**", "archive", "ace"),
    (0, b"!<arch>\n", "archive", "ar"),
    (0, b"\xed\xab\xee\xdb", "archive", "rpm"),
    (0, b"070701", "archive", "cpio"),
    (0, b"070702", "archive", "cpio"),
    (0, b"070707", "archive", "cpio"),
    (0, b"xar!\0\x1c", "archive", "xar"),
    (0, b"ITSF\x03", "archive", "chm"),
    (0, b"hsqs", "archive", "squashfs"),
    (0, b"MSWIM\0\0\0", "archive", "wim"),
    (0, b"QFI\xfb", "archive", "qcow2"),
    (0, b"KDMV", "archive", "vmdk"),
    (0, b"conectix", "archive", "vhd"),
    (0, b"vhdxfile", "archive", "vhd"),
    (0, b"EVF\x09\x0d\x0a\xff\0", "archive", "ewf"),
    (0, b"!BDN", "mail", "pst"),
    (0, b"x\x9f>\x22", "mail", "tnef"),
    (257, b"ustar", "archive", "tar"),
    (0, b"%PDF-", "document", "pdf"),
    (0, b"%!PS", "document", "postscript"),
    (0, b"{\\rtf", "document", "rtf"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "document", "ole"),
)

# Those that fit a file with this first byte, in the same order.
_BY_FIRST_BYTE = [
    [entry for entry in _SIGNATURES if entry[0] > 0 or entry[1][0] == first] for first in range(256)
]

_RIFF = {b"WEBP": ("image", "webp"), b"AVI ": ("video", "avi"), b"WAVE": ("audio", "wav")}
_AVIF_BRANDS = {b"avif", b"avis"}
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis"}
_HEIF_BRANDS = _HEIC_BRANDS | {b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1", b"mif2"}


def sniff(head: bytes) -> Sniffed:
    """Tell kind and format from the first HEAD_BYTES of a file."""
    for offset, signature, kind, name in _BY_FIRST_BYTE[head[0]] if head else ():
        if head.startswith(signature, offset):
            return Sniffed(kind, name)
    if head[:4] == b"RIFF" and head[8:12] in _RIFF:
        return Sniffed(*_RIFF[head[8:12]])
    if head[4:8] == b"ftyp":
        return _sniff_boxes(head)
    for is_one, kind, name in _BY_STRUCTURE:
        if is_one(head):
            return Sniffed(kind, name)
    if mail := _sniff_mail(head.removeprefix(b"\xef\xbb\xbf")):
        return Sniffed("mail", mail)
    return _sniff_text(head)


def is_disc_image(at_iso_bytes: bytes) -> bool:
    """Whether a file that has these bytes at ISO_BYTES is an ISO 9660 or UDF image."""
    return at_iso_bytes in (b"CD001", b"BEA01")


def _is_lzma(head: bytes) -> bool:
    """Whether it begins as an .lzma file, which has no signature: what xz itself takes."""
    if len(head) < 13 or head[0] != 0x5D:
        return False
    dictionary, size = _little(head, 1, 4), _little(head, 5, 8)
    usual = dictionary in {1 << bits for bits in range(12, 32)} | {
        3 << bits for bits in range(11, 31)
    }
    return usual and (size == (1 << 64) - 1 or size < 1 << 38)


def _is_old_tar(head: bytes) -> bool:
    """Whether it begins as an old tar, which has no signature but a sum of its header's bytes."""
    block = head[:512]
    try:
        stated = int(block[148:156].strip(b"\0 ") or b"x", 8)
    except ValueError:
        return False
    return len(block) == 512 and block[0] != 0 and stated == sum(block) - sum(block[148:156]) + 256


def _is_bmp(head: bytes) -> bool:
    return head[:2] == b"BM" and head[14:18] in _BMP_HEADER_SIZES


_BMP_HEADER_SIZES = {size.to_bytes(4, "little") for size in (12, 16, 40, 52, 56, 64, 108, 124)}


# What a QuickTime file begins with where it does not say its brand.
_QUICKTIME_BOXES = {b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}

# Packets of a transport stream: as they are, with a time code in front, with a check sum behind.
_TRANSPORT_PACKETS = ((0, 188), (4, 192), (0, 204))


def _is_quicktime(head: bytes) -> bool:
    return head[4:8] in _QUICKTIME_BOXES and head[12:13] != b""


def _is_transport_stream(head: bytes) -> bool:
    return any(
        all(head[at : at + 1] == b"G" for at in range(start, start + 5 * size, size))
        for start, size in _TRANSPORT_PACKETS
    )


def _sniff_boxes(head: bytes) -> Sniffed:
    """ISO base media files: still pictures and videos differ only by their brands.

    Viewers look at the compatible brands as well as at the major one, and so must we: under a
    generic major brand, or one of a video, a picture would go unseen.
    """
    size = int.from_bytes(head[:4], "big")
    major, end = head[8:12], min(size, len(head))
    compatible = {head[at : at + 4] for at in range(16, end, 4)}
    if major in _AVIF_BRANDS:
        return Sniffed("image", "avif")
    if major in _HEIC_BRANDS:
        return Sniffed("image", "heif")
    if major == b"crx ":
        return Sniffed("image", "raw")
    if compatible & _AVIF_BRANDS:
        return Sniffed("image", "avif")
    if major in _HEIF_BRANDS or compatible & (_HEIC_BRANDS | {b"mif1"}):
        return Sniffed("image", "heif")
    if major[:3] in (b"M4A", b"M4B"):
        return Sniffed("audio", "m4a")
    return Sniffed("video", "mp4")


# Kilobits per second by MPEG version (1, or 2 and 2.5), layer and index; ISO/IEC 11172-3 §2.4.2.3.
_BIT_RATES = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_SAMPLE_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def _is_mpeg_audio(head: bytes) -> bool:
    """Whether one frame of MPEG audio begins the file and another one of its kind follows.

    One header is 11 set bits and not much more: any UTF-16 text begins so.
    """
    length = _mpeg_audio_frame(head)
    return (
        length > 0
        and head[length : length + 2] == head[:2]
        and _mpeg_audio_frame(head[length:]) > 0
    )


def _mpeg_audio_frame(data: bytes) -> int:
    """The length in bytes of the frame whose header begins the data; 0 where there is none."""
    if len(data) < 4 or data[0] != 0xFF or data[1] < 0xE0:
        return 0
    version, layer = data[1] >> 3 & 3, 4 - (data[1] >> 1 & 3)
    rate, frequency, padding = data[2] >> 4, data[2] >> 2 & 3, data[2] >> 1 & 1
    if version == 1 or layer == 4 or rate in (0, 15) or frequency == 3:
        return 0
    bits = 1000 * _BIT_RATES[1 if version == 3 else 2, layer][rate - 1]
    samples = _SAMPLE_RATES[version][frequency]
    if layer == 1:
        return 4 * (12 * bits // samples + padding)
    return (72 if layer == 3 and version != 3 else 144) * bits // samples + padding


_BY_STRUCTURE: tuple[tuple[Callable[[bytes], bool], str, str], ...] = (
    (_is_bmp, "image", "bmp"),
    (_is_mpeg_audio, "audio", "mp3"),
    (_is_transport_stream, "video", "mpegts"),
    (_is_lzma, "archive", "lzma"),
    (_is_old_tar, "archive", "tar"),
    (_is_quicktime, "video", "mp4"),
)


def _sniff_text(head: bytes) -> Sniffed:
    text = _text(head)
    if not text or any(char < " " and char not in "\t\n\r\f\x1b" for char in text):
        return Sniffed("other", "unknown")
    if "<svg" in text[:1000]:
        return Sniffed("image", "svg")
    return Sniffed("text", "text")


_MBOX_LINE = re.compile(rb"From [^\n]*\d\d:\d\d[^\n]*\d{4}[^\n]*\n")
_HEADER_LINE = re.compile(rb"[!-9;-~]+[ \t]*:|[ \t]")
_LENGTH_LINE = re.compile(rb"\d{1,12}[ \t]*\r?\n")  # how Apple's programs begin a message
_OF_MAIL = re.compile(
    rb"^(from|date|received|message-id|mime-version|return-path|delivered-to|to|subject"
    rb"|content-type|x-mailer)[ \t]*:",
    re.IGNORECASE | re.MULTILINE,
)


def _sniff_mail(head: bytes) -> str:
    """mbox, eml, emlx or mht; empty where it is no mail.

    A message begins with header lines only, up to an empty line: at least two of them of mail, or
    one that says that there are parts.
    """
    if _MBOX_LINE.match(head):
        return "mbox"
    length = _LENGTH_LINE.match(head)
    lines = re.split(rb"\r?\n", head[length.end() :] if length else head)
    ended = b"" in lines
    lines = lines[: lines.index(b"")] if ended else lines[:-1]
    if not lines or not all(_HEADER_LINE.match(line) for line in lines):
        return ""
    headers = b"\n".join(lines)
    is_multipart = re.search(rb"(?im)^content-type:[ \t]*multipart/", headers)
    if len({found.lower() for found in _OF_MAIL.findall(headers)}) < 2 and not is_multipart:
        return ""
    if length:
        return "emlx"
    saved_page = re.search(rb"(?im)^content-type:[ \t]*multipart/related", headers)
    return "mht" if saved_page and not re.search(rb"(?im)^(to|received):", headers) else "eml"


def _text(head: bytes) -> str:
    """The text in UTF-8, or in UTF-16 with its mark in front; empty where it is neither."""
    encoding = "utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
    try:
        return head.decode(encoding)
    except UnicodeDecodeError as exc:
        # a character may be cut at the end of what we were given
        if exc.start < len(head) - 3 or len(head) < HEAD_BYTES:
            return ""
        return head[: exc.start].decode(encoding)


def webp_size(head: bytes) -> tuple[int, int] | None:
    """Width and height a WebP file states, or None where its header is not understood.

    The decoder allocates the whole canvas on opening, so this must be asked before.
    """
    chunk = head[12:16]
    if chunk == b"VP8X" and len(head) >= 30:
        return _little(head, 24, 3) + 1, _little(head, 27, 3) + 1
    if chunk == b"VP8L" and len(head) >= 25:
        bits = _little(head, 21, 4)
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if chunk == b"VP8 " and len(head) >= 30:
        return _little(head, 26, 2) & 0x3FFF, _little(head, 28, 2) & 0x3FFF
    return None


def _little(head: bytes, at: int, length: int) -> int:
    return int.from_bytes(head[at : at + length], "little")
