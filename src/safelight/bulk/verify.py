"""Two results of the same scan, side by side: what the runs had in common, and the rows."""

import json
import re
from collections import Counter, deque
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from safelight.bulk.about import About
from safelight.bulk.rows import path_of
from safelight.bulk.state import whole_rows
from safelight.errors import CorruptFile
from safelight.files import show_path

Row = dict[str, Any]

SHOWN = 100  # of each kind; the numbers are whole

# What hangs on the machine and its load, not on the file alone.
OF_THE_MACHINE = frozenset({"timed_out", "out_of_memory", "crashed", "read_error"})


@dataclass(slots=True)
class Some:
    """How many there were, and the first of them."""

    total: int = 0
    first: list[Any] = field(default_factory=list)

    def add(self, one: Any) -> None:
        """Count one, and keep it if there is room."""
        self.total += 1
        if len(self.first) < SHOWN:
            self.first.append(one)


@dataclass(slots=True)
class Comparison:
    """The rows of a second run held against those of the first."""

    identical: int = 0
    differing: Some = field(default_factory=Some)  # (row of the first, of the second, fields)
    missing: Some = field(default_factory=Some)  # rows of the first only
    new: Some = field(default_factory=Some)  # rows of the second only
    fields: Counter[str] = field(default_factory=Counter)  # in how many rows each differs
    of_the_machine: int = 0  # differing rows where one run met a limit of its machine
    only_times: int = 0  # differing rows where all but times of the file system is the same
    marked: int = 0  # identical rows but for marks of floods, which hang on the day
    renumbered: int = 0  # identical rows but for the numbers of entries of lists that are the same

    @property
    def same(self) -> bool:
        """Whether every row is the same but for such numbers, and none is missing or new."""
        return not (self.differing.total or self.missing.total or self.new.total)


def compare_rows(first: Path, second: Path, same_lists: Container[str] = ()) -> Comparison:
    """Compare two results files row by row, whatever their order.

    Of `same_lists` the numbers of entries need not agree: every database gives its own. Memory
    grows only with how far the orders are apart.
    """
    comparison = Comparison()
    waiting: tuple[_Waiting, _Waiting] = (_Waiting(), _Waiting())
    for pair in zip_longest(_rows(first), _rows(second)):
        if pair[0] is not None and _is_same(*pair):
            comparison.identical += 1
            continue
        for side, row in enumerate(pair):
            if row is None:
                continue
            other = waiting[1 - side].take(row)
            if other is None:
                waiting[side].put(row)
            else:
                mine, theirs = (row, other) if side == 0 else (other, row)
                _compare(comparison, mine, theirs, same_lists)
    for row in waiting[0].rows():
        comparison.missing.add(row)
    for row in waiting[1].rows():
        comparison.new.add(row)
    return comparison


def _rows(path: Path) -> Iterator[Row]:
    end = 0
    for row, end_of_row in whole_rows(path):
        end = end_of_row
        yield row
    if end != path.stat().st_size:
        raise CorruptFile(
            f"{show_path(path)}: the last line is cut off; compare with the whole file."
        )


class _Waiting:
    """Rows of one file whose like was not met in the other yet, in order."""

    def __init__(self) -> None:
        self._rows: dict[tuple[bytes, str], deque[Row]] = {}

    def put(self, row: Row) -> None:
        self._rows.setdefault(_key(row), deque()).append(row)

    def take(self, like: Row) -> Row | None:
        key = _key(like)
        same = self._rows.get(key)
        if same is None:
            return None
        row = same.popleft()
        if not same:
            del self._rows[key]
        return row

    def rows(self) -> Iterator[Row]:
        for same in self._rows.values():
            yield from same


def _key(row: Row) -> tuple[bytes, str]:
    """The item; two members of one container may have the same name."""
    return path_of(row), json.dumps(row.get("derivation", ()))


def _compare(comparison: Comparison, first: Row, second: Row, same_lists: Container[str]) -> None:
    differing = tuple(differing_fields(first, second))
    if differing:
        first, second = _without_marks(first), _without_marks(second)
        differing = tuple(differing_fields(first, second))
        comparison.marked += not differing
    if differing and same_lists:
        plain = (_without_numbers(row, same_lists) for row in (first, second))
        differing = tuple(differing_fields(*plain))
        comparison.renumbered += not differing
    if not differing:
        comparison.identical += 1
        return
    comparison.differing.add((first, second, differing))
    comparison.fields.update(differing)
    comparison.only_times += all(name.startswith("times.") for name in differing)
    comparison.of_the_machine += bool({first.get("code"), second.get("code")} & OF_THE_MACHINE)


def _without_marks(row: Row) -> Row:
    """The row without what says that an entry floods: that hangs on the day, not on the file."""
    told = dict(row)
    if _is_dicts(row.get("matches")):
        told["matches"] = [
            {name: value for name, value in match.items() if name != "flood"}
            for match in row["matches"]
        ]
    if isinstance(row.get("reasons"), list):
        told["reasons"] = [one for one in row["reasons"] if not str(one).startswith("flood: ")]
    return told


_ENTRY = re.compile(r"\bentry \d+ of list ")


def _without_numbers(row: Row, same_lists: Container[str]) -> Row:
    """The row without the numbers of entries of these lists, and without an order that hangs on
    them; which matches are of one entry still counts.
    """
    told = dict(row)
    for name in ("matches", "observed", "suppressed"):
        if _is_dicts(row.get(name)):
            told[name] = _by_entry(row[name], same_lists)
    reasons = row.get("reasons")
    if isinstance(reasons, list):
        told["reasons"] = sorted(_ENTRY.sub("an entry of list ", str(one)) for one in reasons)
    return told


