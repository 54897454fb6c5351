"""What an audit keeps on disk, and what it goes on from."""

import json
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from safelight.bulk.dataset.request import DatasetRequest, Layout, PartFormat
from safelight.bulk.dataset.shards import Shard, ShardKind, Wanted, single
from safelight.bulk.dataset.state import DatasetState, Done
from safelight.bulk.rows import Tally
from safelight.connectors.manifest import ManifestColumns
from safelight.errors import BadInput, BadPath, CorruptFile
from safelight.matching.load import Sources
from safelight.matching.rules import MatchPolicy
from safelight.model import Depth


def request(**changes: object) -> DatasetRequest:
    asked = {
        "roots": ("/data",),
        "manifest": "",
        "base": "",
        "columns": ManifestColumns(),
        "layout": Layout.WEBDATASET,
        "format": PartFormat.JSONL,
        "sources": Sources(hashes=("/known.csv",)),
        "policy": MatchPolicy(),
        "depth": Depth(),
        "fingerprint": "f",
        "environment": {"version": "1", "packages": {"pillow": "12", "av": "16"}, "machine": "x"},
        "settings": {"max_pixels": 7, "remote_memory_mb": 256},
        "matched_against": {"facts": [{"name": "known", "licence": "unknown"}]},
    }
    return DatasetRequest(**{**asked, **changes})  # type: ignore[arg-type]


def shard(number: int, tag: str = "") -> Shard:
    return single(number, ShardKind.TAR, Wanted(path=b"/data/%d.tar" % number, tag=tag))


def tally(found: int) -> Tally:
    counted = Tally()
    for number in range(found):
        counted.add(
            {
                "verdict": "known",
                "fully_checked": False,
                "flags": ["truncated"],
                "path": str(number),
                "observed": [{}],
            }
        )
    return counted


def finish(
    state: DatasetState,
    one: Shard,
    found: int = 1,
    *,
    again: bool = False,
    matched: Mapping[int, int] | None = None,
) -> None:
    state.part_path(one).write_text("rows")
    state.add(
        Done(
            number=one.number,
            fingerprint=one.fingerprint,
            part=state.part_path(one).name,
            sha256="ab",
            tally=tally(found),
            sidecars=2,
            again=again,
            matched=matched or {},
        )
    )


def test_totals_are_those_of_every_run(tmp_path: Path) -> None:
    with DatasetState(tmp_path / "a", request()) as state:
        finish(state, shard(0), 2)
        finish(state, shard(1), 3)
        assert state.is_done(shard(1))
        assert not state.is_done(shard(2))
    with DatasetState(tmp_path / "a", request()) as state:
        assert (state.shards, state.sidecars, state.tally.found) == (2, 4, 5)
        assert state.tally.in_part == {"truncated": 5}
        assert state.tally.observed == 5
        assert state.is_done(shard(0))
        finish(state, shard(2), 1)
        summary = state.write_summary({"ended": True})
    assert summary["known"] == 6
    assert json.loads((tmp_path / "a" / "summary.json").read_text()) == summary


def test_a_shard_to_try_again_is_counted_when_it_was(tmp_path: Path) -> None:
    with DatasetState(tmp_path / "a", request()) as state:
        finish(state, shard(0), 2, again=True)
        assert (state.again, state.tally.found) == (1, 2)
    with DatasetState(tmp_path / "a", request()) as state:
        assert not state.is_done(shard(0))
        assert (state.shards, state.tally.found, state.count_of_done()) == (0, 0, 1)
        finish(state, shard(0), 3)
    with DatasetState(tmp_path / "a", request()) as state:
        assert state.is_done(shard(0))
        assert (state.shards, state.again, state.tally.found) == (1, 0, 3)


def test_matches_are_those_of_whole_shards_of_this_run(tmp_path: Path) -> None:
    with DatasetState(tmp_path / "a", request()) as state:
        finish(state, shard(0), matched={7: 1, 8: 2})
        finish(state, shard(1), matched={7: 1})
        finish(state, shard(2), matched={9: 1}, again=True)  # will be examined again
        assert state.matched == {7: 2, 8: 2}
    with DatasetState(tmp_path / "a", request()) as state:
        assert state.matched == {}
        finish(state, shard(2), matched={9: 1})
        assert state.matched == {9: 1}


