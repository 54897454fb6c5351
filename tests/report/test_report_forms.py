"""Reports as files: complete, harmless whatever names say, and the same every time."""

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from pypdf import PdfReader
from results import about, known, match, row, similar, unchecked, write

from safelight.bulk.about import read_about
from safelight.errors import BadPath
from safelight.report.write import Form, write_report

EVIL = [
    b"/m/<script>alert(1)</script>.png",
    b'/m/" onmouseover=alert(1) x="\'.png',
    "/m/abc\u202egnp.exe".encode(),
    b"/m/]]>--><![CDATA[.png",
    b"/m/\xff\xfe\n.png",
    b"/m/=cmd|calc.csv",
    "/m/写真.png".encode(),
    b"/m/" + b"y" * 3000,
]
VIDEO = match(
    algorithm="vpdq", distance=2, time=62.0, query_percent=12.5, list_percent=100.0,
    scenes=[{"start": 62.0, "end": 71.0, "list_start": 0.0, "list_end": 9.0}],
)  # fmt: skip
STILL = match(
    algorithm="vpdq", distance=4, query_percent=100.0, list_percent=5.0, entry=8,
    scenes=[{"start": 0.0, "end": 0.0, "list_start": 75.0, "list_end": 75.0}],
)  # fmt: skip
ROWS = [
    *(known(path) for path in EVIL),
    similar(b"/m/s.png", 12, derivation=[{"kind": "archive_member", "name": "in/<b>.png"}]),
    row(b"/m/f.png", "similar", match(), STILL),
    row(b"/m/v.mp4", "similar", VIDEO, kind="video", format="mp4"),
    unchecked(b"/m/u.png", "password_protected"),
    row(b"/m/p.png", fully_checked=False, flags=["truncated"]),
    row(
        b"/m/g.png", "skipped", skipped="already_graded",
        earlier={"file": "old.jsonl", "verdict": "known"},
    ),
]  # fmt: skip
LEFT_OUT = [{"path": "/h/old.jsonl", "sha256": "d" * 64}]


def of_lists(*facts: dict) -> dict:
    told = about()["matched_against"]
    return {"matched_against": told | {"facts": list(facts)}}


CLOSED = {
    "name": "closed",
    "permitted_purposes": ["match", "export"],
    "redistribution": "forbidden",
}
SHUT = {"name": "shut", "permitted_purposes": ["match"], "redistribution": "permitted"}
OPEN = {"name": "open", "permitted_purposes": ["export"], "redistribution": "unknown"}
FILE = {"name": "file", "permitted_purposes": ["unknown"], "redistribution": "unknown"}
ALL = ("closed", "shut", "open", "file")


def of_all(path: bytes = b"/m/k.png") -> dict:
    """A row that every list has, each with a class of its own."""
    more = {"algorithm": "sha256", "distance": 0}
    matches = [match(list=name, **{"class": f"C-{name}"}, **more) for name in ALL]
    return row(path, "known", *matches, observed=[matches[0]])


def test_classes_that_may_not_be_given_away_are_in_no_report_for_programs(tmp_path: Path):
    result = write(tmp_path, of_all(), **of_lists(CLOSED, SHUT, OPEN, FILE))
    table = list(csv.DictReader(io.StringIO(made(result, Form.CSV, "c").decode())))
    assert [one["class"] for one in table] == ["", "", "C-open", "C-file"]
    told = json.loads(made(result, Form.JSON, "j"))
    (found,) = told["findings"]
    assert [one["class"] for one in found["matches"]] == ["", "", "C-open", "C-file"]
    assert [one["class"] for one in found["observed"]] == [""]
    assert [one["list"] for one in told["counts"]["classes"]] == ["file", "open"]
    assert told["left_out_classes"] == {
        "closed": "its redistribution is forbidden",
        "shut": "its permitted purposes lack export",
    }


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        # the source's own word is not touched, also where an older file has it as the meaning
        ({"meaning": "source_term", "source_term": "CAT_A"}, "CAT_A"),
        ({"meaning": "CAT_A"}, "CAT_A"),
        ({"meaning": "confirmed_by_source", "source_term": ""}, "confirmed by source"),
    ],
)
def test_the_meaning_of_a_list(tmp_path: Path, facts: dict, said: str):
    result = write(tmp_path, known(), **of_lists({"name": "one", "source": "S", **facts}))
    assert said in made(result, Form.HTML).decode()


