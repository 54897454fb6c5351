"""A printed report, part by part: what `gather` counted, in the sentences of `words`."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from safelight.bulk.rows import path_of
from safelight.model import DEFAULT_MIN_QUALITY, DEFAULT_RADIUS, Verdict
from safelight.report import words
from safelight.report.blocks import (
    Block,
    Cell,
    Heading,
    Points,
    Signatures,
    Table,
    Text,
    counts,
    facts,
)
from safelight.report.findings import finding_table, unchecked_table
from safelight.report.gather import DISTANCES, Gathered
from safelight.report.show import plain, visible
from safelight.settings import PREFIX

FOLDERS_SHOWN = 30
LISTS_SHOWN = 200


def title_of(about: Mapping[str, Any]) -> str:
    """The report's title."""
    exhibit = about.get("exhibit")
    return f"Scan of exhibit {plain(exhibit)}" if exhibit else "Report of a scan"


def contents(gathered: Gathered) -> Iterator[Block]:
    """Every part of the report, in order."""
    about = gathered.about
    if about.get("complete") is not True:
        yield Text(words.NOT_COMPLETE, alert=True)
    yield _exhibit(about)
    yield from _outcome(gathered)
    yield from _asked(about)
    yield from _lists(about)
    yield from _counts(gathered)
    yield from _findings(gathered)
    yield from _unchecked(gathered)
    yield from _left_out(gathered)
    yield Heading("Method")
    yield Points(words.METHOD)
    yield Heading("What this does not say")
    yield Points([*words.LIMITS, words.ACCESS_TIMES])
    yield from _versions(about)
    yield from _reproduce(about)
    yield Signatures(("Examiner", "Second examiner"))


def _exhibit(about: Mapping[str, Any]) -> Table:
    runs = [run for run in about["runs"] if isinstance(run, dict)]
    first, last = (runs[0], runs[-1]) if runs else ({}, {})
    return facts(
        [
            ("Exhibit", _told(about.get("exhibit"))),
            ("Examiner", _told(about.get("examiner"))),
            ("Authority", _told(about.get("authority"))),
            ("Began", _told(first.get("began"))),
            ("Ended", _told(last.get("ended"))),
            ("Runs", str(len(runs)) if len(runs) > 1 else ""),
            ("Clock", _clock(last.get("clock"))),
            ("Results file", _told(about["results"].get("file"))),
            ("SHA-256 of the results", _told(about["results"].get("sha256"))),
        ]
    )


def _outcome(gathered: Gathered) -> Iterator[Block]:
    tally = gathered.tally
    yield Heading("Outcome")
    yield _three_columns(
        ("verdict", "items", "meaning"),
        [
            (words.CALLED[verdict], f"{tally.verdicts[verdict]:,}", meaning)
            for verdict, meaning in words.VERDICTS.items()
            if tally.verdicts[verdict] or verdict is not Verdict.SKIPPED
        ],
    )
    inside = f" and {tally.members:,} items inside of them" if tally.members else ""
    yield Text(f"The scan covers {tally.files:,} files{inside}.")
    if tally.partly_checked:
        yield Text(f"Of the items examined {tally.partly_checked:,} could be checked only in part.")
    if tally.unchecked:
        yield Text(
            f"{tally.unchecked:,} items were not checked, or only in part. They are listed below.",
            alert=True,
        )
    if tally.suppressed:
        yield Text(
            f"{tally.suppressed:,} items have near matches that a list of files to ignore explains."
            " These do not count; which they are is in the results file only."
        )
    if gathered.observed:
        yield Text(
            f"{gathered.observed:,} items match a list in observe mode. Such lists are tried out:"
            " they have no part in any verdict, and the matches are in the results file only."
        )
    yield Text(words.FIRST)


def _three_columns(columns: Sequence[str], rows: Sequence[tuple[str, str, str]]) -> Table:
    """A word, a number, and a sentence."""
    cells = [tuple(Cell([value]) for value in row) for row in rows]
    return Table(columns, (0.22, 0.12, 0.66), cells)


def _asked(about: Mapping[str, Any]) -> Iterator[Block]:
    asked, depth = about["asked"], about["asked"].get("depth") or {}
    policy = asked.get("policy") or {}
    yield Heading("What was scanned")
    roots = asked.get("roots") or ()
    yield Table(
        ("folder or file", "file system", "mounted"),
        (0.5, 0.25, 0.25),
        [_root(root) for root in roots],
    )
    yield facts(
        [
            ("Radius", _narrowed(policy.get("radius"), DEFAULT_RADIUS, " of 256 bits")),
            (
                "Lowest PDQ quality compared",
                _narrowed(policy.get("min_quality"), DEFAULT_MIN_QUALITY),
            ),
            ("Decoding of pictures", _told(depth.get("mode"))),
            ("Frames of videos", _told(depth.get("video")).replace("_", " ")),
            ("Video matches from", _video_policy(policy)),
            *(
                (f"{PREFIX}{name.upper()}", _told(value))
                for name, value in _sorted(about["settings"])
            ),
        ]
    )
    yield Text(words.OF_ARCHIVES[bool(depth.get("archives"))])


