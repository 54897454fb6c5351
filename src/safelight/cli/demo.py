"""`safelight demo`: everything once, on ordinary pictures made for it."""

import shutil
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from safelight.app import open_app
from safelight.bulk.scan import ScanResult, examine_all, scan_all
from safelight.bulk.walk import walk
from safelight.cli.output import print_table, say
from safelight.cli.summary import few, verdict_word
from safelight.cli.work import examiner_for, private_home
from safelight.clock import utc_now
from safelight.demo import make_demo
from safelight.errors import ListNotFound
from safelight.examine import Examiner
from safelight.files import show_path
from safelight.matching.load import Sources, load_lists
from safelight.matching.rules import AS_LISTED, fully_checked
from safelight.matching.step import Matcher
from safelight.model import (
    Algorithm,
    Depth,
    HashRow,
    ImageHashes,
)
from safelight.settings import Settings, load_settings
from safelight.store import imports, lists

DEMO = "demo"  # an organisation of its own: nothing of the demo mixes with real lists

EPILOG = """\b
Examples:
  safelight demo

The pictures lie in the folder demo of SAFELIGHT_HOME, and the hash list in an organisation called
demo. Nothing else is touched."""

_LESSON = """
What this shows
  known        the file, or its picture, is on the hash list
  similar      the picture is near one on the list: smaller, mirrored, turned, grey, captioned…
  no match     nothing near on this list; it does not mean harmless
  not checked  could not be examined, and why; never to be taken for "nothing found"
  checked in part  the file is cut off or damaged: only what could be decoded was compared

Go on with your own folder and hashes
  safelight scan FOLDER --hashes FILE      lines, CSV or JSON Lines of PDQ, MD5, SHA-1, SHA-256
  safelight list create NAME --source WHO  or keep hashes in lists; then: safelight list import
  safelight --help
The command is {command}. The demo's list is in an organisation of its own, called demo."""


def command() -> None:
    """Make a folder of ordinary pictures and a hash list, scan, and explain what is printed."""
    settings = replace(load_settings(), organisation=DEMO)
    private_home(settings)
    say("Making ordinary pictures: computed landscapes, changed copies, strangers, broken files.")
    folders = make_demo(settings.home / DEMO)
    policy = AS_LISTED
    with examiner_for(settings, jobs=0) as (examiner, jobs):
        matcher = _demo_list(settings, folders.originals, examiner, jobs)
        say(f"Hash list “{DEMO}”: {len(matcher)} hashes of the originals.")
        say(f"Scanning {folders.collection}")
        say()
        files = walk([bytes(folders.collection)])
        results = list(scan_all(files, examiner, matcher, policy, Depth(), jobs=jobs))
    print_table("", ("file", "verdict", "why"), [_row(result) for result in results])
    say(_LESSON.format(command=shutil.which("safelight") or sys.argv[0]))


def _demo_list(settings: Settings, originals: Path, examiner: Examiner, jobs: int) -> Matcher:
    """Make the list anew from the originals and load it."""
    rows = []
    files = walk([bytes(originals)])
    found = examine_all(files, examiner, Depth(), jobs=jobs)
    for number, (_path, item) in enumerate(found, start=1):
        examined = item.examined
        if not isinstance(examined, ImageHashes):
            continue
        for algorithm in (Algorithm.PDQ, Algorithm.SHA256):
            value = bytes.fromhex(getattr(examined, algorithm.value))
            quality = examined.pdq_quality if algorithm is Algorithm.PDQ else None
            rows.append(HashRow(line=number, algorithm=algorithm, value=value, quality=quality))
    with open_app(settings, progress=say) as opened, opened.transaction() as tx:
        with suppress(ListNotFound):
            lists.delete(tx, lists.get(tx, DEMO))
        made = lists.create(tx, lists.NewList(name=DEMO, source="made by safelight demo"))
        imports.import_entries(tx, made, rows)
        return load_lists(tx, Sources(lists=(DEMO,)), now=utc_now()).matcher


def _row(result: ScanResult) -> tuple[str, str, str]:
    name = show_path(result.raw_path.rpartition(b"/")[2])
    reasons = [reason.partition(": ")[2] for reason in result.answer.reasons]
    return (
        name,
        verdict_word(result.answer.verdict, whole=fully_checked(result.answer)),
        few(reasons),
    )
