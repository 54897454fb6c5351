"""The soak's lists as they should be, and the acts that change them, in the database and here.

A hash of 16 bytes is an MD5 and one of 32 is PDQ. A video goes by the hash of its first picture
with one byte before it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random

from safelight.app import App
from safelight.clock import utc_now
from safelight.model import Algorithm, HashRow, VideoFrame, video_value
from safelight.store import imports, lists, retract
from safelight.store.lists import HashList, NewList

SOURCE = "soak"
FIRST, SECOND = "first", "second"
BASE = 60_000  # entries of the first list that stay
MOST_NEW = 30_000  # entries that come and go, of both lists

VIDEO_BYTES = 33

Touched = list[bytes]


def _row(line: int, value: bytes, their_id: str) -> HashRow:
    if len(value) == VIDEO_BYTES:
        pictures = [value[1:], *(Random(value[1:] + bytes([n])).randbytes(32) for n in range(4))]
        frames = tuple(VideoFrame(1000 * n, 90, picture) for n, picture in enumerate(pictures))
        return HashRow(line, Algorithm.VPDQ, video_value(frames), None, their_id, frames=frames)
    algorithm = Algorithm.MD5 if len(value) == Algorithm.MD5.size else Algorithm.PDQ
    return HashRow(line, algorithm, value, 100, their_id)


@dataclass
class World:
    """What is on which list; `their_ids` are what the source calls the hashes that come and go."""

    app: App
    chance: Random
    base: list[bytes] = field(default_factory=list)
    standing: dict[str, dict[bytes, str]] = field(default_factory=dict)
    taken_back: dict[str, dict[bytes, str]] = field(default_factory=dict)
    usable: dict[str, bool] = field(default_factory=dict)
    number: int = 0

    def begin(self) -> None:
        """Make both lists, and fill the first."""
        for name in (FIRST, SECOND):
            self.make(name)
        self.base = [self._new() for _ in range(BASE)]
        self._import(FIRST, ((value, "") for value in self.base))

    def expected(self, value: bytes) -> list[str]:
        """The names of the lists that the hash is matched on, if it is one of `touchable`."""
        names = [name for name in self.standing if value in self.standing[name]]
        return sorted(name for name in names if self.usable[name])

    def act(self) -> Touched:
        """Change something, in one transaction; return hashes whose matches it changed."""
        acts = (self.add, self.add, self.add, self.take_back, self.say_again, self.switch)
        if sum(map(len, self.standing.values())) > MOST_NEW:
            acts = (self.take_back,)
        elif self.chance.random() < 0.02:
            acts = (self.replace_second,)
        return self.chance.choice(acts)()

    def make(self, name: str) -> None:
        with self.app.transaction() as tx:
            lists.create(tx, NewList(name=name, source=SOURCE))
        self.standing[name], self.taken_back[name], self.usable[name] = {}, {}, True

    def add(self) -> Touched:
        """Some new hashes, sometimes one or two and sometimes many; some are on both lists."""
        name = self.chance.choice((FIRST, SECOND))
        other = self.standing[SECOND if name == FIRST else FIRST]
        count = self.chance.choice((1, 1, 2, 50, 3_000))
        new = {self._new(): self._their_id() for _ in range(count)}
        new |= {value: self._their_id() for value in self._some(other, count // 10)}
        new = {value: it for value, it in new.items() if value not in self.taken_back[name]}
        new = {value: it for value, it in new.items() if value not in self.standing[name]}
        self._import(name, new.items())
        self.standing[name] |= new
        return list(new)

    def take_back(self) -> Touched:
        """The source takes back what it said of some."""
        name = self.chance.choice((FIRST, SECOND))
        several = self.chance.choice((1, 20, 4_000))
        some = self._some(self.standing[name], several)
        if not some:
            return []
        ids = [self.standing[name][value] for value in some]
        with self.app.transaction() as tx:
            retract.retract(tx, self._list(tx, name), source=SOURCE, ids=ids, at=utc_now())
        for value in some:
            self.taken_back[name][value] = self.standing[name].pop(value)
        return some

    def say_again(self) -> Touched:
        """The source says again what it took back."""
        name = self.chance.choice((FIRST, SECOND))
        some = self._some(self.taken_back[name], 100)
        again = {value: self.taken_back[name].pop(value) for value in some}
        self._import(name, again.items())
        self.standing[name] |= again
        return some

    def switch(self) -> Touched:
        """The second list is disabled, or enabled again."""
        usable = not self.usable[SECOND]
        with self.app.transaction() as tx:
            state = "enabled" if usable else "disabled"
            lists.set_state(tx, self._list(tx, SECOND), state)
        self.usable[SECOND] = usable
        return self._some(self.standing[SECOND], 100)

    def replace_second(self) -> Touched:
        """The second list is deleted, and another of its name made."""
        gone = self._some(self.standing[SECOND], 100)
        with self.app.transaction() as tx:
            lists.delete(tx, self._list(tx, SECOND))
        self.make(SECOND)
        return gone

    def sample(self, count: int) -> Touched:
        """Hashes that came and went, whether or not they are there now."""
        every = [*self.standing.values(), *self.taken_back.values()]
        return [value for some in every for value in self._some(some, count // len(every))]

    def _list(self, tx: object, name: str) -> HashList:
        return lists.get(tx, name)

    def _import(self, name: str, rows: Iterable[tuple[bytes, str]]) -> None:
        made = (_row(line, value, their_id) for line, (value, their_id) in enumerate(rows, 1))
        with self.app.transaction() as tx:
            imports.import_entries(tx, self._list(tx, name), made)

    def _new(self) -> bytes:
        return self.chance.randbytes(self.chance.choices((32, 16, 33), (60, 38, 2))[0])

    def _their_id(self) -> str:
        self.number += 1
        return f"soak-{self.number}"

    def _some(self, among: dict[bytes, str], count: int) -> list[bytes]:
        return self.chance.sample(sorted(among), min(count, len(among)))