def _is_dicts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)


def _by_entry(matches: Sequence[Row], same_lists: Container[str]) -> list[list[str]]:
    entries: dict[str, list[str]] = {}
    for match in matches:
        known = str(match.get("list")) in same_lists
        told = {name: value for name, value in match.items() if name != "entry" or not known}
        key = json.dumps((match.get("list"), match.get("entry")))
        entries.setdefault(key, []).append(json.dumps(told, sort_keys=True))
    return sorted(map(sorted, entries.values()))


def lists_in_common(first: About, second: About) -> tuple[str, ...]:
    """The lists of databases that both were matched against, with the same entries by digest."""
    mine, theirs = first["matched_against"], second["matched_against"]
    if mine["files"] or theirs["files"]:  # an entry of a hash file is a line of it
        return ()
    then, now = _by_name(mine.get("facts") or ()), _by_name(theirs.get("facts") or ())
    return tuple(sorted(name for name in then if then[name] == now.get(name)))


def differing_fields(first: Row, second: Row) -> Iterator[str]:
    """The fields in which two rows differ; of a field that has parts, the parts."""
    for name in [*first, *(name for name in second if name not in first)]:
        mine, theirs = first.get(name), second.get(name)
        if isinstance(mine, dict) and isinstance(theirs, dict):
            yield from (f"{name}.{part}" for part in differing_fields(mine, theirs))
        elif not _is_same(mine, theirs):
            yield name


def _is_same(mine: Any, theirs: Any) -> bool:
    """Equal, and of the same type: to Python 1, 1.0 and true are equal."""
    if type(mine) is not type(theirs):
        return False
    if isinstance(mine, dict):
        return mine.keys() == theirs.keys() and all(
            _is_same(value, theirs[name]) for name, value in mine.items()
        )
    if isinstance(mine, list):
        return len(mine) == len(theirs) and all(map(_is_same, mine, theirs))
    return bool(mine == theirs)


def differing_conditions(first: About, second: About) -> Iterator[str]:
    """What the two runs did not have in common, for people, the weightiest first."""
    yield from _sources(first, second)
    for part, what in (
        ("asked", "asked"),
        ("settings", "setting"),
        ("environment", "version or machine"),
    ):
        for name in differing_fields(_told(first[part]), _told(second[part])):
            mine, theirs = _part(first[part], name), _part(second[part], name)
            yield f"{what}: {name}: {_short(mine)} then, {_short(theirs)} now"
    for about, which in ((first, "first"), (second, "second")):
        if any("environment" in run for run in about["runs"]):
            yield f"the {which} result was gone on with under other versions than it was begun with"


def _told(part: dict[str, Any]) -> dict[str, Any]:
    """Without what two honest runs need not have in common: where the medium was mounted."""
    if "roots" not in part:
        return part
    return part | {"roots": [_without_place(root) for root in part["roots"]]}


def _without_place(root: dict[str, Any]) -> dict[str, Any]:
    options = ((root.get("mount") or {}).get("options") or "").split(",")
    return {
        "path": root.get("path"),
        "path_b64": root.get("path_b64"),
        "mounted": "read-only" if "ro" in options else "writable",
    }


def _sources(first: About, second: About) -> Iterator[str]:
    mine, theirs = first["matched_against"], second["matched_against"]
    if mine["fingerprint"] != theirs["fingerprint"]:
        yield (
            "the lists or hash files are not the same:"
            f" {mine['entries']:,} entries then, {theirs['entries']:,} now"
        )
    for name, digest in _files(mine["files"]).items():
        now = _files(theirs["files"]).get(name)
        if now != digest:
            yield f"hash file {name}: SHA-256 {digest} then, {now or 'not given'} now"
    yield from _lists(mine.get("facts") or (), theirs.get("facts") or (), but=_files(mine["files"]))
    if sorted(_files(first["left_out"]).values()) != sorted(_files(second["left_out"]).values()):
        yield "what is already graded and left out is not the same (--skip-known)"


def _lists(mine: Sequence[Any], theirs: Sequence[Any], *, but: Container[str]) -> Iterator[str]:
    """Lists of the database that are not what they were; hash files are told by their digests."""
    then, now = _by_name(mine), _by_name(theirs)
    for name in [*then, *(name for name in now if name not in then)]:
        if name not in but and then.get(name) != now.get(name):
            yield f"list {name}: {_state(then.get(name))} then, {_state(now.get(name))} now"


def _by_name(facts: Sequence[Any]) -> dict[str, tuple[Any, ...]]:
    told = [one for one in facts if isinstance(one, dict)]
    return {str(one.get("name")): (one.get("digest"), one.get("entries")) for one in told}


def _state(told: tuple[Any, ...] | None) -> str:
    if told is None:
        return "not used"
    digest, entries = told
    return f"{entries} entries (digest {str(digest)[:16]}…)"


def _files(files: list[dict[str, Any]]) -> dict[str, str]:
    return {file["path"].rpartition("/")[2]: file["sha256"] for file in files}


def _part(about: dict[str, Any], name: str) -> Any:
    found: Any = _told(about)
    for step in name.split("."):
        found = found.get(step) if isinstance(found, dict) else None
    return found


def _short(value: Any) -> str:
    if value is None:
        return "not there"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:79] + "…"
