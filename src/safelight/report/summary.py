"""A report for programs: what stands about the scan, its counts, and every finding, as JSON."""

import json
from collections.abc import Container, Iterator, Mapping
from pathlib import Path
from typing import Any

from safelight.bulk.about import sha256_of
from safelight.report.gather import Gathered, is_found, rows_of
from safelight.report.withheld import withheld, without_classes

FORM = 1


def json_report(gathered: Gathered, result: Path) -> Iterator[str]:
    """One JSON object, in pieces; a finding stands on a line of its own.

    `left_out_classes` names the lists whose classes are not in it, with the reasons.
    """
    left_out = withheld(gathered.about)
    head = {
        "report": FORM,
        "results_sha256": sha256_of(result),
        "about": gathered.about,
        "counts": _counts(gathered, left_out),
        "left_out_classes": dict(left_out),
    }
    yield json.dumps(head, ensure_ascii=False, indent=1, sort_keys=True)[:-2]
    yield ',\n "findings": ['
    comma = ""
    for row in rows_of(result):
        if is_found(row):
            told = without_classes(row, left_out)
            yield f"{comma}\n  {json.dumps(told, ensure_ascii=False, separators=(',', ':'))}"
            comma = ","
    yield "\n ]\n}\n"


def _counts(gathered: Gathered, left_out: Container[str]) -> dict[str, Any]:
    classes = {pair: n for pair, n in gathered.classes.items() if pair[0] not in left_out}
    return {
        **gathered.tally.to_json(),
        "lists": _pairs(gathered.lists, "list", "verdict"),
        "classes": _pairs(classes, "list", "class"),
        "algorithms": dict(sorted(gathered.algorithms.items())),
        "distances": {f"up to {end}": n for end, n in sorted(gathered.distances.items())},
        "left_out": _pairs(gathered.skipped, "file", "grade"),
        "left_out_on_lists": gathered.skipped_on_lists,
        "observed": gathered.observed,
    }


def _pairs(counter: Mapping[tuple[str, str], int], one: str, other: str) -> list[dict[str, Any]]:
    return [{one: pair[0], other: pair[1], "items": n} for pair, n in sorted(counter.items())]