def test_what_changes_no_row_may_differ(tmp_path: Path) -> None:
    with DatasetState(tmp_path / "a", request()) as state:
        finish(state, shard(0))
    other = request(
        environment={**request().environment, "machine": "another"},
        settings={"max_pixels": 7, "remote_memory_mb": 1},
        matched_against={"facts": []},
    )
    with DatasetState(tmp_path / "a", other) as state:
        assert state.shards == 1


def test_the_digest_of_every_part_is_in_the_summary(tmp_path: Path) -> None:
    with DatasetState(tmp_path / "a", request()) as state:
        finish(state, shard(0))
        finish(state, shard(1))
        summary = state.write_summary({})
    assert summary["parts"] == dict.fromkeys(("part-00000-0.jsonl", "part-00001-1.jsonl"), "ab")
    with DatasetState(tmp_path / "a", request()) as state:
        assert state.write_summary({}) == summary


def test_a_changed_shard_is_refused(tmp_path: Path) -> None:
    with DatasetState(tmp_path / "a", request()) as state:
        finish(state, shard(0, "5 7"))
        with pytest.raises(BadInput, match=r"shard 0 \(0\) is not what it was"):
            state.is_done(shard(0, "5 8"))


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"fingerprint": "g"}, "hashes_fingerprint"),
        ({"layout": Layout.FOLDER}, "layout"),
        ({"format": PartFormat.PARQUET}, "format"),
        ({"columns": ManifestColumns(carry=("x",))}, "carry"),
        ({"depth": Depth(archives=True)}, "archives"),
        ({"sources": Sources(lists=("a",))}, "lists, hashes"),
        ({"settings": {"max_pixels": 8}}, "settings.max_pixels"),
        (
            {"environment": {"version": "2", "packages": {"pillow": "12", "av": "16"}}},
            "environment.version",
        ),
        (
            {"environment": {"version": "1", "packages": {"pillow": "13", "av": "16"}}},
            "environment.packages.pillow",
        ),
        (
            {"environment": {"version": "1", "packages": {"pillow": "12"}}},
            "environment.packages.av",
        ),
    ],
)
def test_something_else_is_refused_once_there_are_results(
    tmp_path: Path, changes: dict[str, object], name: str
) -> None:
    with DatasetState(tmp_path / "a", request(fingerprint="typing error")):
        pass
    with DatasetState(tmp_path / "a", request()) as state:  # nothing had come of it
        finish(state, shard(0))
    with pytest.raises(BadInput, match=f"these differ: {name}\\."):
        DatasetState(tmp_path / "a", request(**changes))


def test_one_at_a_time(tmp_path: Path) -> None:
    with (
        DatasetState(tmp_path / "a", request()),
        pytest.raises(BadInput, match="another data-set audit is at work"),
    ):
        DatasetState(tmp_path / "a", request())
    DatasetState(tmp_path / "a", request()).__exit__()


def test_damage_is_named(tmp_path: Path) -> None:
    with DatasetState(tmp_path / "a", request()) as state:
        finish(state, shard(0))
    (tmp_path / "a" / "dataset.json").write_text("[]")
    with pytest.raises(CorruptFile, match=r"dataset\.json is damaged"):
        DatasetState(tmp_path / "a", request())
    (tmp_path / "a" / "shards.jsonl").write_text("{}\n")
    with pytest.raises(CorruptFile, match=r"shards\.jsonl is damaged"):
        DatasetState(tmp_path / "a", request())


def test_a_folder_with_other_things_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").touch()
    with pytest.raises(BadPath, match="holds something else"):
        DatasetState(tmp_path, request())
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_many_threads_may_add(tmp_path: Path) -> None:
    with DatasetState(tmp_path / "a", request()) as state:
        threads = [
            threading.Thread(target=finish, args=(state, shard(number))) for number in range(30)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    with DatasetState(tmp_path / "a", request()) as state:
        assert (state.shards, state.tally.found) == (30, 30)
