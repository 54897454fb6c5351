"""PDQ: `pdqhash` is the oracle. Every bit of the eight hashes and the quality must be its."""

import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pdqhash
import pytest
import simplejpeg
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from peer_pdq import our_answer, peer_answer
from PIL import Image
from skimage import data

from safelight.errors import BadSetting
from safelight.kernel import (
    isa,
    pdq_from_gray,
    pdq_from_rgb,
    pdq_from_scaled_gray,
    twin_pdq,
)

Rgb = NDArray[np.uint8]

PHOTOS = {
    "astronaut": data.astronaut(),
    "cat": data.chelsea(),
    "coffee": data.coffee(),
    "rocket": data.rocket(),
}

ODD_SIZES = [
    (5, 5),  # the smallest that is hashed
    (5, 6),
    (5, 500),  # 1:100
    (500, 5),
    (63, 64),  # one side short of the 64 points
    (64, 64),  # hashed without a filter by one of the reference's functions
    (64, 65),
    (65, 64),
    (7, 129),
    (127, 128),  # the last sides whose box is one pixel
    (128, 128),
    (129, 129),  # the first whose box is two
    (128, 256),
    (192, 193),
    (257, 385),
    (640, 480),
    (33, 8193),  # a box of 65
    (8193, 33),
    (40, 16384),
    (32897, 16),  # weights above 257, which 16 bits cannot sum
]