def _root(root: Mapping[str, Any]) -> tuple[Cell, ...]:
    mount = root.get("mount") or {}
    kind = " ".join(filter(None, (_told(mount.get("type")), _told(mount.get("source")))))
    at = [f"mounted at {visible(path_of(root['at']))}"] if "at" in root else []
    return (
        Cell([visible(path_of(dict(root))), *at], exact=True),
        Cell([kind], exact=True),
        Cell([_told(mount.get("options"))], exact=True),
    )


def _lists(about: Mapping[str, Any]) -> Iterator[Block]:
    against = about["matched_against"]
    yield Heading("What it was compared with")
    yield facts(
        [
            ("Entries", f"{_number(against.get('entries')):,}"),
            ("Fingerprint of all entries", _told(against.get("fingerprint"))),
        ]
    )
    files = against.get("files") or ()
    if files:
        yield Table(("hash file", "SHA-256"), (0.4, 0.6), [_file(file) for file in files])
    told = [one for one in against.get("facts") or () if isinstance(one, dict)]
    if told:
        columns = ("list", "meaning, source, licence", "entries", "digest of its entries")
        yield Table(columns, (0.22, 0.3, 0.12, 0.36), [_list(one) for one in told])
    for warning in against.get("warnings") or ():
        yield Text(plain(warning), alert=True)


def _list(one: Mapping[str, Any]) -> tuple[Cell, ...]:
    change = [f"as of its change {one['change']}"] if one.get("change") else []
    meaning = _told(one.get("source_term")) or words.meaning(_told(one.get("meaning")))
    licence = f"licence: {_told(one.get('licence'))}"
    return (
        Cell([_told(one.get("name"))]),
        Cell([meaning, _told(one.get("source")), licence, *_near(one)]),
        Cell([f"{_number(one.get('entries')):,}"]),
        Cell([_told(one.get("digest")), *change], exact=True),
    )


def _near(one: Mapping[str, Any]) -> list[str]:
    """How near is near for a list; a hash file is compared as asked."""
    if one.get("radius") is None:
        return []
    quality = _told(one.get("min_quality"))
    return [f"compared within {_told(one['radius'])} bits, from quality {quality} on"]


def _file(file: Mapping[str, Any]) -> tuple[Cell, Cell]:
    return (
        Cell([visible(path_of(dict(file)))], exact=True),
        Cell([_told(file.get("sha256"))], exact=True),
    )


def _counts(gathered: Gathered) -> Iterator[Block]:
    if not gathered.tally.found:
        return
    yield Heading("Found, counted")
    lists = sorted({name for name, _verdict in gathered.lists})
    yield counts(
        ("list", "known", "similar"),
        [
            (plain(name), *(f"{gathered.lists[(name, one)]:,}" for one in ("known", "similar")))
            for name in lists[:LISTS_SHOWN]
        ],
    )
    yield Text("An item on several lists counts for each of them.")
    classes = sorted(gathered.classes.items(), key=lambda item: (-item[1], item[0]))
    if any(name for (_list, name), _number in classes):
        rows = [(plain(one), plain(name) or "none", f"{n:,}") for (one, name), n in classes]
        yield counts(("list", "class by its source", "items"), rows[:LISTS_SHOWN])
        yield Text(words.SCALES)
    yield counts(
        ("nearest match by", "items"),
        [(name, f"{number:,}") for name, number in _most(gathered.algorithms)],
    )
    if gathered.distances:
        yield counts(
            ("bits that differ, of 256", "items"),
            [(_span(end), f"{gathered.distances[end]:,}") for end in DISTANCES],
        )
    yield from _folders(gathered)


def _folders(gathered: Gathered) -> Iterator[Block]:
    folders = _most(gathered.folders)
    rows = [
        (Cell([visible(name)], exact=True), Cell([f"{number:,}"]))
        for name, number in folders[:FOLDERS_SHOWN]
    ]
    yield Table(("folder", "found"), (0.85, 0.15), rows)
    if len(folders) > FOLDERS_SHOWN:
        rest = folders[FOLDERS_SHOWN:]
        number = sum(count for _name, count in rest)
        yield Text(f"{number:,} more in {len(rest):,} further folders.")


def _span(end: int) -> str:
    start = max((one + 1 for one in DISTANCES if one < end), default=0)
    return f"{start} to {end}" if start < end else str(end)


