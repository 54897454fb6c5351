"""Make src/safelight/decode/samples: one tiny file of each format, for the children's self-test.

    python tests/decode/make_samples.py [folder] [heif-enc]
    python tests/decode/make_samples.py videos

The HEIC file needs Debian's libheif-examples; it is left alone when no program is given. The videos
need PyAV; those for the tests come with what the package vpdq says of them, where it is installed.
"""

import json
import subprocess
import sys
import tempfile
from fractions import Fraction
from itertools import chain
from pathlib import Path

from pictures import lab, pattern, saved
from PIL import Image
from videos import clip, scene, still

TEST_DATA = Path(__file__).parent / "data"
FOLDER = Path(__file__).parents[2] / "src/safelight/decode/samples"
VIDEO_FOLDER = FOLDER.with_name("video_samples")


def main() -> None:
    """Write the files."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    image = pattern()
    frames = [image.rotate(90), image.rotate(180)]
    files = {
        "rgb.jpg": saved(image, "JPEG", quality=60),
        "cmyk.jpg": saved(image.convert("CMYK"), "JPEG", quality=30),
        "palette.png": saved(image.quantize(8), "PNG"),
        "animated.gif": saved(
            image.resize((32, 32)), "GIF", save_all=True, append_images=[frames[0].resize((32, 32))]
        ),
        "rgb.webp": saved(image, "WEBP", quality=50),
        "deflate.tif": saved(image.quantize(8), "TIFF", compression="tiff_adobe_deflate"),
        "lzw.tif": saved(image.quantize(8), "TIFF", compression="tiff_lzw"),
        "lab.tif": saved(lab(image.resize((32, 32))), "TIFF"),
        "palette.bmp": saved(image.quantize(16), "BMP"),
        "rgb.avif": saved(image, "AVIF", quality=40),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    if len(sys.argv) > 2:
        write_heic(sys.argv[2], image, folder / "rgb.heic")
        wide = pattern(384, 256)
        write_heic(sys.argv[2], wide, TEST_DATA / "pattern.heic")
        write_heic(sys.argv[2], wide, TEST_DATA / "turned.heic")
        turn_in_container(TEST_DATA / "turned.heic")


def write_videos() -> None:
    """Write the video for the self-test, and those whose hashes by vpdq the tests know."""
    tiny = clip(scene(3, 12, 96, 72), options={"x264-params": "bframes=2:keyint=6", "crf": "34"})
    (VIDEO_FOLDER / "h264.mp4").write_bytes(tiny)
    crf = {"crf": "32"}
    vp9 = clip(moving(125), container="webm", codec="libvpx-vp9", rate=25, options=crf)
    files = {
        "moving.mp4": clip(moving(150), rate=Fraction(30000, 1001), options=crf),
        "moving.webm": vp9,
        "moving.avi": clip(moving(60), container="avi", codec="mpeg4", rate=12),
    }
    for name, data in files.items():
        path = TEST_DATA / name
        path.write_bytes(data)
        write_reference(path)


def moving(count: int) -> "chain[Image.Image]":
    """Two scenes and a still."""
    third = count // 3
    return chain(scene(1, third), still(5, third), scene(2, count - 2 * third))


def write_reference(path: Path) -> None:
    """Write what the reference says of a video: number, quality, hash and time of each frame."""
    import vpdq  # noqa: PLC0415  has to be built; only who makes samples needs it

    hashes = vpdq.computeHash(str(path))
    rows = [[one.frame_number, one.quality, one.hex, round(one.timestamp, 3)] for one in hashes]
    path.with_suffix(path.suffix + ".json").write_text(json.dumps(rows, indent=0) + "\n")


def write_heic(program: str, image: Image.Image, path: Path) -> None:
    """Have libheif's own program write the picture."""
    with tempfile.NamedTemporaryFile(suffix=".png") as png:
        image.save(png.name)
        subprocess.run([program, "-q", "60", png.name, "-o", str(path)], check=True)


def turn_in_container(path: Path) -> None:
    """Make the file's `pixi` property, which nobody needs, an `irot` of a quarter to the left."""
    data = path.read_bytes()
    at = data.index(b"pixi")
    path.write_bytes(data[:at] + b"irot\x01" + data[at + 5 :])


if __name__ == "__main__":
    write_videos() if sys.argv[1:] == ["videos"] else main()
