"""Lists that change for a long time under processes that follow them, search, die and come back.

`make soak` runs it for an hour. Here it is a minute: SAFELIGHT_SOAK_SECONDS says how long.

After every committed change each follower is asked about hashes that it changed, as they are and
with bits turned, until it answers as it should; more than a second is a failure. In between
followers are killed and started anew, their connections cut, and asked about hashes of long ago.
They begin with what is kept on disk and keep it up all the time, also when they are killed. No
entry may be lost, none may stay, and memory must not grow.
"""

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import pytest
import sqlalchemy as sa
from soak_world import BASE, VIDEO_BYTES, World

from safelight.app import open_app
from safelight.model import Algorithm
from safelight.settings import load_settings
from safelight.store.cluster import OWNER_ROLE
from safelight.store.postgres import start_server

SECONDS = float(os.environ.get("SAFELIGHT_SOAK_SECONDS", "60"))
FOLLOWERS = 2
ASKED = 50  # hashes after a change
SAMPLED = 400  # hashes of long ago
STALE = 1.0  # seconds
STALE_AFTER_CUT = 5.0  # seconds, where the connection was cut
RADIUS = 31
FOLLOWER = Path(__file__).with_name("soak_follower.py")


Question = tuple[str, str, int]  # algorithm, hash, radius


@dataclass
class Follower:
    home: Path
    memory: list[int] = field(default_factory=list)
    process: "subprocess.Popen[str] | None" = None

    def start(self) -> None:
        command = [sys.executable, str(FOLLOWER), str(self.home)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"
        self.memory = []

    def ask(self, questions: list[Question]) -> list[list[str]]:
        assert self.process is not None
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        print(json.dumps({"ask": questions}), file=self.process.stdin, flush=True)
        answer = json.loads(self.process.stdout.readline())
        self.memory.append(answer["rss"])
        return answer["found"]

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.communicate()

    def end(self) -> int:
        assert self.process is not None
        self.process.communicate()
        return self.process.returncode


@dataclass
class Soak:
    world: World
    followers: list[Follower]
    owner: sa.Engine
    chance: Random
    late: list[float] = field(default_factory=list)
    changes: int = 0
    restarts: int = 0
    cuts: int = 0
    asked: int = 0
    allowed: float = STALE

    def run(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.change()
            self.disturb()
            self.look_back()

    def change(self) -> None:
        touched = self.world.act()
        committed = time.monotonic()
        self.changes += 1
        some = self.chance.sample(touched, min(ASKED, len(touched)))
        for follower in self.followers:
            self.wait_for(follower, some, committed)
        self.allowed = STALE

    def wait_for(self, follower: Follower, values: list[bytes], since: float) -> None:
        """Ask until every answer is right; a wrong one after the time that is allowed fails."""
        questions = [self.question(value) for value in values]
        expected = [self.world.expected(value) for value in values]
        while True:
            began = time.monotonic()
            answers = follower.ask(questions)
            self.asked += len(questions)
            if answers == expected:
                self.late.append(began - since)
                return
            wrong = [pair for pair in zip(answers, expected, strict=True) if pair[0] != pair[1]]
            assert began - since < self.allowed, f"{len(wrong)} answers are stale: {wrong[:3]}"
            time.sleep(0.005)

    def question(self, value: bytes) -> Question:
        """The hash as it is, or with up to RADIUS of its bits turned."""
        if len(value) == Algorithm.MD5.size:
            return "md5", value.hex(), 0
        if len(value) == VIDEO_BYTES:
            value = value[1:]
        if self.chance.random() < 0.5:
            return "pdq", value.hex(), 0
        bits = sum(1 << place for place in self.chance.sample(range(256), RADIUS))
        turned = int.from_bytes(value, "big") ^ bits
        return "pdq", turned.to_bytes(32, "big").hex(), RADIUS

    def disturb(self) -> None:
        chance = self.chance.random()
        if chance < 0.03:
            follower = self.chance.choice(self.followers)
            follower.kill()
            follower.start()
            self.restarts += 1
            self.wait_for(follower, self.world.sample(SAMPLED), time.monotonic())
        elif chance < 0.06:
            self.cut()

    def cut(self) -> None:
        """End every session that listens, as a restart of the network would."""
        end = sa.text(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
            " WHERE query LIKE 'LISTEN%' OR query = 'SELECT 1'"
        )
        with self.owner.begin() as connection:
            assert connection.scalar(end)
        self.cuts += 1
        self.allowed = STALE_AFTER_CUT

    def look_back(self) -> None:
        """Nothing of long ago is lost or has stayed."""
        follower = self.chance.choice(self.followers)
        self.wait_for(follower, self.world.sample(SAMPLED // 10), time.monotonic())
        some = self.chance.sample(self.world.base, 20)
        assert follower.ask([self.question(value) for value in some]) == [["first"]] * len(some)

    def report(self) -> str:
        late = sorted(self.late)
        spread = [1000 * late[min(int(len(late) * share), len(late) - 1)] for share in (0.5, 0.99)]
        return (
            f"{self.changes} changes, {self.restarts} kills, {self.cuts} cuts, {self.asked:,} "
            f"questions; right after p50 {spread[0]:.1f} ms, p99 {spread[1]:.1f} ms, worst "
            f"{1000 * late[-1]:.1f} ms; memory {[_growth(one.memory) for one in self.followers]}"
        )


def _growth(memory: list[int]) -> tuple[int, int]:
    """Megabytes of the first and the last fifth of a follower's life."""
    fifth = max(1, len(memory) // 5)
    first, last = statistics.median(memory[:fifth]), statistics.median(memory[-fifth:])
    return round(first / 1e6), round(last / 1e6)


@pytest.fixture
def soak_home() -> Iterator[Path]:
    # Not pytest's tmp_path: as root that lies in a folder the server's account cannot pass.
    folder = Path(tempfile.mkdtemp(prefix="safelight-test-", dir="/tmp"))
    yield folder
    shutil.rmtree(folder)


@pytest.mark.timeout(SECONDS + 600)
def test_lists_that_change_all_the_time(
    soak_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = int(os.environ.get("SAFELIGHT_SOAK_SEED", "1"))
    server = start_server(soak_home)
    url, arguments = server.url(OWNER_ROLE), server.connect_arguments()
    owner = sa.create_engine(url, connect_args=arguments, poolclass=sa.NullPool)
    settings = load_settings({"SAFELIGHT_HOME": str(soak_home), "SAFELIGHT_ACTOR": "soak"})
    with open_app(settings) as app:
        world = World(app, Random(seed))
        world.begin()
        followers = [Follower(soak_home) for _ in range(FOLLOWERS)]
        for follower in followers:
            follower.start()
        soak = Soak(world, followers, owner, Random(seed + 1))
        try:
            soak.run(SECONDS)
        finally:
            ends = [follower.end() for follower in followers]
            with capsys.disabled():
                print(f"\n{BASE:,} entries that stay; {soak.report()}")
    server.close()
    told = soak_home / "told"
    assert not told.exists(), told.read_text()
    assert len(list((soak_home / "index").glob("*/current"))) == 1
    assert ends == [0] * FOLLOWERS
    assert soak.changes > 20
    for follower in followers:
        first, last = _growth(follower.memory)
        assert last < 1.3 * first + 30, f"memory grew from {first} to {last} MB"