@pytest.fixture
def result(tmp_path: Path) -> Path:
    return write(tmp_path, *ROWS, left_out=LEFT_OUT)


def made(result: Path, form: Form, name: str = "out", **more) -> bytes:
    out = result.with_name(name)
    write_report(result, read_about(result), out, form, **more)
    assert out.stat().st_mode & 0o777 == 0o600
    return out.read_bytes()


class Page(HTMLParser):
    """The text of a page, and everything it could load or run."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= {name for name, _value in attrs}
        if tag not in ("meta", "col"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.text.append(data)


def test_html_is_one_page_that_runs_and_loads_nothing(result: Path):
    page = made(result, Form.HTML).decode()
    read = Page(page)
    assert read.open == []
    assert read.tags == {
        *("html", "meta", "title", "style", "h1", "h2", "p", "ul", "li", "div", "bdi", "small"),
        *("table", "colgroup", "col", "thead", "tbody", "tr", "th", "td"),
    }
    assert read.attributes <= {
        *("lang", "charset", "http-equiv", "content", "name", "class", "style", "scope")
    }
    assert "default-src 'none'" in page
    assert "url(" not in page
    assert "@import" not in page
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", page)


def test_html_says_everything(result: Path):
    text = " ".join(Page(made(result, Form.HTML).decode()).text)
    for wanted in (
        *("Scan of exhibit 2026-117/3", "E4", "order 12", "/dev/x", "Example hotline"),
        *("/m/<script>alert(1)</script>.png", r"/m/\xff\xfe\n.png", r"abc\u202egnp.exe"),
        *("inside: in/<b>.png", "12 of 256 bits differ", "class A1", "/m/写真.png"),
        "12.5 % of this video, 100 % of the entry's",
        "1:02 to 1:11 is 0:00 to 0:09 there",
        "also hotline, entry 8",
        "4 of 256 bits from what the entry's video shows at 1:15",
        *("password_protected", "truncated", "old.jsonl", "pillow", "13.0.0"),
        *("modified 2026-01-02 03:04:05", "born 2025-12-31 23:59:59"),
        "2 items were not checked, or only in part",
        "no finding of fact",
        "No match does not mean that a file is harmless",
        "safelight scan --verify",
    ):
        assert wanted in text, wanted


def test_html_prints_with_page_numbers_and_repeated_heads(result: Path):
    page = made(result, Form.HTML).decode()
    assert "counter(page)" in page
    assert "display: table-header-group" in page


def text_of(pdf: bytes) -> str:
    return "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages)


def test_pdf_has_numbered_pages_and_escapes_for_what_its_font_lacks(result: Path):
    pdf = made(result, Form.PDF)
    reader = PdfReader(io.BytesIO(pdf))
    text = text_of(pdf)
    count = len(reader.pages)
    assert [f"page {n} of {count}" in reader.pages[n - 1].extract_text() for n in (1, count)] == [
        True,
        True,
    ]
    assert r"/m/\u5199\u771f.png" in text
    assert "Scan of exhibit 2026-117/3" in text
    assert reader.trailer["/Root"]["/Lang"] == "en"
    assert not any(key in pdf for key in (b"/JavaScript", b"/Launch", b"/EmbeddedFile"))
    assert [image for page in reader.pages for image in page.images] == []


def test_pdf_repeats_the_heads_of_tables(tmp_path: Path):
    result = write(tmp_path, *(similar(b"/m/%d.png" % n) for n in range(60)))
    reader = PdfReader(io.BytesIO(made(result, Form.PDF)))
    heads = sum("item, SHA-256" in page.extract_text() for page in reader.pages)
    assert heads >= 3


@pytest.mark.parametrize("form", list(Form))
def test_the_same_two_files_give_the_same_bytes(result: Path, form: Form):
    assert made(result, form, "one") == made(result, form, "two")


def test_tables_are_bounded_and_say_so(tmp_path: Path):
    result = write(tmp_path, *(similar(b"/m/%d.png" % n) for n in range(20)))
    text = " ".join(Page(made(result, Form.HTML, most=5).decode()).text)
    assert "15 more items were found than this table shows" in text
    assert text.count("/m/") < 10


def test_a_scan_that_has_not_ended_says_so_first(tmp_path: Path):
    result = write(tmp_path, row(), complete=False)
    text = " ".join(Page(made(result, Form.HTML).decode()).text)
    assert 0 < text.index("This scan is not complete") < text.index("Outcome")
    assert "This scan is not complete" in text_of(made(result, Form.PDF, "pdf"))


def test_without_rows_and_without_a_case_there_is_a_report(tmp_path: Path):
    result = write(tmp_path, exhibit=None, examiner=None, authority=None, runs=[])
    text = " ".join(Page(made(result, Form.HTML).decode()).text)
    assert "Report of a scan" in text
    assert "There was nothing to check." in text
    made(result, Form.PDF, "pdf")


SKIPPED = row(b"/m/g.png", "skipped", skipped="already_graded", earlier={"file": "old.jsonl"})


@pytest.mark.parametrize(
    ("rows", "complete", "all_checked", "said"),
    [
        ([row()], True, True, []),
        ([row(), SKIPPED], True, False, ["in full. 1 items were left out"]),
        ([row()], False, False, ["in full. The scan is not complete"]),
        ([SKIPPED], False, False, ["1 items were left out", "The scan is not complete: "]),
        ([row(), unchecked()], True, False, ["1 items were not checked"]),
    ],
)
def test_it_says_that_everything_was_checked_only_where_it_was(
    tmp_path: Path, rows, complete, all_checked, said
):
    result = write(tmp_path, *rows, complete=complete, left_out=LEFT_OUT)
    text = " ".join(Page(made(result, Form.HTML).decode()).text)
    assert ("Everything was checked." in text) is all_checked
    assert all(one in text for one in said)


def test_an_about_file_of_strange_values_still_gives_a_report(tmp_path: Path):
    strange = about()
    strange["matched_against"] |= {"entries": "many", "facts": [1, {"name": 5}], "files": []}
    strange["asked"] |= {"depth": {"mode": []}, "policy": {}, "roots": []}
    strange["environment"] = {"packages": "none", "tool": ["a"]}
    result = write(tmp_path, row(), **strange)
    made(result, Form.HTML)
    made(result, Form.PDF, "pdf")


def test_csv_has_a_line_for_every_match_and_no_formulas(result: Path):
    lines = list(csv.DictReader(io.StringIO(made(result, Form.CSV).decode(), newline="")))
    assert len(lines) == len(EVIL) + 4 + 2
    assert {line["verdict"] for line in lines} == {"known", "similar", "unreadable", "no_match"}
    assert not any(
        value.startswith(("=", "+", "-", "@")) for one in lines for value in one.values()
    )
    inside = next(line for line in lines if "→" in line["place"])
    assert inside["place"] == "/m/s.png → in/<b>.png"
    video = next(line for line in lines if line["place"] == "/m/v.mp4")
    assert (video["scenes"], video["time"]) == ("62-71=0-9", "62.0")
    assert lines[0]["modified"] == "2026-01-02T03:04:05.123456789Z"


def test_json_has_the_counts_and_every_found_row(result: Path):
    told = json.loads(made(result, Form.JSON))
    assert told["findings"] == [one for one in ROWS if one["verdict"] in ("known", "similar")]
    assert told["counts"]["known"] == len(EVIL)
    assert told["counts"]["left_out"] == [{"file": "old.jsonl", "grade": "known", "items": 1}]
    assert told["about"]["exhibit"] == "2026-117/3"


def test_nothing_is_overwritten_and_nothing_is_left_half_done(result: Path, tmp_path: Path):
    (tmp_path / "out").write_text("precious")
    with pytest.raises(BadPath, match="exists already"):
        made(result, Form.HTML)
    assert (tmp_path / "out").read_text() == "precious"
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
