"""The lists of an organisation kept on disk, ready to search, so that a start need not read them.

What is kept is a copy of what the database says, and never more: a reader takes it only where it
is whole and the database's own history leads through the moment it was written at, and then reads
what has changed since. Otherwise all is read from the database, and kept anew.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np

from safelight.errors import CorruptFile, SafelightError
from safelight.files import make_private_folder
from safelight.kernel.index import HashIndex
from safelight.matching.content import ListContents
from safelight.matching.digests import DigestIndex, SortedDigests
from safelight.matching.facts import GONE, ClassNames, Columns, Facts, newest
from safelight.matching.following import Followed, Place
from safelight.matching.kept_files import (
    Generation,
    forget,
    make_current,
    new_generation,
    read_current,
    write_array,
    writing,
)
from safelight.matching.reach import Lists
from safelight.matching.step import Matcher, State
from safelight.matching.tables import DigestTable, PdqTable, SomeVideos, Videos
from safelight.matching.video import VideoTable
from safelight.model import Algorithm

# Fewer entries than this are read in a moment, and not kept.
LEAST_KEPT = 100_000
# What is kept is written anew when more than this share of it has changed.
WORN_SHARE = 0.05
# Up to so many bytes are checked before they are used; more only meanwhile.
CHECKED_FIRST = 256 << 20
# Tables of videos that came one after the other; with more, all is read anew.
_MOST_VIDEO_TABLES = 16
_MOST_GONE = 2  # as many videos again as there are may be gone; with more, all is read anew

_DIGESTS = tuple(one for one in Algorithm if one not in (Algorithm.PDQ, Algorithm.VPDQ))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What was kept, opened. The caller holds its mark against the database."""

    followed: Followed
    generation: Generation
    is_checked: bool  # every byte


def kept_folder(home: Path, organisation: UUID) -> Path:
    """Where the lists of an organisation are kept."""
    return home / "index" / str(organisation)


def open_kept(folder: Path, organisation: UUID) -> Kept | None:
    """What is kept there; None where nothing is. Raise CorruptFile for what cannot be used."""
    for attempt in range(3):
        generation = read_current(folder)
        if generation is None:
            return None
        try:
            return _opened(generation, organisation)
        except FileNotFoundError as exc:  # another process has just written the next one
            if attempt == 2:
                raise CorruptFile(f"{exc.filename} is missing.") from exc
        except (OSError, KeyError, TypeError, ValueError, AttributeError, IndexError) as exc:
            raise CorruptFile(f"{generation.folder}: {type(exc).__name__}: {exc}") from exc
    return None


def _opened(generation: Generation, organisation: UUID) -> Kept:
    facts = generation.facts
    if facts["organisation"] != str(organisation):
        raise ValueError("it is another organisation's")
    is_checked = generation.bytes <= CHECKED_FIRST
    if is_checked:
        generation.check()
    place = _place_of(facts["place"])
    state = _state_of(generation, place)
    matcher = Matcher.of_state(state, ClassNames(facts["classes"]))
    return Kept(
        followed=Followed(matcher, place, ListContents.from_json(facts["contents"])),
        generation=generation,
        is_checked=is_checked,
    )


def _place_of(data: dict[str, Any]) -> Place:
    from safelight.store.changes import Mark  # noqa: PLC0415 - whoever keeps lists has the store

    return Place(
        numbers={UUID(one): int(number) for one, number in data["numbers"].items()},
        position={UUID(one): int(change) for one, change in data["position"].items()},
        given=int(data["given"]),
        untold={int(number): int(count) for number, count in data["untold"].items()},
        odd={int(number): int(count) for number, count in data["odd"].items()},
        mark=Mark(seq=int(data["mark"]["seq"]), digest=str(data["mark"]["digest"])),
    )


def _place_to_json(place: Place) -> dict[str, Any]:
    mark = place.mark
    return {
        "mark": None if mark is None else {"seq": mark.seq, "digest": mark.digest},
        "numbers": {str(one): number for one, number in place.numbers.items()},
        "position": {str(one): change for one, change in place.position.items()},
        "given": place.given,
        "untold": {str(number): count for number, count in place.untold.items()},
        "odd": {str(number): count for number, count in place.odd.items()},
    }


