"""A report as one HTML page: no script, nothing from elsewhere, to be read and to be printed."""

from collections.abc import Iterator, Sequence
from html import escape

from safelight.report.blocks import Block, Cell, Heading, Points, Signatures, Table, Text
from safelight.report.contents import contents, title_of
from safelight.report.gather import Gathered

# default-src 'none': whatever a name in a scanned folder may hold, this page loads nothing.
_HEAD = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>
:root {{ color-scheme: light; --ink: #1a1d21; --soft: #565d66; --line: #d5d9de; --back: #f6f7f9 }}
* {{ box-sizing: border-box }}
body {{ margin: 0 auto; max-width: 62rem; padding: 2.5rem 1.5rem 4rem; color: var(--ink);
  background: #fff; font: 15px/1.5 system-ui, "Segoe UI", "Noto Sans", sans-serif }}
h1 {{ font-size: 1.7rem; line-height: 1.2; margin: 0 0 1.2rem; overflow-wrap: anywhere }}
h2 {{ font-size: 1.1rem; margin: 2.2rem 0 .5rem; border-bottom: 2px solid var(--ink);
  padding-bottom: .2rem; break-after: avoid }}
p {{ margin: .6rem 0; max-width: 46rem }}
ul {{ margin: .6rem 0; padding-left: 1.2rem; max-width: 46rem }}
li {{ margin: .3rem 0 }}
.alert {{ border-left: 4px solid #b3261e; background: #fbeeed; padding: .5rem .8rem }}
table {{ border-collapse: collapse; width: 100%; table-layout: fixed; margin: .7rem 0 }}
th, td {{ text-align: left; vertical-align: top; padding: .35rem .5rem .35rem .3rem;
  border-bottom: 1px solid var(--line); overflow-wrap: anywhere;
  font-variant-numeric: tabular-nums }}
thead {{ display: table-header-group }}
thead th {{ font-weight: 600; background: var(--back) }}
tbody th {{ font-weight: 400; color: var(--soft) }}
tr {{ break-inside: avoid }}
small {{ display: block; color: var(--soft); font-size: .8rem; line-height: 1.4 }}
bdi {{ unicode-bidi: isolate }}
.exact {{ font-family: ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
  font-size: .84rem }}
.exact small {{ font-size: .74rem }}
.sign {{ display: flex; gap: 3rem; margin-top: 3.5rem; break-inside: avoid }}
.sign div {{ flex: 1; border-top: 1px solid var(--ink); padding-top: .3rem }}
@page {{ size: A4; margin: 18mm 15mm 20mm;
  @bottom-right {{ content: counter(page) " / " counter(pages); font: 8pt sans-serif }}
  @bottom-left {{ content: "{footer}"; font: 8pt sans-serif }} }}
@media print {{ body {{ max-width: none; padding: 0; font-size: 9.5pt }}
  .exact {{ font-size: 8.5pt }} }}
</style>
<h1>{title}</h1>
"""


def html_report(gathered: Gathered) -> Iterator[str]:
    """The page, in pieces."""
    title = title_of(gathered.about)
    digest = str(gathered.about["results"].get("sha256"))[:16]
    footer = f"{_css(title)} · results {_css(digest)}…"
    yield _HEAD.format(title=escape(title), footer=footer)
    for block in contents(gathered):
        yield from _drawn(block)
    yield "</html>\n"


def _css(text: str) -> str:
    """Text for a string of a style sheet: letters, figures and little else."""
    return "".join(char if char.isalnum() or char in " .-_/:" else "·" for char in text)


def _drawn(block: Block) -> Iterator[str]:
    if isinstance(block, Heading):
        yield f"<h2>{escape(block.text)}</h2>\n"
    elif isinstance(block, Text):
        yield f"<p{' class=alert' if block.alert else ''}>{escape(block.text)}</p>\n"
    elif isinstance(block, Points):
        items = "".join(f"<li>{escape(text)}</li>" for text in block.texts)
        yield f"<ul>{items}</ul>\n"
    elif isinstance(block, Signatures):
        lines = "".join(f"<div>{escape(name)}, date, signature</div>" for name in block.names)
        yield f'<div class="sign">{lines}</div>\n'
    else:
        yield from _table(block)


def _table(table: Table) -> Iterator[str]:
    columns = "".join(f'<col style="width:{share * 100:g}%">' for share in table.widths)
    yield f"<table><colgroup>{columns}</colgroup>\n"
    if table.columns:
        head = "".join(f"<th scope=col>{escape(name)}</th>" for name in table.columns)
        yield f"<thead><tr>{head}</tr></thead>\n"
    yield "<tbody>\n"
    for row in table.rows:
        yield f"<tr>{_cells(row, named=not table.columns)}</tr>\n"
    yield "</tbody></table>\n"


def _cells(row: Sequence[Cell], *, named: bool) -> str:
    out = []
    for number, cell in enumerate(row):
        tag = "th scope=row" if named and number == 0 else "td"
        first, *more = cell.lines or [""]
        text = f"<bdi>{escape(first)}</bdi>" + "".join(
            f"<small><bdi>{escape(line)}</bdi></small>" for line in more
        )
        exact = " class=exact" if cell.exact else ""
        out.append(f"<{tag}{exact}>{text}</{tag[:2]}>")
    return "".join(out)
