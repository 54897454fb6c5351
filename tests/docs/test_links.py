"""Links between pages lead somewhere."""

import re
from pathlib import Path

import pytest
from pages import DOCS, ROOT, pages

LINK = re.compile(r"(?<!\!)\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)


@pytest.mark.parametrize("page", pages(), ids=str)
def test_relative_links_lead_to_a_file_and_a_heading_of_it(page: Path):
    text = (ROOT / page).read_text("utf-8")
    broken = [link for link in LINK.findall(text) if not resolves(ROOT / page, link)]
    assert broken == []


def resolves(page: Path, link: str) -> bool:
    if link.startswith(("https://", "mailto:")):
        return True
    path, _, anchor = link.partition("#")
    target = (page.parent / path) if path else page
    if not target.exists():
        return False
    return not anchor or anchor in anchors(target)


def anchors(page: Path) -> set[str]:
    """The anchors that GitHub and MyST make from a page's headings."""
    headings = HEADING.findall(page.read_text("utf-8"))
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in headings}


def test_every_page_of_docs_is_in_a_table_of_contents():
    index = (DOCS / "index.md").read_text("utf-8")
    listed = set(re.findall(r"^[a-z\-/]+$", index, re.MULTILINE))
    names = {
        str(page.relative_to("docs").with_suffix("")) for page in pages() if len(page.parts) > 1
    }
    assert listed == names - {"index"}
