"""Rows of a manifest that are about members of one file."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from safelight.bulk.dataset.samples import key_of
from safelight.bulk.dataset.shards import Wanted
from safelight.bulk.walk import not_checked
from safelight.connectors.facts import owned
from safelight.errors import BadInput
from safelight.files import show_path
from safelight.matching.rules import MatchPolicy, judge
from safelight.model import ItemAnswer, Member

MOST_MEMBERS = 100_000  # of one file that a manifest names; they are in memory

Facts = Mapping[str, str]


def gathered(files: Iterable[Wanted]) -> Iterator[Wanted]:
    """Put rows that stand together, about different members of one file, into one.

    Raises BadInput where they are too many.
    """
    held: Wanted | None = None
    members: dict[bytes, Facts] = {}
    for file in files:
        if held is not None and _goes_with(file, held, members):
            members |= file.members or {}
            if len(members) > MOST_MEMBERS:
                raise BadInput(
                    f"the manifest names more than {MOST_MEMBERS:,} members of"
                    f" {show_path(file.path)}: make smaller shards."
                )
            continue
        if held is not None:
            yield held if held.members is None else replace(held, members=members)
        held, members = file, dict(file.members or {})
    if held is not None:
        yield held if held.members is None else replace(held, members=members)


def _goes_with(file: Wanted, held: Wanted, members: Mapping[bytes, Facts]) -> bool:
    """Whether the row is about the same file, and a member that no row was about."""
    if file.members is None or held.members is None or file.path != held.path:
        return False
    return not any(name in members for name in file.members)


def with_rows(
    items: Iterable[ItemAnswer], rows: Mapping[bytes, Facts], policy: MatchPolicy
) -> Iterator[ItemAnswer]:
    """Yield the items with the facts of their rows, and before the last those that are missing."""
    met: set[bytes] = set()
    for item in items:
        if not item.members:
            yield from _missing(rows, met, policy)
            yield item
            continue
        name = item.members[-1].name
        row = name if name in rows else key_of(name)
        met.add(row)
        facts = owned(rows.get(row, {}), item.facts or {})
        yield replace(item, facts=facts or None)


def _missing(
    rows: Mapping[bytes, Facts], met: set[bytes], policy: MatchPolicy
) -> Iterator[ItemAnswer]:
    answer = judge(not_checked("not_there"), [], policy)
    for name, facts in rows.items():
        if name not in met:
            members = (Member(name=name, kind="archive_member"),)
            yield ItemAnswer(members=members, answer=answer, facts=facts)
