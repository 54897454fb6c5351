"""A report as PDF: pages with numbers, heads of tables repeated, the font inside the file.

The font has Latin letters with accents and little else. What it lacks is shown as an escape, as in
`\\u5199\\u771f`; HTML shows it as it is.
"""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any, BinaryIO

import reportlab
from reportlab import rl_config
from reportlab.lib import colors
from reportlab.lib.enums import TA_LEFT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    LongTable,
    PageTemplate,
    Paragraph,
    Spacer,
    TableStyle,
)

from safelight.report.blocks import Block, Cell, Heading, Points, Signatures, Table, Text
from safelight.report.contents import contents, title_of
from safelight.report.gather import Gathered

_FONTS = {"Report": "Vera.ttf", "Report-Bold": "VeraBd.ttf"}
_INK = colors.HexColor("#1a1d21")
_SOFT = colors.HexColor("#565d66")
_LINE = colors.HexColor("#d5d9de")
_BACK = colors.HexColor("#f6f7f9")
_ALERT = colors.HexColor("#fbeeed")
_RED = colors.HexColor("#b3261e")
_MARGIN = 16 * mm
_WIDTH = A4[0] - 2 * _MARGIN
LONGEST_LINE = 600  # characters of one line of a cell: a row must fit on a page


def pdf_report(gathered: Gathered, file: BinaryIO) -> None:
    """Write the report; the same for the same rows, on every machine."""
    rl_config.invariant = 1  # no time of day and no random number in the file
    drawing = _Drawing(title_of(gathered.about), str(gathered.about["results"].get("sha256")))
    blocks = list(contents(gathered))
    flowables = [drawing.title(), *(one for block in blocks for one in drawing.drawn(block))]
    document = BaseDocTemplate(
        file,
        pagesize=A4,
        title=drawing.letters(title_of(gathered.about)),
        creator="Safelight",
        invariant=1,
        lang="en",
    )
    frame = Frame(_MARGIN, 18 * mm, _WIDTH, A4[1] - 34 * mm, 0, 0, 0, 0)
    document.addPageTemplates([PageTemplate(frames=[frame])])
    document.build(flowables, canvasmaker=drawing.canvas)


class _Drawing:
    """Draws blocks with one pair of fonts, and a line below every page."""

    def __init__(self, title: str, digest: str) -> None:
        folder = Path(reportlab.__file__).parent / "fonts"
        for name, file in _FONTS.items():
            pdfmetrics.registerFont(TTFont(name, str(folder / file)))
        pdfmetrics.registerFontFamily("Report", normal="Report", bold="Report-Bold")
        self._known = frozenset(pdfmetrics.getFont("Report").face.charToGlyph)
        self._title = title
        self._digest = digest
        self._styles = _styles()

    def letters(self, text: str) -> str:
        """The text with escapes for what the font lacks."""
        shown = "".join(char if ord(char) in self._known else _escaped(char) for char in text)
        if len(shown) > LONGEST_LINE:
            return f"{shown[:LONGEST_LINE]}\u2026 (cut here; the rows have it whole)"
        return shown

    def title(self) -> Flowable:
        return self._paragraph(self._title, "title")

    def canvas(self, *arguments: Any, **options: Any) -> Canvas:
        """A canvas that knows at the end how many pages there are."""
        digest = self._digest[:16]
        left = self.letters(f"{self._title[:90]} \u00b7 results {digest}\u2026")
        options["initialFontName"] = "Report"  # else every page names one that is not in the file
        return _NumberedCanvas(*arguments, footer=left, **options)

    def drawn(self, block: Block) -> list[Flowable]:
        if isinstance(block, Heading):
            return [self._paragraph(block.text, "heading")]
        if isinstance(block, Text):
            return [self._paragraph(block.text, "alert" if block.alert else "text")]
        if isinstance(block, Points):
            return [self._paragraph(f"\u2022 {text}", "point") for text in block.texts]
        if isinstance(block, Signatures):
            return self._signatures(block)
        return self._table(block)

    def _paragraph(self, text: str, style: str) -> Paragraph:
        return Paragraph(escape(self.letters(text)), self._styles[style])

    def _table(self, table: Table) -> list[Flowable]:
        if not table.rows:
            return []
        head = [[self._paragraph(name, "head") for name in table.columns]] if table.columns else []
        rows = [[self._cell(cell) for cell in row] for row in table.rows]
        drawn = LongTable(
            head + rows,
            colWidths=[share * _WIDTH for share in table.widths],
            repeatRows=len(head),
            splitByRow=1,
        )
        drawn.setStyle(_table_style(headed=bool(head)))
        return [drawn, Spacer(1, 2 * mm)]

    def _cell(self, cell: Cell) -> list[Flowable]:
        first, *more = cell.lines or [""]
        style = "exact" if cell.exact else "cell"
        return [
            self._paragraph(first, style),
            *(self._paragraph(line, "small") for line in more),
        ]

    def _signatures(self, block: Signatures) -> list[Flowable]:
        cells = [self._paragraph(f"{name}, date, signature", "small") for name in block.names]
        drawn = LongTable([cells], colWidths=[_WIDTH / len(cells)] * len(cells))
        above = [("LINEABOVE", (n, 0), (n, 0), 0.7, _INK) for n in range(len(cells))]
        drawn.setStyle(TableStyle([*above, ("LEFTPADDING", (0, 0), (-1, -1), 0)]))
        return [Spacer(1, 18 * mm), drawn]


