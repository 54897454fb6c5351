"""Where the pages are."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def pages() -> list[Path]:
    """Every Markdown page of the repository, relative to its root."""
    found = [*ROOT.glob("*.md"), *DOCS.rglob("*.md")]
    return sorted(page.relative_to(ROOT) for page in found if "_build" not in page.parts)
