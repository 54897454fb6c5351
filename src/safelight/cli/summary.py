"""What a scan tells a person: the files found, the files not checked, and what to do now."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from safelight.bulk.rows import Tally, is_skipped, is_unchecked, path_of
from safelight.cli.output import count_of, print_table, say
from safelight.files import show_path
from safelight.model import Verdict
from safelight.report.words import CALLED

# Tables longer than this help nobody; the rows are all in the results file.
FOUND_SHOWN = 200
UNCHECKED_SHOWN_PER_CODE = 4
DULL = ("unknown_format", "not_a_picture")  # shown last
REASONS_SHOWN = 2

DEFAULT_CONTACT = (
    "the person your organisation has named for this; if there is none, your national police or"
    " hotline (inhope.org lists the hotlines)"
)


@dataclass(slots=True)
class _Rows:
    """The first `most` of some rows, and how many there were."""

    title: str
    most: int
    first: list[dict[str, Any]] = field(default_factory=list)
    total: int = 0

    def add(self, row: dict[str, Any]) -> None:
        self.total += 1
        if len(self.first) < self.most:
            self.first.append(row)


class FoundTable:
    """Keeps the rows a person must see, up to a bound, while a scan runs."""

    def __init__(self) -> None:
        self._found = _Rows("Found", FOUND_SHOWN)
        self._unchecked: dict[str, _Rows] = {}  # by code

    def add(self, row: dict[str, Any]) -> None:
        """Keep the row if a person must see it and there is room."""
        if is_skipped(row):
            return
        if row["matches"]:
            self._found.add(row)
        elif is_unchecked(row):
            code = row.get("code", "")
            self._unchecked.setdefault(code, _Rows("", UNCHECKED_SHOWN_PER_CODE)).add(row)

    def print(self) -> None:
        """Print both tables, and how many more there are."""
        _print_rows(self._found)
        unchecked = _Rows("Not checked, or only in part", UNCHECKED_SHOWN_PER_CODE)
        for code in sorted(self._unchecked, key=lambda code: (code in DULL, code)):
            unchecked.first += self._unchecked[code].first
            unchecked.total += self._unchecked[code].total
        _print_rows(unchecked)


def print_summary(tally: Tally, seconds: float, entries: int, result: str | None) -> None:
    """Say on stderr what the scan came to."""
    say()
    inside = f", with {count_of(tally.members, 'item')} inside," if tally.members else ""
    say(
        f"{count_of(tally.files, 'file')}{inside} against {count_of(entries, 'hash', 'hashes')}"
        f" in {seconds:,.1f} s:"
    )
    for verdict in Verdict:
        if tally.verdicts[verdict]:
            say(f"  {tally.verdicts[verdict]:>9,}  {_MEANING[verdict]}")
    if tally.unchecked:
        say(f"  {tally.unchecked:>9,}  not examined as pictures or videos, or only in part:")
    for code, number in tally.not_checked.most_common():
        say(f"  {'':>9}    {number:,} × {code}")
    if tally.partly_checked:
        why = ", ".join(f"{number:,} {flag}" for flag, number in tally.in_part.most_common())
        say(f"  {'':>9}    {tally.partly_checked:,} × in part ({why})")
    if tally.observed:
        verb = "matches" if tally.observed == 1 else "match"
        say(
            f"{count_of(tally.observed, 'item')} {verb} lists in observe mode; they change no"
            " verdict."
        )
    if tally.suppressed:
        say(
            f"{count_of(tally.suppressed, 'item')} with near matches that a list to ignore"
            " explains; they do not count (suppressed, in the rows)."
        )
    if result:
        say(f"Rows: {result}")


def print_what_now(contact: str | None) -> None:
    """Say on stderr what to do after a find, and what not."""
    say()
    say("What to do now")
    say(
        "  Do not open, copy, send or delete these files: it may be an offence or destroy evidence."
    )
    say("  Leave the machine and the medium as they are, and note when and how they came to you.")
    say(f"  Call {contact or DEFAULT_CONTACT}.")
    say("  A match is a reason to look, by people who may; it is not yet a finding of fact.")


_MEANING = {
    Verdict.KNOWN: "known: on a list, byte for byte or with an equal PDQ hash",
    Verdict.SIMILAR: "similar: near an entry of a list",
    Verdict.NO_MATCH: "no match: nothing near on these lists; this does not mean harmless",
    Verdict.UNREADABLE: "not checked: could not be examined",
    Verdict.SKIPPED: "left out: already graded (--skip-known), not looked at again",
}


def _print_rows(rows: _Rows) -> None:
    if not rows.total:
        return
    print_table(
        f"{rows.title}: {rows.total:,}",
        ("verdict", "file", "why"),
        [(_word(row), place_of(row), few(row["reasons"])) for row in rows.first],
    )
    if rows.total > len(rows.first):
        say(f"… and {rows.total - len(rows.first):,} more; all rows are in the results file.")


def place_of(row: dict[str, Any]) -> str:
    """Where the item of a row is, for people: the path, and the way on to what is inside."""
    inside = (show_path(step["name"]) for step in row.get("derivation", ()))
    return " → ".join([show_path(path_of(row)), *inside])


def few(reasons: Sequence[str]) -> str:
    """The first reasons for people, who need not see every list a famous picture is on."""
    more = len(reasons) - REASONS_SHOWN
    return "\n".join(reasons[:REASONS_SHOWN]) + (f"\n… and {more} more" if more > 0 else "")


def verdict_word(verdict: Verdict, *, whole: bool) -> str:
    """The verdict in people's words; no match in a part of a picture is not a plain no match."""
    if verdict is Verdict.NO_MATCH and not whole:
        return "checked in part"
    return CALLED[verdict]


def _word(row: dict[str, Any]) -> str:
    return verdict_word(Verdict(row["verdict"]), whole=row["fully_checked"])
