"""`safelight match`: bare hashes against hash lists."""

import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Annotated, Any

import typer

from safelight.cli.match_lines import SAID, Parts, Reasoned, answer_lines, match_row
from safelight.cli.match_notes import MatchNotes
from safelight.cli.options import (
    AlgorithmOption,
    HashesOption,
    ListOption,
    QualityOption,
    RadiusOption,
)
from safelight.cli.output import Output, OutputOption, emit, print_table, say
from safelight.cli.work import flood_guard, load_matcher
from safelight.clock import utc_now
from safelight.connectors.hash_files import parse_hash
from safelight.errors import BadInput
from safelight.matching.flood import FloodGuard
from safelight.matching.load import Sources
from safelight.matching.rules import Hit, MatchPolicy, current, ignored_reason, reason_of, weigh
from safelight.matching.step import Matcher
from safelight.model import Algorithm
from safelight.settings import Settings, load_settings

STANDARD_INPUT = "-"

EPILOG = """\b
Examples:
  safelight match f8f8f0cee0f4a84f06370a22038f63f0b36e2ed596621e1d33e6b39c4e9c9b22
  safelight match md5:0cc175b9c0f1b6a831c399e269772661 --list hotline
  safelight hash FOLDER -o json | jq -r '.pdq // empty' | safelight match - -o json
  safelight match - --follow

64 hexadecimal digits may be PDQ or SHA-256: both are looked up, unless pdq: or sha256: stands
in front.

A PDQ hash finds a picture only the way round it was hashed. The hashes of its turned and mirrored
forms come from the file, not from the hash: `safelight scan` looks for all eight.

With - the hashes are lines of standard input, each answered at once, until its end. In text there
is a line for every match, with tabs: hash, list, entry, algorithm, distance, reason, and of what
does not count what it is, such as (ignored). A line that is no hash is answered with an error, and
the others still are. Such matches are counted as those of scans are; those of hashes given as
arguments are not, and no flood is marked among them: to look something up is not to find it. With
--follow each line is matched against the lists as they are then, whoever changes them meanwhile.

Exit code: 1 when something matched, 0 when nothing did, 2 on an error, where a line was no hash,
or when it was stopped before the end of its input (Ctrl-C)."""


def command(
    hashes: Annotated[
        list[str],
        typer.Argument(
            metavar="HASH",
            help="Hexadecimal hashes; - reads them from standard input, one a line.",
            show_default=False,
        ),
    ],
    lists: ListOption = None,
    hash_files: HashesOption = None,
    algorithm: AlgorithmOption = None,
    radius: RadiusOption = None,
    min_quality: QualityOption = None,
    follow: Annotated[
        bool,
        typer.Option(
            "--follow",
            help="With -: match each line against the lists as they are then, not at the start.",
        ),
    ] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Look up hashes: PDQ within the radius, MD5, SHA-1, SHA-256 and PhotoDNA where equal.

    Without --list and --hashes, all enabled lists are used.
    """
    policy = MatchPolicy(radius=radius, min_quality=min_quality)
    sources = Sources.of(lists, hash_files, algorithm)
    if STANDARD_INPUT in hashes:
        if len(hashes) > 1:
            raise BadInput("give either hashes or -, which reads them from standard input.")
        raise typer.Exit(_match_input(load_settings(), sources, policy, output, follow=follow))
    if follow:
        raise BadInput("--follow goes with -, which reads hashes from standard input.")
    queries = [(text, parse_hash(text)) for text in hashes]
    matcher = load_matcher(load_settings(), sources, policy).matcher
    rows = [match_row(text, _parts(matcher, values, policy)) for text, values in queries]
    if output is Output.JSON:
        for row in rows:
            emit(row)
    else:
        _print(rows)
    raise typer.Exit(1 if any(row["matches"] for row in rows) else 0)


def _match_input(
    settings: Settings, sources: Sources, policy: MatchPolicy, output: Output, *, follow: bool
) -> int:
    if not follow:
        loaded = load_matcher(settings, sources, policy, with_past=True)
        guard = None if sources.hashes else flood_guard(settings, loaded)  # a file has no past
        return match_input(settings, policy, guard, lambda: loaded.matcher, output)
    if sources.hashes:
        raise BadInput("--follow goes with lists, not with --hashes: a file is read once.")
    # Here, not above: hash files need no database, so that it is not loaded for them.
    from safelight.cli.match_follow import followed  # noqa: PLC0415

    with followed(settings, sources, policy) as (matcher_now, guard):
        return match_input(settings, policy, guard, matcher_now, output)


def match_input(
    settings: Settings,
    policy: MatchPolicy,
    guard: FloodGuard | None,
    matcher_now: Callable[[], Matcher],
    output: Output,
) -> int:
    """Answer the lines of standard input; return the exit code.

    `matcher_now` is asked before each line, so that lists may change while we read.
    """

    def answer(text: str) -> tuple[dict[str, Any], frozenset[int]]:
        parts = _parts(matcher_now(), parse_hash(text), policy)
        if guard is not None:
            parts["matches"] = _marked(parts, guard)
        matched = (match.entry for name in ("matches", "observed") for match, _ in parts[name])
        return match_row(text, parts), frozenset(matched)

    return answer_lines(sys.stdin.fileno(), answer, output, MatchNotes(settings, guard))


def _parts(matcher: Matcher, values: list[tuple[Algorithm, bytes]], policy: MatchPolicy) -> Parts:
    """What one hash matches, by what it is worth: all that the text may mean together."""
    hits = [hit for one, value in values for hit in matcher.hash_hits(one, value, policy)]
    if not hits:
        return _NOTHING.copy()
    weighed = weigh(current(hits, utc_now()))
    return {
        "matches": _reasoned(weighed.counting),
        "observed": _reasoned(weighed.observed),
        "to_ignore": _reasoned(weighed.ignoring),
        "suppressed": tuple((hit.match, ignored_reason(hit, by)) for hit, by in weighed.suppressed),
    }


def _reasoned(hits: Iterable[Hit]) -> tuple[Reasoned, ...]:
    return tuple((replace(hit.match, known=hit.is_known), reason_of(hit)) for hit in hits)


def _marked(parts: Parts, guard: FloodGuard) -> tuple[Reasoned, ...]:
    """What counts, with the marks of entries that flood; counted by the guard."""
    found = [tuple(match for match, _ in parts[name]) for name in ("matches", "observed")]
    marked, floods = guard.mark(*found)
    return tuple(
        (match, f"{reason}; {floods[match.entry]}" if match.flood else reason)
        for match, (_, reason) in zip(marked, parts["matches"], strict=True)
    )


_NOTHING: Parts = dict.fromkeys(SAID, ())


def _print(rows: list[dict[str, Any]]) -> None:
    found = [
        (row["hash"], match["list"] + said, *(str(match[name]) for name in _COLUMNS))
        for row in rows
        for part, said in SAID.items()
        for match in row.get(part, ())
    ]
    if not found:
        say("No match on these lists.")
        return
    print_table("", ("hash", "list", *_COLUMNS), found)
    reasons = (one["reason"] for row in rows for part in SAID for one in row.get(part, ()))
    for reason in dict.fromkeys(reasons):
        typer.echo(reason)


_COLUMNS = ("entry", "algorithm", "distance")
