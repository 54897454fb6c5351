"""Pictures of the pack: patterns with known hashes, landscapes, and copies that differ in ways."""

import io
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance

from safelight.decode.picture import samples as samples_of_formats
from safelight.demo import landscape
from safelight.validation.expect import FOUND
from safelight.validation.samples import Sample, sample

KNOWN = range(6)  # seeds of the landscapes whose hashes are on the list
STRANGERS = range(200, 206)

# PDQ of the patterns as the reference gives it (the Python package pdqhash 0.2.8, quality 100).
PATTERNS = (
    "bc2b483dc96a7dc85bc173c8dbcc83c3f515b56ba714e540f00acfe2f002caea",
    "22e0f386e704ee57e4bcca3902f24a3d52eaf808ad54c6589d51bcf58dcaaf58",
    "ae169eaa0a8f25c53f7e3027fb7eb5fc7be92ce4fae9babf1411400015514420",
)

# How a copy is turned, and the orientation of the copy that is the original.
_TURNS: Mapping[Image.Transpose, str] = {
    Image.Transpose.ROTATE_90: "rot270",
    Image.Transpose.ROTATE_180: "rot180",
    Image.Transpose.ROTATE_270: "rot90",
    Image.Transpose.FLIP_TOP_BOTTOM: "flip_vertical",
    Image.Transpose.FLIP_LEFT_RIGHT: "flip_horizontal",
    Image.Transpose.TRANSPOSE: "transpose",
    Image.Transpose.TRANSVERSE: "anti_transpose",
}
_TURNED_BITS = 24  # PDQ is not quite the same from all sides
_COPY_BITS = 31
_EXIF_ORIENTATION = 0x0112


def pictures() -> Iterator[Sample]:
    """Every picture that is whole."""
    yield from _patterns()
    yield from _same()
    yield from _turned()
    yield from _smaller()
    yield from _saved_again()
    yield from _changed()
    yield from _many_frames()
    yield from _strangers()
    yield from _formats()


@cache
def known(seed: int) -> Image.Image:
    """The landscape of a seed."""
    return landscape(seed)


def encoded(picture: Image.Image, form: str, **options: Any) -> bytes:
    """The picture as a file."""
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


@cache
def original(seed: int) -> bytes:
    """The file of a known landscape."""
    return encoded(known(seed), "PNG")


def pattern(number: int) -> Image.Image:
    """A pattern made of whole numbers alone: the same bits on every machine."""
    down, across = np.mgrid[0:512, 0:512].astype(np.int64)
    waves = across * across * (number + 3) // 97 + down * down * (number + 5) // 61
    waves = (waves + across * down * (number + 1) // 53) // 7 % 256
    steps = (across * (number + 2) + down * 3) // 5
    steps = (steps + (across // 32 * 37 + down // 32 * 91) * (number + 1)) % 256
    chess = (across // 64 + down // 64) % 2
    planes = [waves * chess + steps * (1 - chess), steps, (waves + steps) // 2]
    return Image.fromarray(np.stack(planes, axis=-1).astype(np.uint8))


def _patterns() -> Iterator[Sample]:
    for number, pdq in enumerate(PATTERNS):
        yield sample(
            "PDQ as the reference computes it",
            f"pattern-{number}.png",
            encoded(pattern(number), "PNG"),
            "known",
            algorithm="pdq",
            most_bits=0,
            pdq=pdq,
            fully_checked=True,
        )


def _same() -> Iterator[Sample]:
    what = "the same bytes"
    yield sample(what, "same-bytes.png", original(0), "known", algorithm="sha256")
    for name in ("md5", "sha1"):
        yield sample(what, f"same-{name}.txt", text_for(name), "known", algorithm=name,
                     code="not_a_picture", fully_checked=False)  # fmt: skip


def text_for(algorithm: str) -> bytes:
    """A text whose digest is on the list."""
    return f"A text of which only the {algorithm} digest is listed.\n".encode()


def _turned() -> Iterator[Sample]:
    for how, orientation in _TURNS.items():
        yield sample(
            "turned and mirrored copies",
            f"turned-{orientation}.png",
            encoded(known(1).transpose(how), "PNG"),
            *FOUND,
            orientation=orientation,
            most_bits=_TURNED_BITS,
        )
    exif = Image.Exif()
    exif[_EXIF_ORIENTATION] = 6
    turned = known(1).transpose(Image.Transpose.ROTATE_90)
    data = encoded(turned, "JPEG", quality=92, exif=exif)
    flags = ("turned",)
    yield sample("turned and mirrored copies", "turned-exif.jpg", data, *FOUND, flags=flags,
                 orientation="identity", most_bits=_COPY_BITS)  # fmt: skip


def _smaller() -> Iterator[Sample]:
    for share in (2, 3, 4):
        picture = known(2).resize((known(2).width // share, known(2).height // share))
        data = encoded(picture, "JPEG", quality=80)
        yield sample("smaller copies", f"smaller-{share}.jpg", data, *FOUND, most_bits=_COPY_BITS)


def _saved_again() -> Iterator[Sample]:
    what = "copies saved again"
    forms: tuple[tuple[str, str, dict[str, Any]], ...] = (
        ("jpg-90", "JPEG", {"quality": 90}),
        ("jpg-40", "JPEG", {"quality": 40}),
        ("jpg-progressive", "JPEG", {"quality": 75, "progressive": True}),
        ("webp", "WEBP", {"quality": 70}),
        ("avif", "AVIF", {"quality": 70}),
        ("gif", "GIF", {}),
    )
    for name, form, options in forms:
        data = encoded(known(3), form, **options)
        suffix = name.partition("-")[0]
        yield sample(what, f"again-{name}.{suffix}", data, *FOUND, most_bits=_COPY_BITS)
    for suffix, form in (("bmp", "BMP"), ("tiff", "TIFF"), ("png", "PNG")):
        yield sample(what, f"again.{suffix}", encoded(known(3), form), "known", algorithm="pdq",
                     most_bits=0)  # fmt: skip


def _changed() -> Iterator[Sample]:
    what = "changed copies"
    grey = known(4).convert("L")
    bright = ImageEnhance.Brightness(known(4)).enhance(1.2)
    caption = known(4).copy()
    ImageDraw.Draw(caption).text((20, caption.height - 40), "a caption", "white", font_size=24)
    for name, picture in (("grey", grey), ("bright", bright), ("caption", caption)):
        data = encoded(picture, "PNG")
        yield sample(what, f"changed-{name}.png", data, *FOUND, most_bits=_COPY_BITS)


def _many_frames() -> Iterator[Sample]:
    size = (480, 320)
    frames = [landscape(seed).resize(size) for seed in (210, 211)] + [known(0).resize(size)]
    for name, form, flag in (("gif", "GIF", "animated"), ("tiff", "TIFF", "pages")):
        data = encoded(frames[0], form, save_all=True, append_images=frames[1:])
        yield sample("further frames and pages", f"frames.{name}", data, *FOUND, flags=(flag,),
                     most_bits=_COPY_BITS)  # fmt: skip


def _strangers() -> Iterator[Sample]:
    for seed in STRANGERS:
        data = encoded(landscape(seed), "JPEG", quality=85)
        yield sample("pictures on no list", f"stranger-{seed}.jpg", data, "no_match",
                     fully_checked=True)  # fmt: skip


def _formats() -> Iterator[Sample]:
    """The children's own samples: of every format that is read there is one."""
    for name, data in sorted(samples_of_formats().items()):
        yield sample("every format is read", f"format-{name}", data, "no_match")
