"""`safelight list`: how near lists match, what is only observed, who answers until when, alarms."""

import json
import shutil
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from program import json_rows as _json
from program import safelight as _safelight

from safelight.app import App, open_app
from safelight.clock import utc_now
from safelight.settings import Settings
from safelight.store import alarms, entries, lists, matches

M = "0123456789abcdef0123456789abcdef"


@pytest.fixture(scope="module")
def app() -> Iterator[App]:
    # Not pytest's tmp_path: as root that lies in a folder the server's account cannot pass.
    folder = Path(tempfile.mkdtemp(prefix="safelight-test-", dir="/tmp"))
    with open_app(Settings(home=folder)) as app:  # kept running for all commands
        yield app
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def home(app: App) -> Path:
    return app.settings.home


def _md5(path: Path, *digits: str) -> Path:
    path.write_text("\n".join(("md5,id", *(f"{one},{n}" for n, one in enumerate(digits)))) + "\n")
    return path


def test_how_near_a_list_matches_is_said_of_it(home: Path) -> None:
    create = ("list", "create", "near", "--source", "S", "--radius", "20", "--observe")
    (made,) = _json(home, *create)
    assert (made["radius"], made["min_quality"], made["state"]) == (20, 50, "observe")
    (edited,) = _json(home, "list", "edit", "near", "--radius", "0", "--min-quality", "70")
    assert (edited["radius"], edited["min_quality"]) == (0, 70)
    shown = _safelight(home, "list", "describe", "near").stdout
    assert "radius                   0 of 256 bits\n" in shown
    assert "least quality            70 of 100\n" in shown
    for wrong in (("--radius", "65"), ("--min-quality", "101")):
        assert f"'{wrong[0]}'" in _safelight(home, "list", "edit", "near", *wrong, code=2).stderr


def test_an_observed_import_counts_for_nothing_until_the_list_is_enabled(
    home: Path, tmp_path: Path
) -> None:
    _safelight(home, "list", "create", "tried", "--source", "S")
    _safelight(home, "list", "import", "tried", _md5(tmp_path / "a.csv", M))
    more = _md5(tmp_path / "b.csv", M, M[::-1])
    said = _safelight(home, "list", "import", "tried", more, "--observe").stderr
    assert "What is new is only observed, until: safelight list enable tried\n" in said
    assert [row["observed"] for row in _json(home, "list", "show", "tried")] == [False, True]
    assert "only observed" in _safelight(home, "list", "show", "tried").stdout
    assert _json(home, "list", "enable", "tried") == [
        {"list": "tried", "state": "enabled", "released": 1}
    ]
    assert [row["observed"] for row in _json(home, "list", "show", "tried")] == [False, False]
    assert _json(home, "list", "enable", "tried") == [{"list": "tried", "state": "enabled"}]


def test_what_is_ignored_has_an_owner_and_an_end(home: Path, tmp_path: Path) -> None:
    _safelight(home, "list", "create", "logos", "--source", "S", "--meaning", "ignore")
    file = _md5(tmp_path / "a.csv", M)
    said = _safelight(home, "list", "import", "logos", file).stderr
    end = (utc_now() + timedelta(days=365)).strftime("%Y-%m-%d")
    assert f"They are ignored until {end}; alice answers for them.\n" in said
    ((told,),) = [row["assertions"] for row in _json(home, "list", "show", "logos")]
    assert (told["owner"], told["expires_at"]) == ("alice", f"{end}T23:59:59+00:00")
    words = ("--owner", "Brand team", "--until", "2099-12-31")
    _safelight(home, "list", "import", "logos", file, *words)
    ((told,),) = [row["assertions"] for row in _json(home, "list", "show", "logos")]
    assert (told["owner"], told["expires_at"]) == ("Brand team", "2099-12-31T23:59:59+00:00")
    assert "2099-12-31, Brand team" in _safelight(home, "list", "show", "logos").stdout


