"""`HashIndex` against its NumPy twin: answers, changes, threads, instruction sets."""

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from index_samples import (
    Hashes,
    as_lists,
    as_oriented_lists,
    numbered,
    random_hashes,
    with_flipped,
)

import safelight
from safelight.kernel import twin_hamming
from safelight.kernel._kernel import isa
from safelight.kernel.index import HashIndex, Matches, Statistics

ANY_ID = st.integers(-(2**63), 2**63 - 1)
RADIUS = st.one_of(st.integers(0, 255), st.sampled_from([0, 31, 35, 36, 37, 255]))


# ---- Answers ----


@st.composite
def _clustered_hashes(draw: st.DrawFn) -> Hashes:
    """Up to 200 hashes: random ones, equal ones, neighbours, all zeros and all ones."""
    count = draw(st.sampled_from([0, 1, 2, 3, 7, 8, 9, 16, 31, 64, 65, 128, 200]))
    hashes = random_hashes(count, draw(st.integers(0, 1000)))
    center = draw(st.sampled_from([0, 255, 90]))
    for row in range(count):
        kind = draw(st.sampled_from(["random", "centre", "near"])) if row < 20 else "random"
        if kind != "random":
            hashes[row] = center
        if kind == "near":
            hashes[row] = with_flipped(hashes[row], draw(st.integers(0, 256)), row)
    return hashes


@given(
    hashes=_clustered_hashes(),
    queries=st_numpy.arrays(np.uint8, st.tuples(st.integers(0, 5), st.just(32))),
    radius=RADIUS,
    limit=st.one_of(st.none(), st.integers(1, 250)),
)
def test_answers_equal_the_twin(
    hashes: Hashes, queries: Hashes, radius: int, limit: int | None
) -> None:
    ids = numbered(len(hashes), -5)
    queries = np.vstack([queries, np.full((1, 32), 90, np.uint8), hashes[:3]])
    matches = HashIndex.build(hashes, ids).search(queries, radius, limit=limit)
    assert as_lists(matches) == twin_hamming.search(hashes, ids, queries, radius, limit)


class SmallIndex(HashIndex):
    """An index in which a few entries make a segment."""

    _merge_rows = 60
    _direct_rows = 200


class DeltaIndex(HashIndex):
    """An index without segments: everything is in the delta."""

    _merge_rows = _direct_rows = 2**30


@pytest.mark.parametrize("kind", [HashIndex, DeltaIndex])
@pytest.mark.parametrize("fill", [0, 255])
def test_equal_hashes_are_each_found_once(fill: int, kind: type[HashIndex]) -> None:
    hashes = np.full((2**17, 32), fill, np.uint8)
    index = kind.build(hashes, numbered(2**17))
    query = np.full(32, fill, np.uint8)
    for radius in (0, 31, 255):
        matches = index.search(query, radius)
        assert np.array_equal(np.sort(matches.ids), numbered(2**17))
        assert not matches.distances.any()
    assert len(index.search(~query, 255).ids) == 0  # 256 bits apart