def _state_of(generation: Generation, place: Place) -> State:
    live = generation.facts["live"]

    def facts_of(algorithm: Algorithm) -> Facts:
        columns = generation.arrays(f"{algorithm.value}.facts")
        return Facts([Columns(**columns)] if columns else (), int(live.get(algorithm.value, 0)))

    digests: dict[Algorithm, DigestTable] = {}
    for algorithm in _DIGESTS:
        arrays = generation.arrays(f"{algorithm.value}.digests")
        index = DigestIndex([SortedDigests(**arrays)] if arrays else ())
        if arrays:
            digests[algorithm] = DigestTable(
                algorithm=algorithm, index=index, facts=facts_of(algorithm)
            )
    pdq = generation.path("pdq.index")
    return State(
        lists=Lists([None] * place.given, place.doubtful()),
        pdq=PdqTable(
            index=HashIndex.open(pdq) if pdq.name in generation.facts["files"] else HashIndex(),
            facts=facts_of(Algorithm.PDQ),
        ),
        videos=Videos.of(list(_videos_of(generation)), facts_of(Algorithm.VPDQ)),
        digests=digests,
    )


def _videos_of(generation: Generation) -> "list[SomeVideos]":
    count = int(generation.facts["video_tables"])
    if count > _MOST_VIDEO_TABLES:
        raise ValueError(f"its videos lie in {count} tables")
    parts = [
        SomeVideos(
            table=VideoTable.of_arrays(
                HashIndex.open(generation.path(f"vpdq.{number}.index")),
                generation.arrays(f"vpdq.{number}"),
            )
        )
        for number in range(count)
    ]
    live = int(generation.facts["live"].get(Algorithm.VPDQ.value, 0))
    if sum(len(part.table) for part in parts) > _MOST_GONE * live + _MOST_VIDEO_TABLES:
        raise ValueError("most of its videos are gone")
    return parts


# -- writing ---------------------------------------------------------------------------------------


def is_worn(followed: Followed) -> bool:
    """Tell whether so much has changed since it was kept that it should be kept anew."""
    return followed.taken > WORN_SHARE * len(followed.matcher)


def keep(home: Path, organisation: UUID, followed: Followed, *, now: datetime) -> bool:
    """Write what is followed as the generation that counts; False where another process writes.

    The matcher is searched and changes meanwhile; what is kept is as it was at one moment, with an
    index that may have more hashes than are known, which does no harm. Raise DiskFull or BadPath;
    then what was kept before still counts.
    """
    folder = kept_folder(home, organisation)
    make_private_folder(home)
    make_private_folder(folder.parent)
    with writing(folder) as is_ours:
        if not is_ours:
            return False
        generation = new_generation(folder)
        with followed.matcher.remembering():
            now_followed = followed.moment()
            facts = _written(generation, now_followed.state)
        facts |= {
            "organisation": str(organisation),
            "written": now.isoformat(),
            "place": _place_to_json(now_followed.place),
            "contents": now_followed.contents.to_json(),
            "classes": list(followed.matcher.names.names),
        }
        make_current(generation, facts)
    return True


def _written(generation: Path, state: State) -> dict[str, Any]:
    """Write the tables; what the manifest says of them."""
    live = {}
    for algorithm in Algorithm:
        facts = state.facts_of(algorithm)
        if facts.parts:
            live[algorithm.value] = len(facts)
            rows = newest(facts.parts)
            # the index of PDQ may still have hashes of what is gone; digests are written without
            least = GONE if algorithm in (Algorithm.PDQ, Algorithm.VPDQ) else 0
            _write(generation, f"{algorithm.value}.facts", rows.take(rows.lists >= least).arrays())
    for algorithm, table in state.digests.items():
        digests = table.index.joined()
        digests = digests.take(table.facts.of(digests.keys).lists >= 0)
        _write(generation, f"{algorithm.value}.digests", digests.arrays())
    if len(state.pdq.index):
        state.pdq.index.save(generation / "pdq.index")
    for number, part in enumerate(state.videos.parts):
        index, arrays = part.table.arrays()
        index.save(generation / f"vpdq.{number}.index")
        _write(generation, f"vpdq.{number}", arrays)
    return {"live": live, "video_tables": len(state.videos.parts)}


def _write(generation: Path, prefix: str, arrays: dict[str, "np.ndarray[Any, Any]"]) -> None:
    for name, array in arrays.items():
        write_array(generation / f"{prefix}.{name}.npy", array)


def check_kept(kept: Kept, folder: Path) -> None:
    """Read every byte of what is kept; where it is damaged it no longer counts: CorruptFile."""
    try:
        kept.generation.check()
    except SafelightError as exc:
        if kept.generation.folder.exists():  # else the next one has taken its place
            forget(folder)
            raise CorruptFile(str(exc)) from exc
