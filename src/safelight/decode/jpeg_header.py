"""The facts of a JPEG file that must be known before it is decoded. Pure.

Written from ITU-T T.81 annex B (markers), Exif 2.32 §4.6 (orientation) and CIPA DC-007 (several
pictures in one file). Never raises: what is broken is reported as absent.
"""

from dataclasses import dataclass

_MAX_SEGMENTS = 2000
_STANDALONE = {0x01, *range(0xD0, 0xD9)}
_FRAME_HEADERS = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_BASELINE_EXTENDED_PROGRESSIVE = {0xC0, 0xC1, 0xC2}
_SCAN, _END = 0xDA, 0xD9
_ORIENTATION_TAG, _SHORT = 0x0112, 3
_PICTURES_TAG = 0xB002


@dataclass(frozen=True, slots=True, kw_only=True)
class JpegHeader:
    """What the segments before the first scan say."""

    width: int
    height: int
    components: int
    plain: bool  # 8 bits, Huffman coded, lossy: what the fast decoder takes
    orientation: int  # 1 to 8
    several: bool  # further pictures follow in the same file


def read_jpeg_header(data: bytes) -> JpegHeader | None:
    """Read a JPEG file up to its first scan; None where there is no frame header."""
    frame: tuple[int, bytes] | None = None
    orientation, several = 1, False
    for marker, start, end in _segments(data):
        if marker in _FRAME_HEADERS:
            frame = (marker, data[start:end])
        elif marker == 0xE1 and data.startswith(b"Exif\0\0", start):
            orientation = exif_orientation(data[start + 6 : end])
        elif marker == 0xE2 and data.startswith(b"MPF\0", start):
            several = True
    if frame is None or len(frame[1]) < 6:
        return None
    marker, body = frame
    return JpegHeader(
        width=int.from_bytes(body[3:5], "big"),
        height=int.from_bytes(body[1:3], "big"),
        components=body[5],
        plain=marker in _BASELINE_EXTENDED_PROGRESSIVE and body[0] == 8,
        orientation=orientation,
        several=several,
    )


def _segments(data: bytes) -> "list[tuple[int, int, int]]":
    """(marker, start, end) of the contents of each segment before the first scan."""
    found: list[tuple[int, int, int]] = []
    at = 2
    for _ in range(_MAX_SEGMENTS):
        at = data.find(b"\xff", at)
        while at >= 0 and data[at + 1 : at + 2] == b"\xff":
            at += 1
        if at < 0 or at + 4 > len(data) or data[at + 1] in (_SCAN, _END):
            break
        marker = data[at + 1]
        if marker in _STANDALONE or marker == 0:
            at += 2
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        found.append((marker, at + 4, end))
        at = end
    return found


def exif_orientation(tiff: bytes) -> int:
    """The orientation, 1 to 8, that a block of EXIF data states; 1 where it states none."""
    order = {b"II*\0": "little", b"MM\0*": "big"}.get(tiff[:4])
    if order is None:
        return 1

    def number(at: int, length: int) -> int:
        return int.from_bytes(tiff[at : at + length], "little" if order == "little" else "big")

    directory = number(4, 4)
    for entry in range(min(number(directory, 2), 500)):
        at = directory + 2 + 12 * entry
        if number(at, 2) == _ORIENTATION_TAG and len(tiff) >= at + 10:
            value = number(at + 8, 2) if number(at + 2, 2) == _SHORT else number(at + 8, 4)
            return value if 1 <= value <= 8 else 1
    return 1


def pictures_listed(data: bytes) -> tuple[int, ...]:
    """Where the pictures of a JPEG file start that its index (CIPA DC-007 §5.2.3.3) lists."""
    for marker, start, end in _segments(data):
        if marker == 0xE2 and data.startswith(b"MPF\0", start):
            return tuple(start + 4 + offset for offset in _offsets(data[start + 4 : end]))
    return ()


def _offsets(tiff: bytes) -> list[int]:
    """Where the listed pictures but the first start, counted from the head of the index."""
    little = tiff[:4] == b"II*\0"

    def number(at: int, length: int) -> int:
        return int.from_bytes(tiff[at : at + length], "little" if little else "big")

    directory = number(4, 4)
    for entry in range(min(number(directory, 2), 500)):
        at = directory + 2 + 12 * entry
        if number(at, 2) == _PICTURES_TAG:
            table = number(at + 8, 4)
            ends = range(table + 16, min(table + number(at + 4, 4), len(tiff)) + 1, 16)
            return [offset for end in ends if (offset := number(end - 8, 4))]
    return []