class _NumberedCanvas(Canvas):  # type: ignore[misc]
    """Keeps its pages until their number is known, and writes it on each."""

    def __init__(self, *arguments: Any, footer: str, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._footer = footer
        self._pages: list[dict[str, Any]] = []

    def showPage(self) -> None:  # noqa: N802 - reportlab's name
        """Keep the page for later."""
        self._pages.append(dict(self.__dict__))
        self._startPage()

    def save(self) -> None:
        """Write every page with its line, and the file."""
        for number, page in enumerate(self._pages, start=1):
            self.__dict__.update(page)
            self.setFont("Report", 7)
            self.setFillColor(_SOFT)
            self.drawString(_MARGIN, 10 * mm, self._footer)
            self.drawRightString(A4[0] - _MARGIN, 10 * mm, f"page {number} of {len(self._pages)}")
            super().showPage()
        super().save()


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii") if ord(char) > 127 else " "


def _styles() -> dict[str, ParagraphStyle]:
    base = ParagraphStyle(
        "text",
        fontName="Report",
        fontSize=8.6,
        leading=12.4,
        textColor=_INK,
        alignment=TA_LEFT,
        spaceAfter=4,
        splitLongWords=1,
    )
    bold = {"fontName": "Report-Bold"}

    def like(name: str, **other: Any) -> ParagraphStyle:
        return ParagraphStyle(name, parent=base, **other)

    return {
        "text": base,
        "title": like("title", fontSize=15, leading=19, spaceAfter=8, **bold),
        "heading": like(
            "heading", fontSize=10.5, leading=14, spaceBefore=10, keepWithNext=1, **bold
        ),
        "point": like("point", leftIndent=9, firstLineIndent=-9),
        "alert": like("alert", backColor=_ALERT, borderPadding=4, spaceBefore=6, spaceAfter=9),
        "head": like("head", fontSize=7.6, leading=10, spaceAfter=0, **bold),
        "cell": like("cell", fontSize=7.6, leading=10, spaceAfter=0),
        "exact": like("exact", fontSize=7.4, leading=9.6, spaceAfter=0, wordWrap="CJK"),
        "small": like(
            "small", fontSize=6.4, leading=8.6, spaceAfter=0, textColor=_SOFT, wordWrap="CJK"
        ),
    }


def _table_style(*, headed: bool) -> TableStyle:
    commands: list[Sequence[Any]] = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("FONTNAME", (0, 0), (-1, -1), "Report"),
        ("LEFTPADDING", (0, 0), (-1, -1), 2),
        ("RIGHTPADDING", (0, 0), (-1, -1), 6),
        ("TOPPADDING", (0, 0), (-1, -1), 2.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, _LINE),
    ]
    if headed:
        commands.append(("BACKGROUND", (0, 0), (-1, 0), _BACK))
    return TableStyle(commands)
