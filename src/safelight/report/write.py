"""Writing a report: the form asked for, into a file that is whole or not there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO

from safelight.bulk.about import About
from safelight.connectors.vics_out import Version
from safelight.files import NEW_FILE, PRIVATE, disk_errors, sync_folder
from safelight.report.gather import DEFAULT_MOST, gather
from safelight.report.html import html_report
from safelight.report.summary import json_report
from safelight.report.table import csv_report
from safelight.report.vics import Mapping, vics_report
from safelight.report.withheld import withheld


class Form(StrEnum):
    """What a report is written as."""

    HTML = "html"
    PDF = "pdf"
    CSV = "csv"
    JSON = "json"
    VICS = "vics"

    @property
    def is_for_programs(self) -> bool:
        """Made to be read into other programs, so that no class is in it that must stay here."""
        return self in (Form.CSV, Form.JSON, Form.VICS)


def write_report(
    result: Path,
    about: About,
    out: Path,
    form: Form,
    *,
    most: int = DEFAULT_MOST,
    version: Version = Version.V2_0,
    mapping: Mapping | None = None,
) -> None:
    """Write the report of a results file; BadPath where `out` exists, CorruptFile for bad rows."""
    with new_file(out) as file:
        if form is Form.PDF:
            from safelight.report.pdf import pdf_report  # noqa: PLC0415 - slow to load

            pdf_report(gather(result, about, most=most), file)
            return
        if form is Form.HTML:
            pieces = html_report(gather(result, about, most=most))
        elif form is Form.JSON:
            pieces = json_report(gather(result, about, most=0), result)
        elif form is Form.CSV:
            pieces = csv_report(result, withheld=withheld(about))
        else:
            pieces = vics_report(result, about, version, mapping or {})
        for piece in pieces:
            file.write(piece.encode("utf-8", "backslashreplace"))


@contextmanager
def new_file(path: Path) -> Iterator[BinaryIO]:
    """A 0600 file that is there under its name only when the block has ended well."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    with disk_errors(path):
        fd = os.open(temporary, NEW_FILE, PRIVATE)
        try:
            with os.fdopen(fd, "wb") as file:
                yield file
                file.flush()
                os.fsync(fd)
            path.hardlink_to(temporary)  # which refuses a name that is taken
        finally:
            temporary.unlink()
        sync_folder(path.parent)
