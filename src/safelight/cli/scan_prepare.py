"""What a scan needs before its first file: new, gone on with, or repeated from a result."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from safelight.bulk.about import (
    About,
    AboutFile,
    about_path,
    read_about,
    refuse_existing,
    sha256_of,
)
from safelight.bulk.exhibit import Exhibit
from safelight.bulk.graded_files import Against, load_graded
from safelight.bulk.request import ScanRequest, Verifies, inodes_of, limits_of
from safelight.bulk.rows import path_of
from safelight.bulk.state import ScanState, new_scan_id, refuse_inside
from safelight.bulk.walk import check_roots, outermost
from safelight.cli.output import warn
from safelight.cli.work import load_matcher, private_home
from safelight.clock import utc_now
from safelight.errors import BadInput, CorruptFile
from safelight.files import show_path
from safelight.matching.graded import Graded
from safelight.matching.load import Loaded, Sources
from safelight.matching.rules import MatchPolicy
from safelight.model import Algorithm, Depth
from safelight.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a person asked of a new scan."""

    roots: tuple[bytes, ...]
    named: tuple[bytes, ...] = ()
    result: Path | None
    sources: Sources
    policy: MatchPolicy
    depth: Depth
    exhibit: Exhibit | None
    graded: tuple[str, ...]
    verifies: Verifies | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A scan that can begin or go on."""

    state: ScanState
    loaded: Loaded
    graded: Graded | None
    about: AboutFile


def roots_of(paths: Sequence[Path] | None) -> tuple[bytes, ...]:
    """The folders and files to scan, absolute, none inside another."""
    if not paths:
        raise BadInput("nothing to scan: name at least one file or folder.")
    return tuple(outermost([os.path.abspath(root) for root in check_roots(paths)]))  # noqa: PTH100


def absolute(paths: Sequence[Path] | None) -> tuple[str, ...]:
    """Paths of files of ours, absolute."""
    return tuple(str(path.absolute()) for path in paths or ())


def begin(settings: Settings, asked: Asked) -> Prepared:
    """Load everything, then make the scan on disk; where that fails nothing is left behind."""
    refuse_inside(asked.roots, settings.home, "Safelight's own folder")
    if asked.result is not None:
        refuse_inside(asked.roots, asked.result, "the results file")
        refuse_existing(asked.result.absolute())
    # Before anything is made on disk.
    loaded = load_matcher(settings, asked.sources, asked.policy, with_past=True)
    against = Against(fingerprint=loaded.fingerprint, policy=asked.policy)
    graded = load_graded(asked.graded, against, warn)
    private_home(settings)
    request = _request(settings, asked, loaded, graded)
    state = ScanState.create(settings.home, request)
    try:
        about = AboutFile.begin(request, loaded, settings, now=utc_now())
    except BaseException:
        state.undo_create()
        raise
    return Prepared(state=state, loaded=loaded, graded=graded, about=about)


def _request(
    settings: Settings, asked: Asked, loaded: Loaded, graded: Graded | None
) -> ScanRequest:
    scan_id = new_scan_id(utc_now())
    rows = asked.result or settings.home / "scans" / scan_id / "results.jsonl"
    return ScanRequest(
        scan_id=scan_id,
        roots=asked.roots,
        inodes=inodes_of(asked.roots),
        named=asked.named,
        result=str(rows.absolute()),
        sources=asked.sources,
        policy=asked.policy,
        depth=asked.depth,
        fingerprint=loaded.fingerprint,
        limits=limits_of(settings),
        exhibit=asked.exhibit,
        graded=asked.graded,
        graded_fingerprint="" if graded is None else graded.fingerprint,
        verifies=asked.verifies,
    )


def go_on(settings: Settings, scan_id: str) -> Prepared:
    """Go on with a scan that was stopped."""
    state = ScanState.reopen(settings.home, scan_id)
    try:
        request = state.request
        request.check_limits(settings)
        loaded = load_matcher(settings, request.sources, request.policy, with_past=True)
        against = Against(fingerprint=request.fingerprint, policy=request.policy)
        graded = load_graded(request.graded, against, warn)
        if graded is not None and graded.fingerprint != request.graded_fingerprint:
            raise BadInput(
                "the files of --skip-known have changed since this scan began: put back what they"
                " were, or begin a new scan."
            )
        about = AboutFile.go_on(request, loaded, settings, now=utc_now())
    except BaseException:
        state.close()
        raise
    return Prepared(state=state, loaded=loaded, graded=graded, about=about)


# --- a second examiner ----------------------------------------------------------------------------


def checked_result(result: Path) -> About:
    """What stands about a results file; BadInput or CorruptFile if it is not whole, or changed."""
    about = read_about(result)
    if about["complete"] is not True:
        raise BadInput(
            f"the scan of {show_path(result)} is not complete: go on with it (safelight scan"
            " --resume), or scan anew if the hashes changed while it was stopped."
        )
    digest = sha256_of(result)
    if digest != about["results"]["sha256"]:
        raise CorruptFile(
            f"{show_path(result)} is not what the scan wrote: its SHA-256 is {digest}, but"
            f" {show_path(about_path(result).name)} says {about['results']['sha256']}."
        )
    return about


def repeat(
    result: Path,
    *,
    places: Sequence[Path] | None,
    sources: Sources,
    graded: Sequence[str],
    examiner: str | None,
    actor: str | None,
    authority: str | None,
    own_result: Path | None,
) -> Asked:
    """What to ask to do the scan of a results file again, here and now.

    `actor`, of the settings, is the examiner of an exhibit where none is named.
    """
    about = checked_result(result)
    try:
        asked = _repeated(about, result, sources, graded)
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        name = show_path(about_path(result))
        raise CorruptFile(f"{name} is damaged, or of another version of Safelight.") from exc
    if asked.exhibit is not None:
        told = {
            "examiner": examiner or actor or "",
            "authority": authority or asked.exhibit.authority,
        }
        asked = replace(asked, exhibit=replace(asked.exhibit, **told))
    elif examiner or authority:
        raise BadInput("the result names no exhibit: leave --examiner and --authority away.")
    return replace(asked, roots=_places(asked.named, places), result=own_result)


def _repeated(about: About, result: Path, sources: Sources, graded: Sequence[str]) -> Asked:
    asked = about["asked"]
    number, authority = about["exhibit"], about["authority"] or ""
    exhibit = None if number is None else Exhibit(number=number, authority=authority)
    return Asked(
        roots=(),
        named=tuple(path_of(root) for root in asked["roots"]),
        result=None,
        sources=_sources(about, sources),
        policy=MatchPolicy(**asked["policy"]),
        depth=Depth.from_json(asked["depth"]),
        exhibit=exhibit,
        graded=tuple(graded) or _paths(about["left_out"]),
        verifies=Verifies(path=str(result.absolute()), sha256=about["results"]["sha256"]),
    )


def _sources(about: About, given: Sources) -> Sources:
    algorithm = about["asked"]["algorithm"]
    told = None if algorithm is None else Algorithm(algorithm)
    if given.lists or given.hashes:
        return replace(given, algorithm=given.algorithm or told)
    matched = about["matched_against"]
    return Sources(lists=tuple(matched["lists"]), hashes=_paths(matched["files"]), algorithm=told)


def _paths(files: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    return tuple(os.fsdecode(path_of(file)) for file in files)


def _places(named: Sequence[bytes], given: Sequence[Path] | None) -> tuple[bytes, ...]:
    """Where the roots are now: as they are named, or where --at says, in the same order."""
    if not given:
        return tuple(check_roots([os.fsdecode(name) for name in named]))
    if len(given) != len(named):
        names = ", ".join(show_path(name) for name in named)
        raise BadInput(
            f"the result is of {len(named)} folders or files ({names}): give --at once for each, in"
            " this order."
        )
    return tuple(os.path.abspath(place) for place in check_roots(given))  # noqa: PTH100
