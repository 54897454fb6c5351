"""`safelight match`: bare hashes against hash lists."""

from typing import Annotated, Any

import typer

from safelight.cli.options import (
    AlgorithmOption,
    HashesOption,
    ListOption,
    QualityOption,
    RadiusOption,
)
from safelight.cli.output import Output, OutputOption, emit, print_table, say
from safelight.cli.work import load_matcher
from safelight.connectors.hash_files import parse_hash
from safelight.matching.load import Sources
from safelight.matching.rules import Hit, MatchPolicy, Standing
from safelight.settings import load_settings

EPILOG = """\b
Examples:
  safelight match f8f8f0cee0f4a84f06370a22038f63f0b36e2ed596621e1d33e6b39c4e9c9b22
  safelight match md5:0cc175b9c0f1b6a831c399e269772661 --list hotline

64 hexadecimal digits may be PDQ or SHA-256: both are looked up, unless pdq: or sha256: stands
in front.

A PDQ hash finds a picture only the way round it was hashed. The hashes of its turned and mirrored
forms come from the file, not from the hash: `safelight scan` looks for all eight.

Exit code: 1 when something matched, 0 when nothing did, 2 on an error."""


def command(
    hashes: Annotated[
        list[str], typer.Argument(metavar="HASH", help="Hexadecimal hashes.", show_default=False)
    ],
    lists: ListOption = None,
    hash_files: HashesOption = None,
    algorithm: AlgorithmOption = None,
    radius: RadiusOption = None,
    min_quality: QualityOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Look up hashes: PDQ within the radius, MD5, SHA-1 and SHA-256 where equal.

    Without --list and --hashes, all enabled lists are used.
    """
    policy = MatchPolicy(radius=radius, min_quality=min_quality)
    queries = [(text, parse_hash(text)) for text in hashes]
    sources = Sources.of(lists, hash_files, algorithm)
    matcher = load_matcher(load_settings(), sources, policy).matcher
    found = [
        (text, hit)
        for text, values in queries
        for one, value in values
        for hit in matcher.hash_hits(one, value, policy)
    ]
    if output is Output.JSON:
        for text, _ in queries:
            emit(_row(text, [hit for query, hit in found if query == text]))
    else:
        _print(found)
    raise typer.Exit(1 if any(hit.standing is Standing.COUNTS for _, hit in found) else 0)


def _row(text: str, hits: list[Hit]) -> dict[str, Any]:
    """The matches of one hash, and apart from them those that change no verdict."""
    row: dict[str, Any] = {"hash": text}
    for name, standing in _STANDINGS.items():
        matches = [hit.match.to_json() for hit in hits if hit.standing is standing]
        if matches or standing is Standing.COUNTS:
            row[name] = matches
    return row


_STANDINGS = {
    "matches": Standing.COUNTS,
    "observed": Standing.OBSERVED,
    "to_ignore": Standing.IGNORE,
}
_SAID = {Standing.COUNTS: "", Standing.OBSERVED: " (observed)", Standing.IGNORE: " (to ignore)"}


def _print(found: list[tuple[str, Hit]]) -> None:
    if not found:
        say("No match on these lists.")
        return
    rows = [
        (
            text,
            hit.match.list_name + _SAID[hit.standing],
            str(hit.match.entry),
            hit.match.algorithm.value,
            str(hit.match.distance),
        )
        for text, hit in found
    ]
    print_table("", ("hash", "list", "entry", "algorithm", "distance"), rows)
