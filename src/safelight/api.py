"""What `import safelight` offers: no database, no service."""

import os
import threading
import warnings
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Literal

from safelight.bulk.scan import ScanResult, scan_all
from safelight.bulk.walk import check_roots, outermost, walk
from safelight.examine import (
    Examiner,
    examine_limits,
    hashes_or_error,
    make_pool,
    memory_file,
)
from safelight.matching.load import Sources, load_files
from safelight.matching.rules import MatchPolicy
from safelight.model import (
    Algorithm,
    Depth,
    FrameSampling,
    HashMode,
    ImageHashes,
)
from safelight.sandbox.files import open_for_examination
from safelight.settings import load_settings

Isolation = Literal["child", "none"]

_STARTING = threading.Lock()


def _after_fork_in_child() -> None:
    """A thread that held the lock at the fork is not there to release it."""
    global _STARTING
    _STARTING = threading.Lock()


os.register_at_fork(after_in_child=_after_fork_in_child)


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
        return hashes_or_error(examiner.examine(fd, Depth(mode=mode)))
    finally:
        os.close(fd)


def scan(
    paths: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    hashes: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    algorithm: Algorithm | Literal["pdq", "md5", "sha1", "sha256"] | None = None,
    radius: int | None = None,
    min_quality: int | None = None,
    mode: HashMode | Literal["exact", "fast"] = HashMode.EXACT,
    video: FrameSampling | Literal["second", "key_frames", "none"] = FrameSampling.SECOND,
    archives: bool = False,
    jobs: int | None = None,
) -> Iterator[ScanResult]:
    """Yield the verdict about every file below the paths, against files of hashes.

    `hashes`: one or more files of plain lines, CSV or JSON Lines; `algorithm` says what they hold
    where the file does not (64 hexadecimal digits are taken for PDQ). `radius`, 0 to 64 bits, and
    `min_quality`, 0 to 100, are 31 and 50 where not given. `video`: which frames are
    hashed. `archives`: look into archives, mails and documents; the results of what is inside come
    before that of the file. `jobs`: files examined at once, one per processor if not given. Results
    come in walk order, those that could not be checked included. Lines that
    are no hash come as warnings.

    Raises BadPath, BadHashFile or BadInput before anything is scanned.
    """
    policy = MatchPolicy(radius=radius, min_quality=min_quality)
    depth = Depth(mode=HashMode(mode), video=FrameSampling(video), archives=archives)
    files = [hashes] if isinstance(hashes, str | os.PathLike) else list(hashes)
    if isinstance(paths, str | os.PathLike):
        paths = [paths]
    kind = None if algorithm is None else Algorithm(algorithm)
    loaded = load_files(Sources.of(None, [Path(file) for file in files], kind), policy)
    for warning in loaded.warnings:
        warnings.warn(warning, stacklevel=2)
    roots = outermost(check_roots(paths))
    count = len(os.sched_getaffinity(0)) if jobs is None else jobs
    examiner = _examiner("child")
    return scan_all(walk(roots), examiner, loaded.matcher, policy, depth, jobs=count)


def _examiner(isolation: str) -> Examiner:
    if isolation not in ("child", "none"):
        raise ValueError(f'isolation is {isolation!r}; it must be "child" or "none"')
    with _STARTING:  # two threads must not each make a pool
        return _make_examiner(isolation)


@cache
def _make_examiner(isolation: str) -> Examiner:
    settings = load_settings()
    pool = make_pool(settings, children=os.cpu_count() or 1) if isolation == "child" else None
    return Examiner(pool, examine_limits(settings))
