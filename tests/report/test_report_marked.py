"""What a report tells of matches that flood, and of those that a list to ignore explains."""

import csv
import io
from pathlib import Path

from results import about, match, row, write

from safelight.report.findings import finding_table
from safelight.report.gather import gather
from safelight.report.table import csv_report

MARKED = row(b"/m/a.png", "similar", match(flood=True), match(entry=8))
EXPLAINED = row(b"/m/b.png", suppressed=[match()])


def test_a_flood_is_told_at_its_match(tmp_path: Path) -> None:
    (cells,) = finding_table([MARKED]).rows
    assert [line for line in cells[3].lines if "flood" in line] == [
        "floods: suddenly matches far more than before"
    ]
    read = csv.DictReader(io.StringIO("".join(csv_report(write(tmp_path, MARKED)))))
    assert [(line["entry"], line["flood"]) for line in read] == [("7", "yes"), ("8", "")]


def test_what_is_explained_is_counted(tmp_path: Path) -> None:
    gathered = gather(write(tmp_path, MARKED, EXPLAINED), about())
    assert gathered.tally.suppressed == 1