def test_what_has_ended_is_said_to_have_and_is_not_exported(
    app: App, home: Path, tmp_path: Path
) -> None:
    words = ("--purpose", "export", "--redistribution", "permitted")
    _safelight(home, "list", "create", "brief", "--source", "S", *words)
    file = _md5(tmp_path / "a.csv", M)
    _safelight(home, "list", "import", "brief", file, "--until", "2099-12-31")
    _safelight(home, "list", "import", "brief", _md5(tmp_path / "b.csv", M[::-1]))
    with app.transaction() as tx:
        (first, _), _ = entries.page(tx, lists.get(tx, "brief"))
        tx.connection.exec_driver_sql(
            "UPDATE entry_assertion SET expires_at = '2020-01-31Z' WHERE entry = %s", (first.id,)
        )
    assert "2020-01-31 (ended)" in _safelight(home, "list", "show", "brief").stdout
    out = tmp_path / "out.txt"
    _safelight(home, "list", "export", "brief", out, "--format", "hex")
    assert out.read_text() == f"md5:{M[::-1]}\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--until", "2020-01-01"), "The end 2020-01-01 has passed"),
        (("--until", "soon"), "'soon' is not a day"),
        (("--owner", " "), "The owner cannot be kept"),
    ],
)
def test_terms_that_cannot_be(
    home: Path, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    name = f"terms-{message[:9]}-{words[1]}"
    _safelight(home, "list", "create", name.replace(" ", ""), "--source", "S")
    file = _md5(tmp_path / "a.csv", M)
    done = _safelight(home, "list", "import", name.replace(" ", ""), file, *words, code=2)
    assert message in done.stderr


def test_alarms_are_shown_until_somebody_has_looked(app: App, home: Path, tmp_path: Path) -> None:
    assert "There are no alarms." in _safelight(home, "list", "alarms", "--all").stderr
    _safelight(home, "list", "create", "flooded", "--source", "S")
    _safelight(home, "list", "import", "flooded", _md5(tmp_path / "a.csv", M))
    with app.transaction() as tx:
        (entry,), _ = entries.page(tx, lists.get(tx, "flooded"))
        told = {"entry": entry.id, "day": utc_now().date(), "matches": 5000, "expected": 200}
        alarms.raise_alarms(tx, [alarms.NewAlarm(kind="near", **told)], at=utc_now())
    (alarm,) = _json(home, "list", "alarms")
    expected = {**told, "day": told["day"].isoformat(), "list": "flooded", "kind": "near"}
    assert {key: alarm[key] for key in expected} == expected
    assert "5,000" in _safelight(home, "list", "alarms").stdout
    done = _safelight(home, "list", "alarms", "--acknowledge", alarm["id"])
    assert done.stderr == "1 alarm acknowledged.\nThere are no open alarms.\n"
    (looked,) = _json(home, "list", "alarms", "--all")
    assert (looked["id"], looked["acknowledged_by"]) == (alarm["id"], "alice")
    done = _safelight(home, "list", "alarms", "--acknowledge", alarm["id"], code=2)
    assert "There is no open alarm" in done.stderr


def test_entries_near_to_too_many_ordinary_pictures(home: Path, tmp_path: Path) -> None:
    _safelight(home, "list", "create", "plain", "--source", "S")
    listed = tmp_path / "listed.txt"
    listed.write_text(f"{'ab' * 32}\n{'0f' * 32}\n")
    _safelight(home, "list", "import", "plain", listed)
    ordinary = tmp_path / "ordinary.txt"
    ordinary.write_text(f"{'ab' * 32}\n" * 5 + f"{'c3' * 32}\n" * 995 + "zz\n")
    calibrate = ("list", "calibrate", "plain")
    done = _safelight(home, *calibrate, "--reference", ordinary, "-o", "json")
    assert json.loads(done.stdout) == {
        "list": "plain",
        "reference": 1000,
        "radius": 31,
        "share": 0.001,
        "entries": 2,
        "exact_only": 1,
        "already": 0,
    }
    assert done.stderr == (
        "warning: 1 row of the reference left out: no hash in them.\n"
        "2 PDQ entries of 'plain' compared with 1,000 hashes within 31 bits:"
        " 1 more matches only where equal from now on, 0 did so before.\n"
    )
    assert [row["exact_only"] for row in _json(home, "list", "show", "plain")] == [False, True]
    assert "only where equal" in _safelight(home, "list", "show", "plain").stdout
    near = f"{'ab' * 31}a4"
    entry = _json(home, "list", "show", "plain")[1]["id"]
    why_not = (
        f"near_exact_only: within 4 bits of entry {entry} of list plain, which matches only"
        " where it is equal, as it is near to too many ordinary pictures"
    )
    assert _json(home, "match", near) == [{"hash": near, "matches": [], "reasons": [why_not]}]
    said = _safelight(home, "match", near)
    assert said.stdout == ""
    assert said.stderr.endswith(f"No match on these lists.\n{near}: {why_not}\n")
    assert _json(home, *calibrate, "--undo") == [{"list": "plain", "near_again": 1}]
    for words in ((), ("--undo", "--reference", ordinary)):
        assert "Give --reference" in _safelight(home, *calibrate, *words, code=2).stderr
    done = _safelight(home, *calibrate, "--reference", listed, code=2)
    assert "Give at least 1,000" in done.stderr


def test_stats_tell_what_is_only_observed_and_how_large_lists_are(
    app: App, home: Path, tmp_path: Path
) -> None:
    _safelight(home, "list", "create", "watched", "--source", "S", "--observe")
    _safelight(home, "list", "import", "watched", _md5(tmp_path / "a.csv", M, M[::-1]))
    with app.transaction() as tx:
        (first, _), _ = entries.page(tx, lists.get(tx, "watched"))
        matches.record(tx, {first.id: 1200}, at=utc_now())
        alarm = {"day": utc_now().date(), "kind": "exact", "matches": 1200, "expected": 3}
        alarms.raise_alarms(tx, [alarms.NewAlarm(entry=first.id, **alarm)], at=utc_now())
    figures = _json(home, "list", "stats", "watched")[0]
    assert figures["observed"] == {"entries": 2, "matched": 1, "matches": 1200}
    assert figures["index_bytes_about"] == {"md5": 112}
    assert (figures["exact_only"], figures["ended"], figures["open_alarms"]) == (0, 0, 1)
    assert [row["entry"] for row in figures["most_matched"]] == [first.id]
    done = _safelight(home, "list", "stats", "watched")
    assert "Only observed\n" in done.stdout
    assert "would have matched" in done.stdout
    assert "0.0 MB" in done.stdout
    assert done.stderr.endswith("There is 1 open alarm: safelight list alarms\n")