def seeded(*seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def noise(height: int, width: int) -> Rgb:
    return seeded(height, width).integers(0, 256, (height, width, 3), dtype=np.uint8)


def waves(height: int, width: int) -> Rgb:
    """A smooth picture with a share of every low frequency, and thus of quality below 100."""
    y, x = np.mgrid[0:height, 0:width]
    slow = np.sin(7 * x / width + 3 * y / height) + np.cos(11 * y / height - 2 * x / width)
    red = 128 + 50 * slow
    green = 128 + 60 * np.sin(9 * x * y / (width * height))
    blue = 255 * x / width
    return np.stack([red, green, blue], axis=-1).astype(np.uint8)


def resized(photo: Rgb, height: int, width: int) -> Rgb:
    return np.asarray(Image.fromarray(photo).resize((width, height), Image.Resampling.BILINEAR))


def assert_same_as_peer(rgb: Rgb) -> None:
    assert our_answer(pdq_from_rgb(rgb)) == peer_answer(rgb)


@pytest.mark.parametrize("size", ODD_SIZES, ids=str)
@pytest.mark.parametrize("make", [noise, waves], ids=["noise", "waves"])
def test_odd_sizes_hash_as_the_reference_does(make, size):
    assert_same_as_peer(make(*size))


@pytest.mark.parametrize("side", [64, 129, 200, 400, 777])
@pytest.mark.parametrize("name", PHOTOS)
def test_photos_of_every_size_hash_as_the_reference_does(name, side):
    assert_same_as_peer(resized(PHOTOS[name], side, side * 4 // 3 + 1))


@pytest.mark.parametrize("name", PHOTOS)
def test_photos_hash_as_the_reference_does(name):
    assert_same_as_peer(PHOTOS[name])


@pytest.mark.parametrize("size", [(5, 5), (64, 64), (100, 150), (300, 201), (700, 900)], ids=str)
@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (127, 127, 127), (3, 200, 77)])
def test_flat_pictures_hash_as_the_reference_does(size, colour):
    """All coefficients are rounding errors here: only the reference's own order gives its bits."""
    assert_same_as_peer(np.full((*size, 3), colour, np.uint8))


@pytest.mark.parametrize("size", [(64, 64), (256, 256), (311, 517)], ids=str)
def test_gradients_and_stripes_hash_as_the_reference_does(size):
    y, x = np.mgrid[0 : size[0], 0 : size[1]]
    for plane in (x % 256, y % 256, (x + y) // 4 % 256, (x // 8 + y // 8) % 2 * 255):
        assert_same_as_peer(np.repeat(plane.astype(np.uint8)[..., None], 3, axis=2))


sizes = st.integers(5, 300)
seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=150, deadline=None)
@given(
    height=sizes, width=sizes, seed=seeds, cells=st.integers(1, 40), contrast=st.integers(1, 127)
)
def test_any_pattern_hashes_as_the_reference_does(height, width, seed, cells, contrast):
    """From flat to busy: random colours in a grid of cells, at any contrast."""
    colours = seeded(seed).integers(128 - contrast, 129 + contrast, (cells, cells, 3))
    assert_same_as_peer(resized(colours.clip(0, 255).astype(np.uint8), height, width))


@pytest.mark.parametrize("size", ODD_SIZES[:-3], ids=str)
def test_grey_hashes_as_its_expansion_to_three_equal_colours(size):
    gray = waves(*size)[..., 0]
    expanded = np.repeat(gray[..., None], 3, axis=2)
    assert our_answer(pdq_from_gray(gray)) == peer_answer(expanded)


@pytest.mark.parametrize("value", [0, 1, 77, 254, 255])
def test_flat_grey_hashes_as_its_expansion(value):
    gray = np.full((150, 300), value, np.uint8)
    expanded = np.repeat(gray[..., None], 3, axis=2)
    assert our_answer(pdq_from_gray(gray)) == peer_answer(expanded)


@pytest.mark.parametrize("size", [(1, 1), (4, 5), (5, 4), (1, 900)], ids=str)
def test_a_side_below_five_pixels_gives_zeros_as_in_the_reference(size):
    picture = noise(*size)
    assert our_answer(pdq_from_rgb(picture)) == peer_answer(picture) == (["00" * 32] * 8, 0)
    assert our_answer(pdq_from_gray(picture[..., 0])) == (["00" * 32] * 8, 0)


@pytest.mark.parametrize("name", PHOTOS)
def test_a_hash_reads_as_the_text_that_exchanges_write(name):
    """Their Python writes the vector's zeros and ones as one binary number, in hexadecimal."""
    vector, _ = pdqhash.compute(PHOTOS[name])
    text = f"{int(''.join(map(str, vector)), 2):064x}"
    assert pdq_from_rgb(PHOTOS[name]).dihedral[0].tobytes().hex() == text


# ---- the readable twin


def twin_pictures() -> Iterator[Rgb]:
    yield from PHOTOS.values()
    yield from (noise(*size) for size in ODD_SIZES if max(size) < 1000)
    yield from (waves(*size) for size in ODD_SIZES if max(size) < 1000)


def test_the_twin_gives_the_same_bits_away_from_the_median():
    for picture in twin_pictures():
        twin = twin_pdq.pdq(picture)
        ours = np.unpackbits(pdq_from_rgb(picture).dihedral[0]).astype(bool)
        far = (np.abs(twin.coefficients - twin.median) >= 1e-3).ravel()[::-1]
        assert far.sum() > 200
        assert np.array_equal(ours[far], twin.bits()[far])


def test_the_twin_gives_the_same_quality():
    """A step that is a whole percent but for rounding may fall either way: one in 90 counts."""
    for picture in twin_pictures():
        assert abs(twin_pdq.pdq(picture).quality - pdq_from_rgb(picture).quality) <= 1


# ---- the scaled plane


def scaled_gray(photo: Rgb, eighths: int) -> NDArray[np.uint8]:
    """The grey plane of the photo as a JPEG, decoded at eighths/8 of its size."""
    jpeg = simplejpeg.encode_jpeg(np.ascontiguousarray(photo), quality=92)
    height, width = photo.shape[:2]
    gray = simplejpeg.decode_jpeg(
        jpeg, "GRAY", min_height=-(-height * eighths // 8), min_width=-(-width * eighths // 8)
    )
    return np.ascontiguousarray(gray[..., 0])


@pytest.mark.parametrize("shape", [(1024, 1365), (1031, 1543), (2051, 2077)], ids=str)
@pytest.mark.parametrize("name", PHOTOS)
def test_a_scaled_plane_of_256_and_more_is_within_ten_bits(name, shape):
    photo = resized(PHOTOS[name], *shape)
    exact = pdq_from_rgb(photo)
    assert exact.quality >= 80
    for eighths in (1, 2, 4, 8):
        if min(shape) * eighths / 8 < 256:
            continue
        fast = pdq_from_scaled_gray(
            scaled_gray(photo, eighths), width=shape[1], height=shape[0], eighths=eighths
        )
        apart = np.unpackbits(fast.dihedral ^ exact.dihedral, axis=1).sum(axis=1)
        assert apart.max() <= 10
        assert abs(fast.quality - exact.quality) <= 2


def test_eight_eighths_is_the_plane_itself():
    gray = waves(300, 401)[..., 0]
    whole = pdq_from_scaled_gray(gray, width=401, height=300, eighths=8)
    assert our_answer(whole) == our_answer(pdq_from_gray(gray))


@pytest.mark.parametrize("eighths", [1, 2, 4])
def test_block_means_of_whole_blocks_hash_nearly_as_the_plane(eighths):
    """Where the pixels of a block are equal, summing weights over blocks loses nothing."""
    block = 8 // eighths
    small = waves(256, 320)[..., 0]
    large = small.repeat(block, axis=0).repeat(block, axis=1)
    height, width = large.shape
    fast = pdq_from_scaled_gray(small, width=width, height=height, eighths=eighths)
    exact = pdq_from_gray(large)
    assert np.unpackbits(fast.dihedral ^ exact.dihedral).sum() <= 2
    assert fast.quality == exact.quality


# ---- the same everywhere


HASH_MANY = """
import hashlib, numpy as np
from safelight.kernel import isa, pdq_from_rgb, pdq_from_scaled_gray
rng = np.random.default_rng(5)
seen = hashlib.sha256()
for height, width in [(5, 5), (64, 64), (129, 131), (333, 1001), (1200, 700), (9000, 9)]:
    small = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    smooth = np.cumsum(small.astype(np.uint64), axis=1) // (1 + np.arange(width))[:, None]
    for rgb in (small, smooth.astype(np.uint8)):
        answer = pdq_from_rgb(rgb)
        scaled = pdq_from_scaled_gray(
            np.ascontiguousarray(rgb[..., 1]), width=width * 8, height=height * 8, eighths=1)
        for pdq in (answer, scaled):
            seen.update(pdq.dihedral.tobytes() + bytes([pdq.quality]))
print(isa(), seen.hexdigest())
"""


def run_with_isa(name: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", HASH_MANY],
        env={**os.environ, "SAFELIGHT_KERNEL_ISA": name},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("name", ["avx2", "avx512", "neon"])
def test_every_instruction_set_gives_the_same_bits(name):
    other = run_with_isa(name)
    if "this processor does not have it" in other.stderr:
        pytest.skip(f"this processor has no {name}")
    plain = run_with_isa("plain")
    assert plain.stdout.split()[0] == "plain"
    assert other.stdout.split() == [name, plain.stdout.split()[1]]


def test_an_unknown_instruction_set_is_refused_by_name():
    answer = run_with_isa("mmx")
    assert answer.returncode != 0
    assert "SAFELIGHT_KERNEL_ISA=mmx: unknown; use plain, avx2, avx512 or neon" in answer.stderr
    assert BadSetting.__name__ in answer.stderr


def test_the_instruction_set_has_a_name():
    assert isa() in {"plain", "avx2", "avx512", "neon"}


def test_threads_give_the_same_answers():
    pictures = [resized(photo, 300 + i, 400) for photo in PHOTOS.values() for i in range(8)]
    pictures += [np.full((200 + i, 300, 3), i, np.uint8) for i in range(8)]
    alone = [our_answer(pdq_from_rgb(picture)) for picture in pictures]
    with ThreadPoolExecutor(2) as pool:
        together = [our_answer(pdq) for pdq in pool.map(pdq_from_rgb, pictures)]
    assert together == alone


# ---- arrays of every kind


def test_strided_and_read_only_arrays_hash_as_their_copies():
    photo = PHOTOS["coffee"]
    view = photo[::2, ::3]
    assert our_answer(pdq_from_rgb(view)) == our_answer(pdq_from_rgb(view.copy()))
    turned = photo[::-1].swapaxes(0, 1)
    turned.flags.writeable = False
    assert our_answer(pdq_from_rgb(turned)) == peer_answer(np.ascontiguousarray(turned))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((9, 9), np.uint8), "rgb has shape (9, 9); pass (height, width, 3)"),
        (np.zeros((9, 9, 4), np.uint8), "rgb has shape (9, 9, 4); pass (height, width, 3)"),
        (np.zeros((9, 9, 3)), "rgb is float64; pass a NumPy array of uint8"),
        (np.zeros((9, 9, 3), np.int8), "rgb is int8; pass a NumPy array of uint8"),
        (np.zeros((0, 9, 3), np.uint8), "rgb has shape (0, 9, 3): there are no pixels to hash"),
        ([[[1, 2, 3]]], "rgb is list; pass a NumPy array of uint8"),
        (None, "rgb is NoneType; pass a NumPy array of uint8"),
    ],
)
def test_a_wrong_array_is_refused_with_what_to_pass(array, message):
    with pytest.raises(ValueError) as caught:  # noqa: PT011  the message is compared below
        pdq_from_rgb(array)
    assert str(caught.value).startswith(message)