@pytest.mark.parametrize("kind", [HashIndex, DeltaIndex, SmallIndex])
def test_planted_neighbours_at_every_distance_are_found(kind: type[HashIndex]) -> None:
    hashes = random_hashes(70_000, 5)
    queries = random_hashes(65 * 4, 6)
    for number, query in enumerate(queries):
        hashes[number * 269] = with_flipped(query, number // 4, number)
    index = kind.build(hashes, numbered(70_000))
    for radius in (0, 31, 35, 36, 64):
        expected = [
            [(number * 269, number // 4)] if number // 4 <= radius else []
            for number in range(len(queries))
        ]
        assert as_lists(index.search(queries, radius)) == expected


def test_one_query_may_be_a_vector() -> None:
    hashes = random_hashes(10)
    index = HashIndex.build(hashes, numbered(10))
    assert as_lists(index.search(hashes[4])) == [[(4, 0)]]


def test_the_default_radius_is_31() -> None:
    hashes = random_hashes(1)
    index = HashIndex.build(hashes, numbered(1))
    queries = np.stack([with_flipped(hashes[0], bits, 1) for bits in (31, 32)])
    assert as_lists(index.search(queries)) == [[(0, 31)], []]


@pytest.mark.parametrize("count", [0, 3])
def test_no_queries_give_no_matches(count: int) -> None:
    index = HashIndex.build(random_hashes(count), numbered(count))
    assert as_lists(index.search(np.empty((0, 32), np.uint8))) == []


def test_an_empty_index_answers() -> None:
    assert as_lists(HashIndex().search(random_hashes(2), 255)) == [[], []]
    assert len(HashIndex()) == 0


def test_strided_arrays_are_taken() -> None:
    wide = random_hashes(20)
    index = HashIndex.build(wide[::2], numbered(20)[::2])
    assert as_lists(index.search(wide[::-5], 0)) == [[], [(14, 0)], [], [(4, 0)]]


def test_arrays_can_be_read_only_and_results_outlive_the_index() -> None:
    hashes, ids = random_hashes(3), numbered(3)
    hashes.flags.writeable = ids.flags.writeable = False
    matches = HashIndex.build(hashes, ids).search(hashes, 0)
    assert as_lists(matches) == [[(0, 0)], [(1, 0)], [(2, 0)]]


def test_the_package_offers_it() -> None:
    assert safelight.HashIndex is HashIndex
    assert safelight.Matches is Matches
    assert repr(HashIndex.build(random_hashes(1500), numbered(1500))) == (
        "<HashIndex of 1,500 hashes>"
    )


# ---- Changes ----


def test_an_id_that_is_present_is_refused_whole() -> None:
    hashes = random_hashes(3)
    index = HashIndex.build(hashes, np.array([7, -2, 2**63 - 1]))
    with pytest.raises(ValueError, match="id -2 is in the index already; remove it first"):
        index.add(hashes[:2], np.array([8, -2]))
    with pytest.raises(ValueError, match="id 9 is given twice"):
        index.add(hashes, np.array([9, 8, 9]))
    assert len(index) == 3
    assert as_lists(index.search(hashes, 0)) == [[(7, 0)], [(-2, 0)], [(2**63 - 1, 0)]]


def test_removing_passes_over_absent_ids_and_counts_the_rest() -> None:
    index = HashIndex.build(random_hashes(4), numbered(4))
    assert index.remove(np.array([2, 99, 2, -1])) == 1
    assert index.remove(np.array([2])) == 0
    assert index.remove(np.array([], np.int64)) == 0
    assert len(index) == 3
    index.add(random_hashes(1, 9), np.array([2]))
    assert as_lists(index.search(random_hashes(1, 9), 0)) == [[(2, 0)]]


ALL_RADII = st.one_of(RADIUS, st.sampled_from([96, 105, 110]))  # at which random hashes meet


class Changes(RuleBasedStateMachine):
    """Any order of changes, searches, saves and opens; the model is a dict searched by the twin."""

    kind: type[HashIndex] = HashIndex

    @initialize(count=st.sampled_from([0, 1, 2000]))
    def begin(self, count: int) -> None:
        self.folder = tempfile.TemporaryDirectory()
        hashes = random_hashes(count, 1)
        self.index = self.kind.build(hashes, numbered(count))
        self.model = {number: hashes[number] for number in range(count)}

    @rule(
        ids=st.lists(st.one_of(st.integers(-3, 2005), ANY_ID), max_size=6), seed=st.integers(0, 9)
    )
    def add(self, ids: list[int], seed: int) -> None:
        hashes = random_hashes(len(ids), seed)  # few seeds: several ids with one hash
        if len(set(ids)) < len(ids) or self.model.keys() & set(ids):
            with pytest.raises(ValueError, match=r"id -?\d+ is "):
                self.index.add(hashes, np.array(ids, np.int64))
            return
        self.index.add(hashes, np.array(ids, np.int64))
        self.model.update(zip(ids, hashes, strict=True))

    @rule(first=st.integers(-50, 2100), count=st.integers(0, 250), different=st.integers(1, 250))
    def replace(self, first: int, count: int, different: int) -> None:
        hashes = random_hashes(different, 1)[np.arange(count) % different]
        ids = np.random.default_rng(count).permutation(count) + first
        self.index.replace(hashes, ids)
        self.model.update(zip(ids.tolist(), hashes, strict=True))

    @rule(ids=st.lists(st.integers(0, 9), min_size=2, max_size=3))
    def replace_with_ids_given_twice(self, ids: list[int]) -> None:
        ids.append(ids[0])
        with pytest.raises(ValueError, match=r"id \d is given twice"):
            self.index.replace(random_hashes(len(ids)), np.array(ids))

    @rule(ids=st.lists(st.one_of(st.integers(-3, 2005), ANY_ID), max_size=6))
    def remove(self, ids: list[int]) -> None:
        removed = self.index.remove(np.array(ids, np.int64))
        assert removed == len(self.model.keys() & set(ids))
        for number in ids:
            self.model.pop(number, None)

    @rule(keep=st.integers(2, 9))
    def remove_most(self, keep: int) -> None:
        gone = [number for place, number in enumerate(self.model) if place % keep]
        assert self.index.remove(np.array(gone, np.int64)) == len(gone)
        for number in gone:
            del self.model[number]

    @rule()
    def merge(self) -> None:
        self.index.merge()
        if not self.index.statistics().merging:
            assert self.index.statistics().segments <= 1

    @rule(seed=st.integers(0, 9), radius=ALL_RADII, limit=st.sampled_from([None, 1, 3, 40]))
    def search(self, seed: int, radius: int, limit: int | None) -> None:
        queries = np.vstack([random_hashes(3, seed), random_hashes(2, 1)])
        expected = twin_hamming.search(*self.entries(), queries, radius, limit)
        assert as_lists(self.index.search(queries, radius, limit=limit)) == expected

    @rule(
        seed=st.integers(0, 9),
        radius=ALL_RADII,
        limit=st.sampled_from([None, 1, 3, 40]),
        each=st.sampled_from([1, 3, 8]),
    )
    def search_oriented(self, seed: int, radius: int, limit: int | None, each: int) -> None:
        queries = random_hashes(each * 2, seed).reshape(2, each, 32)
        queries[1, each - 1] = random_hashes(1, 1)[0]
        expected = twin_hamming.search_oriented(*self.entries(), queries, radius, limit)
        found = self.index.search_oriented(queries, radius, limit=limit)
        assert as_oriented_lists(found) == expected

    @rule(note=st.binary(max_size=9))
    def save_and_open(self, note: bytes) -> None:
        path = Path(self.folder.name, "index")
        self.index.save(path, note=note)
        self.kind.verify(path)
        self.index = self.kind.open(path)
        assert self.index.note == note

    @invariant()
    def has_the_right_length(self) -> None:
        if hasattr(self, "model"):
            assert len(self.index) == self.index.statistics().entries == len(self.model)
            assert self.index.statistics().merge_error is None

    def entries(self) -> tuple[Hashes, npt.NDArray[np.int64]]:
        hashes = np.array(list(self.model.values()), np.uint8).reshape(-1, 32)
        return hashes, np.array(list(self.model), np.int64)

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            self.folder.cleanup()


class ChangesOfSegments(Changes):
    kind = SmallIndex


Changes.TestCase.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
ChangesOfSegments.TestCase.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None
)
TestChanges = Changes.TestCase
TestChangesOfSegments = ChangesOfSegments.TestCase


def at_rest(index: HashIndex) -> Statistics:
    """What the index is made up of once the background has nothing more to do."""
    while (now := index.statistics()).merging:
        time.sleep(0.001)
    return now


def test_the_statistics_tell_of_segments_the_delta_and_what_was_removed() -> None:
    index = SmallIndex.build(random_hashes(1000), numbered(1000))
    index.add(random_hashes(5, 2), numbered(5, 2000))
    index.remove(np.array([1, 2, 2001]))
    now = at_rest(index)
    assert replace(now, bytes=0) == Statistics(
        entries=1002, segments=1, in_delta=4, removed=3,
        bytes=0, mapped=0, merging=False, merge_error=None,
    )  # fmt: skip
    assert now.bytes > 1000 * 40
    index.merge()
    now = index.statistics()
    assert (now.entries, now.segments, now.in_delta, now.removed) == (1002, 1, 0, 0)


def test_small_additions_are_joined_in_the_background() -> None:
    index, hashes = SmallIndex(), random_hashes(3000)
    for first in range(0, 3000, 25):
        index.add(hashes[first : first + 25], numbered(25, first))
    now = at_rest(index)
    assert 1 <= now.segments <= 4
    assert now.in_delta < 60
    assert as_lists(index.search(hashes, 0)) == [[(number, 0)] for number in range(3000)]


def test_equally_near_entries_go_by_id_wherever_they_lie() -> None:
    index = SmallIndex()
    ids = np.random.default_rng(1).permutation(500)
    for some in np.array_split(ids, 20):
        index.add(np.zeros((len(some), 32), np.uint8), some)
    query = with_flipped(np.zeros(32, np.uint8), 3, 1)
    assert as_lists(index.search(query, limit=7)) == [[(number, 3) for number in range(7)]]


def test_a_limit_keeps_the_memory_of_a_million_equal_hashes_small() -> None:
    equal = np.zeros((1_000_000, 32), np.uint8)
    index = HashIndex.build(equal, numbered(1_000_000))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    queries = equal[:5000].reshape(625, 8, 32)
    found = index.search_oriented(queries, 31, limit=3)
    assert np.array_equal(np.sort(found.ids.reshape(625, 3)), np.tile(np.arange(3), (625, 1)))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # KiB


# ---- Threads and signals ----


@pytest.mark.parametrize("kind", [HashIndex, SmallIndex])
def test_a_search_sees_each_change_whole_or_not_at_all(kind: type[HashIndex]) -> None:
    index = kind.build(random_hashes(1000), numbered(1000))
    batch, batch_ids = random_hashes(70, 2), numbered(70, 5000)
    others = random_hashes(70, 3)
    done = threading.Event()

    def change() -> None:
        for _ in range(300):
            index.add(batch, batch_ids)
            index.replace(others, batch_ids)
            index.remove(batch_ids)
        done.set()

    writer = threading.Thread(target=change)
    writer.start()
    seen = set()
    while not done.is_set():
        found = index.search(np.vstack([batch[:1], others[:1]]), 60).ids.tolist()
        seen.add((len(index.search(batch[0], 255).ids), tuple(found)))
    writer.join()
    assert {entries for entries, _ in seen} <= {1000, 1070}
    assert {found for _, found in seen} <= {(), (5000,)}  # the old one or the new one
    assert at_rest(index).entries == 1000


def test_threads_that_change_different_entries_lose_nothing() -> None:
    index = SmallIndex.build(random_hashes(300), numbered(300, -1000))
    models: list[dict[int, Hashes]] = [{}, {}, {}]

    def change(number: int) -> None:
        rng, model = np.random.default_rng(number), models[number]
        for _ in range(150):
            ids = rng.choice(400, rng.integers(1, 40), replace=False) + number * 1000
            if rng.integers(3):
                hashes = random_hashes(len(ids), int(rng.integers(50)))
                index.replace(hashes, ids)
                model.update(zip(ids.tolist(), hashes, strict=True))
            else:
                assert index.remove(ids) == len(model.keys() & set(ids.tolist()))
                for id_ in ids.tolist():
                    model.pop(id_, None)

    threads = [threading.Thread(target=change, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert len(index.search(random_hashes(1), 0).ids) >= 1  # id -1000 at least
    for thread in threads:
        thread.join()
    assert at_rest(index).merge_error is None
    model = dict(zip(range(-1000, -700), random_hashes(300), strict=True)) | {
        id_: hash_ for one in models for id_, hash_ in one.items()
    }
    hashes, ids = np.array(list(model.values())), np.array(list(model))
    queries = random_hashes(40, 7)
    expected = twin_hamming.search(hashes, ids, queries, 110)
    assert as_lists(index.search(queries, 110)) == expected
    assert len(index) == len(model)


SHORT_OF_MEMORY = """
import resource, time
import numpy as np
from safelight.kernel.index import HashIndex
hashes = np.random.default_rng(1).integers(0, 256, (130_000, 32), dtype=np.uint8)
ids = np.arange(130_000)
index = HashIndex.build(hashes[:100_000], ids[:100_000])
size = int(open("/proc/self/statm").read().split()[0]) * 4096
resource.setrlimit(resource.RLIMIT_AS, (size + 24 * 1024 * 1024, -1))
index.add(hashes[100_000:], ids[100_000:])
while index.statistics().merging:
    time.sleep(0.001)
resource.setrlimit(resource.RLIMIT_AS, (-1, -1))
now = index.statistics()
print(now.merge_error, now.segments, now.in_delta)
print(index.search(hashes[::1000], 0).ids.tolist() == ids[::1000].tolist())
index.merge()
print(index.statistics().segments, len(index))
"""


def test_a_merge_that_finds_no_memory_leaves_the_index_as_it_was() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SHORT_OF_MEMORY], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["out of memory 1 30000", "True", "1 130000"]


FORKED = """
import os, sys
import numpy as np
from safelight.kernel.index import HashIndex
hashes = np.random.default_rng(1).integers(0, 256, (40_000, 32), dtype=np.uint8)
index = HashIndex()
for first in range(0, 40_000, 1000):
    index.add(hashes[first : first + 1000], np.arange(first, first + 1000))
child = os.fork()
index.add(hashes[:40_000], np.arange(40_000, 80_000))
index.remove(np.arange(1000))
index.merge()
found = index.search(hashes[::999], 0)
assert len(index) == 79_000 and len(found.ids) == 2 * 41 - 2, len(found.ids)
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_forked_child_and_its_parent_both_go_on() -> None:
    subprocess.run([sys.executable, "-c", FORKED], check=True, timeout=60)


def test_two_threads_get_the_answers_of_one() -> None:
    hashes = random_hashes(20_000)
    index = HashIndex.build(hashes, numbered(20_000))
    expected = as_lists(index.search(hashes[:500], 96))
    results: dict[int, list[list[tuple[int, int]]]] = {}

    def search(number: int) -> None:
        results[number] = as_lists(index.search(hashes[:500], 96))

    threads = [threading.Thread(target=search, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {0: expected, 1: expected}


def test_a_long_search_can_be_interrupted() -> None:
    hashes = random_hashes(65_536)
    index = HashIndex.build(hashes, numbered(65_536))

    def stop(*_: object) -> None:
        raise InterruptedError("stopped by the test")

    previous = signal.signal(signal.SIGALRM, stop)
    started = time.monotonic()
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(InterruptedError, match="stopped by the test"):
            index.search(np.tile(hashes, (20, 1)), 36)  # half a minute, if nothing stopped it
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert time.monotonic() - started < 8


def test_building_a_large_index_can_be_interrupted_and_then_adds_nothing() -> None:
    index = HashIndex.build(random_hashes(5), numbered(5, -5))
    large = np.frombuffer(np.random.default_rng(1).bytes(32 * 3_000_000), np.uint8).reshape(-1, 32)

    def stop(*_: object) -> None:
        raise InterruptedError("stopped by the test")

    previous = signal.signal(signal.SIGALRM, stop)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.15)
        with pytest.raises(InterruptedError, match="stopped by the test"):
            index.add(large, numbered(3_000_000))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert len(index) == 5


# ---- Instruction sets ----

ISA_SCRIPT = """
import json, sys
import numpy as np
from safelight.kernel._kernel import isa
from safelight.kernel.index import HashIndex
rng = np.random.default_rng(4)
hashes = rng.integers(0, 256, (70_001, 32), dtype=np.uint8)
hashes[::7] = hashes[0]
hashes[::7, :16] ^= rng.integers(0, 2, (10_001, 16), dtype=np.uint8)
index = HashIndex.build(hashes, np.arange(70_001))
answers = []
for radius in (0, 5, 8, 31, 35, 36, 64, 100, 255):
    found = index.search(hashes[[0, 1, 7, 70]], radius, limit=50_000 if radius == 255 else None)
    pairs = [found.ids, found.distances]
    answers.append([found.offsets.tolist(), *(hash(p.tobytes()) for p in pairs)])
print(json.dumps([isa(), answers]))
"""


def _answers_with(name: str) -> list[Any] | None:
    env = os.environ | {"SAFELIGHT_KERNEL_ISA": name, "PYTHONHASHSEED": "0"}
    done = subprocess.run(
        [sys.executable, "-c", ISA_SCRIPT], env=env, capture_output=True, text=True, check=False
    )
    if "this processor does not have it" in done.stderr:
        return None
    assert done.returncode == 0, done.stderr
    used, answers = json.loads(done.stdout)
    assert used == name
    return list(answers)


def test_every_instruction_set_gives_the_same_answers_in_the_same_order() -> None:
    plain = _answers_with("plain")
    assert plain is not None
    assert isa() == "plain" or _answers_with(isa()) == plain
    for name in ("avx2", "avx512", "neon"):
        assert _answers_with(name) in (None, plain)
