"""What a container holds, counted: so that whoever looks at files alone misses nothing in them."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from safelight.matching.rules import fully_checked
from safelight.model import ItemAnswer, Member, Skipped, Verdict


@dataclass(slots=True)
class _Counts:
    """Items in a container, at any depth, by verdict; `partly` were checked only in part."""

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    partly: int = 0

    def add(self, item: ItemAnswer) -> None:
        """Count an item that lies in it."""
        self.verdicts[item.answer.verdict] += 1
        examined = item.answer.examined
        whole = fully_checked(item.answer) or isinstance(examined, Skipped)
        self.partly += not whole and item.answer.verdict is not Verdict.UNREADABLE

    def absorb(self, other: "_Counts") -> None:
        """Count what lies in a container that lies in it."""
        self.verdicts += other.verdicts
        self.partly += other.partly

    def to_json(self) -> dict[str, Any]:
        """The field `inside` of a row."""
        told = {verdict.value: self.verdicts[verdict] for verdict in Verdict}
        return {**told, "partly_checked": self.partly}


def with_inside(items: Iterable[ItemAnswer]) -> Iterator[ItemAnswer]:
    """The items of one file; each that others lie in has the counts of them in `inside`.

    Members come before their container: memory is that of one path, whatever the file holds.
    """
    counts: dict[tuple[Member, ...], _Counts] = {}
    for item in items:
        inside = counts.pop(item.members, None)
        if item.members:
            around = counts.setdefault(item.members[:-1], _Counts())
            around.add(item)
            if inside is not None:
                around.absorb(inside)
        yield item if inside is None else replace(item, inside=inside.to_json())


def all_checked(inside: dict[str, Any] | None) -> bool:
    """Tell whether every item in a container was checked in full; also where there is none."""
    return inside is None or not (inside[Verdict.UNREADABLE] or inside["partly_checked"])
