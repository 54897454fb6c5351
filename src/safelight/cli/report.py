"""`safelight report`: a report of a scan from its results file, to print or for other programs."""

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from safelight.bulk.about import read_about, sha256_of
from safelight.bulk.rows import path_fields, path_of
from safelight.bulk.state import refuse_inside
from safelight.cli.output import Output, OutputOption, emit, say
from safelight.connectors.vics_out import Version
from safelight.errors import BadInput, CorruptFile
from safelight.files import show_path
from safelight.report.gather import DEFAULT_MOST
from safelight.report.show import plain
from safelight.report.vics import read_mapping
from safelight.report.withheld import notes, withheld
from safelight.report.write import Form, write_report

EPILOG = """\b
Examples:
  safelight report a.jsonl --format html --out a.html
  safelight report a.jsonl --format pdf --out a.pdf
  safelight report a.jsonl --format vics --categories categories.json --out a-vics.json
  safelight report a.jsonl --format json --out a.json --output json

The report is made from the rows and the file .about.json beside them. The medium is not touched,
and no picture is in any form. The same two files give the same report, byte for byte.

With --output json the file written is told on one line: its path, format, bytes and SHA-256.

A file of categories says, for each list, what number stands for a class of its source:
{"hotline": {"A1": 1, "A2": 1}}. Without it no category is written; the class goes into Tags."""


def command(
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="A results file of a scan.")],
    out: Annotated[
        Path, typer.Option("--out", metavar="FILE", help="Where to write; must not exist.")
    ],
    form: Annotated[
        Form, typer.Option("--format", help="html, pdf to print; csv, json, vics for programs.")
    ] = Form.HTML,
    most: Annotated[
        int,
        typer.Option(
            "--most",
            metavar="N",
            min=1,
            help="Rows of each table in HTML and PDF.",
        ),
    ] = DEFAULT_MOST,
    vics_version: Annotated[
        Version, typer.Option("--vics-version", help="Of the VICS data model.")
    ] = Version.V2_0,
    categories: Annotated[
        Path | None,
        typer.Option(
            "--categories", metavar="FILE", help="VICS: categories by list and class, as JSON."
        ),
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Write a report of a scan: what was found, what was not checked, how, and with what limits."""
    about = read_about(result)
    if sha256_of(result) != about["results"].get("sha256"):
        raise CorruptFile(
            f"{show_path(result)} is not what stands about it: its SHA-256 is another. It was"
            " changed, or its scan is running or was killed (safelight scan --resume)."
        )
    if categories is not None and form is not Form.VICS:
        raise BadInput("--categories goes with --format vics.")
    refuse_inside([path_of(root) for root in about["asked"]["roots"]], out, "the report")
    mapping = read_mapping(categories) if categories else None
    write_report(result, about, out, form, most=most, version=vics_version, mapping=mapping)
    for note in notes(withheld(about)) if form.is_for_programs else ():
        say(f"warning: {plain(note)}")
    if about["complete"] is not True:
        say("warning: the scan is not complete; the report says so.")
    say(f"Report: {show_path(out)}")
    if output is Output.JSON:
        emit(_row(out, form))


def _row(out: Path, form: Form) -> dict[str, Any]:
    """The file that was written, for programs."""
    return {
        **path_fields(os.fsencode(out)),
        "format": form.value,
        "bytes": out.stat().st_size,
        "sha256": sha256_of(out),
    }
