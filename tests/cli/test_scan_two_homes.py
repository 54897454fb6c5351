"""The second examiner on another installation: its database numbers entries in its own way."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from program import safelight as run

from safelight.demo import landscape


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("laboratory")


@pytest.fixture(scope="module")
def empty_homes() -> Iterator[tuple[Path, Path]]:
    # Not pytest's tmp_path: as root that lies in a folder the server's account cannot pass.
    first, second = (Path(tempfile.mkdtemp(prefix="safelight-test-", dir="/tmp")) for _ in range(2))
    yield first, second
    shutil.rmtree(first)
    shutil.rmtree(second)


@pytest.fixture(scope="module")
def tree(folder: Path) -> Path:
    tree = folder / "tree"
    tree.mkdir()
    picture = landscape(0)
    picture.save(tree / "a.png")
    picture.resize((480, 320), Image.Resampling.LANCZOS).save(tree / "b.jpg", quality=70)
    return tree


@pytest.fixture(scope="module")
def listed(folder: Path, tree: Path) -> Path:
    """A picture by its hash and bytes, and two entries that are equally near to it."""
    row = json.loads(run(folder / "a", "hash", tree / "a.png", "-o", "json").stdout)
    pdq = bytes.fromhex(row["pdq"])
    near = [bytes([pdq[0] ^ bit]) + pdq[1:] for bit in (1, 2)]
    file = folder / "known.csv"
    lines = ["pdq,quality,sha256,class", f"{row['pdq']},90,{row['sha256']},A1"]
    lines += [f"{one.hex()},90,,B2" for one in near]
    file.write_text("\n".join(lines) + "\n")
    return file


@pytest.fixture(scope="module")
def homes(empty_homes: tuple[Path, Path], folder: Path, listed: Path) -> tuple[Path, Path]:
    """Two installations with the same list; the first has another one, which was there before."""
    first, second = empty_homes
    other = folder / "other.csv"
    other.write_text("md5\n" + "".join(f"{number:032x}\n" for number in range(50)))
    for home, name, file in ((first, "other", other), (first, "lab", listed)):
        _import(home, name, file)
    lines = listed.read_text().splitlines()
    turned = folder / "turned.csv"
    turned.write_text("\n".join([lines[0], *reversed(lines[1:])]) + "\n")
    _import(second, "lab", turned)
    return first, second


def _import(home: Path, name: str, file: Path) -> None:
    run(home, "list", "create", name, "--source", "Source", "--purpose", "match")
    run(home, "list", "import", name, file)


def test_a_scan_against_the_same_list_of_another_database_is_repeated(
    homes: tuple[Path, Path], tree: Path, folder: Path
) -> None:
    result = folder / "a.jsonl"
    run(homes[0], "scan", tree, "--list", "lab", "--result", result, code=1)
    ran = run(homes[1], "scan", "--verify", result, "--result", folder / "b.jsonl")
    assert "Identical: 2 rows" in ran.stderr
    assert "In 2 of them the numbers of entries differ" in ran.stderr
    assert "the same list by its digest: lab" in ran.stderr
    ran = run(homes[1], "scan", "--verify", result, "-o", "json")
    told = json.loads(ran.stdout.splitlines()[-1])
    assert (told["identical"], told["differing"], told["renumbered"]) == (2, 0, 2)
    # and on the installation that made it, byte for byte
    assert "byte for byte" in run(homes[0], "scan", "--verify", result).stderr


def test_a_list_that_is_not_the_same_is_not_taken_for_it(
    homes: tuple[Path, Path], tree: Path, folder: Path
) -> None:
    more = folder / "more.csv"
    more.write_text("md5\n" + "ef" * 16 + "\n")
    run(homes[1], "list", "import", "lab", more)
    ran = run(homes[1], "scan", "--verify", folder / "a.jsonl", code=1)
    assert "list lab: 4 entries" in ran.stderr
    assert "2 differ" in ran.stderr
