"""The lists of an organisation kept on disk, ready to search, so that a start need not read them.

What is kept is a copy of what the database says, and never more: a reader takes it only where it
is whole and the database's own history leads through the moment it was written at, and then reads
what has changed since. Otherwise all is read from the database, and kept anew.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np

from safelight.errors import CorruptFile, SafelightError
from safelight.files import make_private_folder
from safelight.kernel.index import HashIndex
from safelight.matching.content import ListContents
from safelight.matching.digests import DigestIndex, SortedDigests
from safelight.matching.facts import ClassNames, Columns, Facts, Flags, Numbers, newest
from safelight.matching.following import Followed, Moment, Place
from safelight.matching.kept_files import (
    Generation,
    forget,
    index_note,
    make_current,
    new_generation,
    read_current,
    use_current,
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
# Up to so many bytes are checked before they are used; more only meanwhile, and not again so soon.
CHECKED_FIRST = 256 << 20
CHECKED_FOR = 24 * 60 * 60.0  # seconds
# What is gone from the lists is not kept for longer, while anybody begins or follows.
GONE_KEPT_FOR = timedelta(days=1)
# Tables of videos that came one after the other; with more, all is read anew.
_MOST_VIDEO_TABLES = 16

_DIGESTS = tuple(one for one in Algorithm if one not in (Algorithm.PDQ, Algorithm.VPDQ))


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What was kept, opened. The caller holds its mark against the database."""

    followed: Followed
    generation: Generation
    is_checked: bool  # every byte, now or not long ago


def kept_folder(home: Path, organisation: UUID) -> Path:
    """Where the lists of an organisation are kept."""
    return home / "index" / str(organisation)


def open_kept(folder: Path, organisation: UUID) -> Kept | None:
    """What is kept there; None where nothing is. Raise CorruptFile for what cannot be used."""
    return use_current(folder, lambda generation: _opened(generation, organisation))


def _opened(generation: Generation, organisation: UUID) -> Kept:
    facts = generation.facts
    if facts["organisation"] != str(organisation):
        raise ValueError("it is another organisation's")
    is_checked = generation.checked_since(time.time() - CHECKED_FOR)
    if generation.bytes <= CHECKED_FIRST:
        generation.check()
        is_checked = True
    place = _place_of(facts["place"])
    state = _state_of(generation, place)
    matcher = Matcher.of_state(state, ClassNames(facts["classes"]))
    return Kept(
        followed=Followed(
            matcher,
            place,
            ListContents.from_json(facts["contents"]),
            written=datetime.fromisoformat(facts["written"]),
        ),
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
    pdq = "pdq.index"
    return State(
        lists=Lists([None] * place.given, place.doubtful()),
        pdq=PdqTable(
            index=generation.index(pdq) if pdq in generation.facts["files"] else HashIndex(),
            facts=facts_of(Algorithm.PDQ),
        ),
        videos=Videos.of(list(_videos_of(generation)), facts_of(Algorithm.VPDQ)),
        digests=digests,
    )


def _videos_of(generation: Generation) -> "list[SomeVideos]":
    count = int(generation.facts["video_tables"])
    if count > _MOST_VIDEO_TABLES:
        raise ValueError(f"its videos lie in {count} tables")
    return [
        SomeVideos(
            table=VideoTable.of_arrays(
                generation.index(f"vpdq.{number}.index"),
                generation.arrays(f"vpdq.{number}"),
            )
        )
        for number in range(count)
    ]


# -- writing ---------------------------------------------------------------------------------------


def is_worn(followed: Followed, now: datetime) -> bool:
    """Tell whether it should be kept anew: much has changed, or what is kept must not stay."""
    if followed.written is None or followed.deleted:
        return True
    if followed.taken > WORN_SHARE * len(followed.matcher):
        return True
    return bool(followed.lost) and now - followed.written >= GONE_KEPT_FOR


def keep(folder: Path, organisation: UUID, followed: Followed, *, now: datetime) -> bool:
    """Write what is followed as the generation that counts; False where another process writes.

    The matcher is searched and changes meanwhile; what is kept is as it was at one moment, without
    a hash of anything else. Where another process has already kept a later moment, that is enough.
    Raise DiskFull or BadPath; then what was kept before still counts.
    """
    make_private_folder(folder.parent.parent)
    make_private_folder(folder.parent)
    with writing(folder) as is_ours:
        if not is_ours:
            return False
        moment = followed.moment()
        if (other := _written_by_others(folder, moment)) is not None:
            followed.note_kept(moment, other)
            return True
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
        followed.note_kept(now_followed, now)
    return True


def _written_by_others(folder: Path, moment: Moment) -> datetime | None:
    """When another process kept this moment or a later one; None: nobody has."""
    mark = moment.place.mark
    if moment.written is None or mark is None:  # what is there could not be used
        return None
    try:
        generation = read_current(folder)
        if generation is None:
            return None
        facts = generation.facts
        seq, digest = int(facts["place"]["mark"]["seq"]), facts["place"]["mark"]["digest"]
        if seq > mark.seq or (seq, digest) == (mark.seq, mark.digest):
            return datetime.fromisoformat(facts["written"])
        return None
    except (CorruptFile, KeyError, TypeError, ValueError):
        return None


def _written(generation: Path, state: State) -> dict[str, Any]:
    """Write the tables; what the manifest says of them."""
    live = {}
    for algorithm in Algorithm:
        facts = state.facts_of(algorithm)
        if facts.parts:
            live[algorithm.value] = len(facts)
            rows = newest(facts.parts)
            _write(generation, f"{algorithm.value}.facts", rows.take(rows.lists >= 0).arrays())
    for algorithm, table in state.digests.items():
        digests = table.index.only(table.facts.are_there)
        if len(digests):
            _write(generation, f"{algorithm.value}.digests", digests.joined().arrays())
    if len(state.pdq.index):
        _write_index(generation / "pdq.index", state.pdq.index, state.pdq.facts.are_there)
    number = 0
    for part in state.videos.parts:
        videos = part.table.only(state.videos.facts.are_there(part.table.keys))
        if len(videos):
            index, arrays = videos.arrays()
            _write_index(generation / f"vpdq.{number}.index", index, videos.is_used)
            _write(generation, f"vpdq.{number}", arrays)
            number += 1
    return {"live": live, "video_tables": number}


def _write_index(path: Path, index: HashIndex, wanted: Callable[[Numbers], Flags]) -> None:
    """Write the hashes whose ids are wanted: the index may have others, and get more meanwhile."""
    note = index_note(path)
    index.save(path, note=note)
    saved = HashIndex.open(path)
    ids = _ids(saved)
    others = ids[~wanted(ids)]
    if len(others):
        saved.remove(others)
        saved.save(path, note=note)


def _ids(index: HashIndex) -> Numbers:
    """All ids: every hash but one is fewer than 256 bits from that of all zeros."""
    zeros = np.zeros(32, np.uint8)
    return np.concatenate([index.search(zeros, radius=255).ids, index.search(~zeros, radius=0).ids])


def _write(generation: Path, prefix: str, arrays: dict[str, "np.ndarray[Any, Any]"]) -> None:
    for name, array in arrays.items():
        write_array(generation / f"{prefix}.{name}.npy", array)


def check_kept(kept: Kept) -> None:
    """Read every byte of what is kept; where it is damaged it no longer counts: CorruptFile."""
    try:
        kept.generation.check()
    except SafelightError as exc:
        if isinstance(exc, CorruptFile) or kept.generation.is_current():
            forget(kept.generation)
            raise CorruptFile(str(exc)) from exc
        return  # it is gone, and the next one has taken its place
    kept.generation.note_checked()