def _findings(gathered: Gathered) -> Iterator[Block]:
    yield Heading("Found")
    if not gathered.tally.found:
        yield Text("Nothing on these lists was found in what was examined.")
        return
    yield Text("Known first; then similar, the nearest first.")
    yield finding_table(gathered.found)
    if gathered.found_left_away:
        yield Text(
            f"{gathered.found_left_away:,} more items were found than this table shows. All"
            f" {gathered.tally.found:,} are in the results file.",
            alert=True,
        )


def _unchecked(gathered: Gathered) -> Iterator[Block]:
    tally = gathered.tally
    yield Heading("Not checked, or only in part")
    if not tally.unchecked:
        yield _all_checked(gathered)
        return
    codes = sorted(gathered.tally.not_checked)
    rows = [(code, f"{tally.not_checked[code]:,}", words.code_meaning(code)) for code in codes]
    rows += [
        (flag, f"{number:,}", words.code_meaning(flag)) for flag, number in _most(tally.in_part)
    ]
    yield _three_columns(("code", "items", "meaning"), rows)
    yield unchecked_table(gathered.unchecked)
    if gathered.unchecked_left_away:
        yield Text(
            f"{gathered.unchecked_left_away:,} more than this table shows; all are in the results"
            " file.",
            alert=True,
        )


def _all_checked(gathered: Gathered) -> Text:
    """That nothing is to be told here, and no more than that."""
    skipped, examined = gathered.tally.skipped, gathered.tally.verdicts.total()
    complete = gathered.about.get("complete") is True
    if complete and not skipped:
        return Text("Everything was checked." if examined else "There was nothing to check.")
    text = "What was examined was checked in full."
    if skipped:
        text += f" {skipped:,} items were left out, since already graded, and not examined."
    if not complete:
        text += " The scan is not complete: what it has not come to yet was not examined."
    return Text(text, alert=True)


def _left_out(gathered: Gathered) -> Iterator[Block]:
    files = gathered.about["left_out"]
    if not files:
        return
    yield Heading("Left out, since already graded")
    yield Table(("file of what is graded", "SHA-256"), (0.4, 0.6), [_file(one) for one in files])
    rows = [
        (plain(file), plain(grade) or "not told", f"{number:,}")
        for (file, grade), number in sorted(gathered.skipped.items())
    ]
    yield counts(("graded in", "as", "items"), rows)
    yield Text(
        "These items were recognised by their digests and not decoded. They count neither as found"
        f" nor as not checked. {gathered.skipped_on_lists:,} of them are byte for byte on one"
        " of the lists above."
    )


def _versions(about: Mapping[str, Any]) -> Iterator[Block]:
    yield Heading("Versions")
    environment = about["environment"]
    plain_facts = [(n, v) for n, v in _sorted(environment) if not isinstance(v, dict)]
    nested = [pair for name in ("packages", "libraries") for pair in _sorted(environment.get(name))]
    yield facts([(name.replace("_", " "), _told(value)) for name, value in plain_facts + nested])
    if any("environment" in run for run in about["runs"]):
        yield Text(
            "The scan was gone on with under other versions than it was begun with; the file about"
            " the results names them.",
            alert=True,
        )


def _reproduce(about: Mapping[str, Any]) -> Iterator[Block]:
    yield Heading("How to reproduce this")
    yield Text(words.VERIFY)
    digest = _told(about["results"].get("sha256"))
    yield facts(
        [
            ("SHA-256 of the results", digest),
            ("Repeats the scan with SHA-256", _told(about.get("verifies"))),
        ]
    )
    if about.get("verifies") and about["verifies"] == about["results"].get("sha256"):
        yield Text("This scan repeated another, and the two results are the same byte for byte.")


def _video_policy(policy: Mapping[str, Any]) -> str:
    if "video_percent" not in policy:
        return ""
    percent, seconds = _told(policy["video_percent"]), _told(policy.get("scene_seconds"))
    return f"{percent} % of the frames, or a scene of {seconds} seconds"


def _clock(clock: Any) -> str:
    if not isinstance(clock, dict):
        return ""
    state = {True: ", in step with a time server", False: ", not known to be in step with others"}
    in_step = clock.get("synchronised")
    return _told(clock.get("source")) + (state[in_step] if isinstance(in_step, bool) else "")


def _narrowed(asked: Any, default: int, unit: str = "") -> str:
    """What was asked of every list, or that each was compared as it says."""
    if asked is None:
        return f"as each list says; {default}{unit} for a hash file"
    return f"{_told(asked)}{unit}"


def _told(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ", ".join(map(plain, value))
    return plain(value)


def _number(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _sorted(mapping: Any) -> list[tuple[str, Any]]:
    return sorted(mapping.items()) if isinstance(mapping, dict) else []


def _most(counter: Mapping[Any, int]) -> Sequence[tuple[Any, int]]:
    return sorted(counter.items(), key=lambda item: (-item[1], item[0]))
