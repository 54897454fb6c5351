"""One noun per concept, and none of the words that the glossary tells us not to use."""

import ast
import re
from pathlib import Path

import pytest
from pages import DOCS, ROOT, pages

from safelight.cli import COMMANDS
from safelight.store.tables import metadata

GLOSSARY = (DOCS / "glossary.md").read_text("utf-8")
NOUNS = {noun.lower() for noun in re.findall(r"^\| \*\*(.+?)\*\* \|", GLOSSARY, re.MULTILINE)}

# The left column of the glossary's table of words, as patterns.
FORBIDDEN = re.compile(
    r"\b(child porn\w*|child sex\w*|illegal|criminal|clean|safe|passed|offenders?|predators?|"
    r"suspects?|victims?|self-generated|sextortion|blackmail\w*|fakes?|nudif\w+|ai-made|confidence|"
    r"nsfw|porn\w*|nudity|apparent minor|sex|hottest|hits?|dump\w*|dry run|anonymous|deleted)\b",
    re.IGNORECASE,
)
# Where a word stands because the sentence denies it, or quotes it.
ALLOWED = (
    "does not mean illegal",
    "that something is illegal",
    'does not mean "clean"',
    'never "clean"',
    'is never "clean"',
    "Deleted the list",  # what `list delete` did; the entries are gone for good
)


PRINTING = ("cli", "report", "validation")


def test_every_table_has_its_noun():
    missing = {
        name for name in metadata.tables if name not in GLOSSARY and name.lower() not in NOUNS
    }
    assert missing == set()


def test_every_command_has_its_noun():
    assert {name for name in COMMANDS if f"ommand `{name}`" not in GLOSSARY} <= NOUNS


def test_nouns_are_in_order_and_once():
    listed = re.findall(r"^\| \*\*(.+?)\*\* \|", GLOSSARY, re.MULTILINE)
    assert listed == sorted(set(listed), key=str.lower)


@pytest.mark.parametrize("page", [page for page in pages() if page.name != "glossary.md"], ids=str)
def test_pages_use_our_words(page: Path):
    assert forbidden_in((ROOT / page).read_text("utf-8")) == []


def test_the_glossary_uses_our_words_outside_its_table_of_them():
    head, _, table = GLOSSARY.partition("| not | but |")
    assert forbidden_in(head) == []
    assert len(forbidden_in(table)) > 15  # the words are found where they stand


@pytest.mark.parametrize(
    "path",
    sorted(path for folder in PRINTING for path in (ROOT / "src/safelight" / folder).glob("*.py")),
    ids=lambda path: f"{path.parent.name}/{path.name}",
)
def test_what_the_commands_print_uses_our_words(path: Path):
    printed = "\n".join(texts_of(ast.parse(path.read_text("utf-8"))))
    assert forbidden_in(printed) == []


def texts_of(tree: ast.Module) -> list[str]:
    """The strings of a module but docstrings, which other programmers read."""
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in docstrings
    ]


def forbidden_in(text: str) -> list[str]:
    flat = " ".join(text.split())
    for phrase in ALLOWED:
        flat = flat.replace(phrase, "")
    flat = re.sub(r"`[^`]*`", "", flat)  # code quotes itself
    return [match.group() for match in FORBIDDEN.finditer(flat)]
