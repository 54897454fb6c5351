"""What a scan tells a person: the files found, the files not checked, and what to do now."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from safelight.bulk.rows import Tally, path_of
from safelight.cli.output import count_of, print_table, say
from safelight.files import show_path
from safelight.model import Verdict

# A table longer than this helps nobody; the rows are all in the results file.
SHOWN = 200
REASONS_SHOWN = 2

_WORDS = {
    Verdict.KNOWN: "known",
    Verdict.SIMILAR: "similar",
    Verdict.NO_MATCH: "no match",
    Verdict.UNREADABLE: "not checked",
}

DEFAULT_CONTACT = (
    "the person your organisation has named for this; if there is none, your national police or"
    " hotline (inhope.org lists the hotlines)"
)


@dataclass(slots=True)
class FoundTable:
    """Keeps the rows a person must see, up to a bound, while a scan runs."""

    found: list[dict[str, Any]] = field(default_factory=list)
    unchecked: list[dict[str, Any]] = field(default_factory=list)

    def add(self, row: dict[str, Any]) -> None:
        """Keep the row if a person must see it and there is room."""
        if row["matches"]:
            rows = self.found
        elif not row["fully_checked"]:
            rows = self.unchecked
        else:
            return
        if len(rows) < SHOWN:
            rows.append(row)

    def print(self, tally: Tally) -> None:
        """Print both tables, and how many more there are."""
        _print_rows("Found", self.found, tally.found)
        unchecked = tally.unchecked
        _print_rows("Not checked, or only in part", self.unchecked, unchecked)


def print_summary(tally: Tally, seconds: float, entries: int, result: str | None) -> None:
    """Say on stderr what the scan came to."""
    say()
    say(
        f"{count_of(tally.files, 'file')} against {count_of(entries, 'hash')[:-1]}es"
        f" in {seconds:,.1f} s:"
    )
    for verdict in Verdict:
        if tally.verdicts[verdict]:
            say(f"  {tally.verdicts[verdict]:>9,}  {_MEANING[verdict]}")
    for code, number in tally.not_checked.most_common():
        say(f"  {'':>9}    {number:,} × {code}")
    if tally.partly_checked:
        say(f"  {tally.partly_checked:>9,}  of these checked only in part: truncated or damaged")
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
    Verdict.UNREADABLE: "not checked:",
}


def _print_rows(title: str, rows: Sequence[dict[str, Any]], total: int) -> None:
    if not rows:
        return
    print_table(
        f"{title}: {total:,}",
        ("verdict", "file", "why"),
        [(_word(row), show_path(path_of(row)), few(row["reasons"])) for row in rows],
    )
    if total > len(rows):
        say(f"… and {total - len(rows):,} more; all rows are in the results file.")


def few(reasons: Sequence[str]) -> str:
    """The first reasons for people, who need not see every list a famous picture is on."""
    more = len(reasons) - REASONS_SHOWN
    return "\n".join(reasons[:REASONS_SHOWN]) + (f"\n… and {more} more" if more > 0 else "")


def verdict_word(verdict: Verdict, *, whole: bool) -> str:
    """The verdict in people's words; no match in a part of a picture is not a plain no match."""
    if verdict is Verdict.NO_MATCH and not whole:
        return "checked in part"
    return _WORDS[verdict]


def _word(row: dict[str, Any]) -> str:
    return verdict_word(Verdict(row["verdict"]), whole=row["fully_checked"])