def test_a_wrong_grey_array_is_refused():
    with pytest.raises(ValueError, match=r"gray has shape \(9, 9, 3\); pass \(height, width\)"):
        pdq_from_gray(np.zeros((9, 9, 3), np.uint8))


@pytest.mark.parametrize(
    ("shape", "size", "eighths", "message"),
    [
        ((10, 10), (80, 80), 3, "eighths is 3; it must be one of 1, 2, 4, 8"),
        ((10, 10), (80, 81), 1, r"gray has shape \(10, 10\); 1/8 of 80 × 81 pixels is \(10, 11\)"),
        ((10, 10), (-80, 80), 1, r"gray has shape \(10, 10\); 1/8 of -80 × 80 pixels"),
        ((10, 10), (2**40, 80), 1, r"gray has shape \(10, 10\); 1/8 of 1099511627776 × 80"),
    ],
)
def test_a_scaled_plane_that_does_not_fit_is_refused(shape, size, eighths, message):
    with pytest.raises(ValueError, match=message):
        pdq_from_scaled_gray(
            np.zeros(shape, np.uint8), width=size[1], height=size[0], eighths=eighths
        )


def test_a_side_out_of_range_is_refused():
    with pytest.raises(ValueError, match="height is 4194305 pixels; it must be 1 to 4194304"):
        pdq_from_gray(np.zeros((2**22 + 1, 1), np.uint8))
