"""What `import safelight` offers: no database, no service."""

import os
import threading
from functools import cache
from typing import Literal

from safelight.examine import (
    Examiner,
    decode_limits,
    hashes_or_error,
    make_pool,
    memory_file,
)
from safelight.model import HashMode, ImageHashes
from safelight.sandbox.files import open_for_examination
from safelight.settings import load_settings

Isolation = Literal["child", "none"]

_STARTING = threading.Lock()


def hash_image(
    source: str | os.PathLike[str] | bytes,
    *,
    mode: HashMode | Literal["exact", "fast"] = HashMode.EXACT,
    isolation: Isolation = "child",
) -> ImageHashes:
    """Hash a picture: PDQ of its pixels; MD5, SHA-1 and SHA-256 of its bytes.

    `source` is a path, or the bytes of a file. `mode`: "exact" gives bit for bit what the reference
    `pdqhash` gives for the upright picture, and is the one to store and to share; "fast" is for
    screening. `isolation`: "child" decodes in one of a few processes that are started when first
    needed, shared by all threads, and can do nothing but read the one file; "none" decodes in this
    process, and is only for files of your own.

    Raises BadPath when there is no such file; CouldNotCheck, with a stable `code`, when the picture
    could not be examined; SandboxUnavailable when children cannot be started.
    """
    mode = HashMode(mode)
    examiner = _examiner(isolation)
    fd = memory_file(source) if isinstance(source, bytes) else open_for_examination(source)
    try:
        return hashes_or_error(examiner.examine(fd, mode=mode))
    finally:
        os.close(fd)


def _examiner(isolation: str) -> Examiner:
    if isolation not in ("child", "none"):
        raise ValueError(f'isolation is {isolation!r}; it must be "child" or "none"')
    with _STARTING:  # two threads must not each make a pool
        return _make_examiner(isolation)


@cache
def _make_examiner(isolation: str) -> Examiner:
    settings = load_settings()
    pool = make_pool(settings, children=os.cpu_count() or 1) if isolation == "child" else None
    return Examiner(pool, decode_limits(settings))
