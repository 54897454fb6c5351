"""With what a scan was made: versions of the tool and of all that decodes, machine, clock."""

import ctypes
import os
import platform
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from safelight import kernel

# What reads, unpacks and hashes files; a version of one of them may change a row.
_PACKAGES = (
    *("numpy", "pillow", "simplejpeg", "pi-heif", "av"),
    *("py7zr", "pypdf", "backports.zstd", "brotli", "pyppmd", "inflate64", "pybcj"),
)
_PILLOW_LIBRARIES = ("libjpeg_turbo", "libtiff", "webp", "avif", "zlib", "jpg_2000")
_NOT_SYNCHRONISED = 5  # TIME_ERROR of adjtimex(2)


def environment() -> dict[str, Any]:
    """The versions that matter, by name. What is not installed is left out."""
    return {
        "tool": "safelight",
        "version": version("safelight"),
        "kernel_isa": kernel.isa(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "packages": {name: found for name in _PACKAGES if (found := _version(name))},
        "libraries": _libraries(),
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _libraries() -> dict[str, str]:
    """The libraries inside those packages, as they tell themselves."""
    features = import_module("PIL.features")
    found = {name: features.version(name) for name in _PILLOW_LIBRARIES}
    found["libheif"] = _told("pi_heif", lambda module: module.libheif_version())
    found["ffmpeg"] = _told("av", lambda module: module.ffmpeg_version_info)
    return {name: str(told) for name, told in found.items() if told}


def _told(module: str, ask: Callable[[Any], str]) -> str | None:
    try:
        return ask(import_module(module))
    except (ImportError, AttributeError):  # optional, or too old to say
        return None


def clock() -> dict[str, Any]:
    """What the times of a scan go by, and whether the system keeps it in step with others."""
    state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(512))  # asks, sets nothing
    synchronised = None if state < 0 else state != _NOT_SYNCHRONISED
    return {"source": "system clock, UTC", "synchronised": synchronised}


def mount_of(path: bytes) -> dict[str, str] | None:
    """How the file system that a path lies on is mounted: source, type, options. None: unknown."""
    real = os.path.realpath(path)
    best: tuple[int, dict[str, str]] = (-1, {})
    try:
        with open("/proc/self/mountinfo", "rb") as lines:
            for line in lines:
                place, mount = _mount(line)
                below = real == place or real.startswith(place.rstrip(b"/") + b"/")
                if below and len(place) >= best[0]:  # a later mount hides an earlier one
                    best = (len(place), mount)
    except (OSError, ValueError):
        return None
    return best[1] or None


def _mount(line: bytes) -> tuple[bytes, dict[str, str]]:
    head, _, tail = line.partition(b" - ")
    place, options = head.split(b" ")[4:6]
    kind, source = tail.split(b" ")[:2]
    told = {"source": source, "type": kind, "options": options}
    return _unescaped(place), {name: os.fsdecode(_unescaped(v)) for name, v in told.items()}


def _unescaped(octal: bytes) -> bytes:
    """Blanks and backslashes are written as `\\040`."""
    return octal.decode("unicode_escape").encode("latin-1") if b"\\" in octal else octal
