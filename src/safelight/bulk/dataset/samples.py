"""Samples of a WebDataset: the members of a tar that share a key.

    000123.jpg   000123.json   000123.txt     are one sample, whose key is 000123

The members of a sample stand side by side, in any order, so its sidecars may come behind its
pictures: the items of one sample are held back until the next begins.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from safelight.connectors.facts import owned
from safelight.model import FOUND, ItemAnswer, NotChecked

MOST_IN_SAMPLE = 256  # items held back; what is further apart does not count as one sample
KEY = "key"
_CODES_OF_TEXT = ("not_a_picture", "unknown_format", "empty")


def key_of(name: bytes) -> bytes:
    """What the members of a sample share: the name up to the first dot behind the last slash."""
    folder, slash, base = name.rpartition(b"/")
    return folder + slash + base.partition(b".")[0]


class Samples:
    """Puts what the sidecars tell to the pictures of their sample; counts the sidecars read."""

    def __init__(self) -> None:
        self.sidecars = 0

    def told(self, items: Iterable[ItemAnswer]) -> Iterator[ItemAnswer]:
        """Yield the items with key and facts of their sample.

        Sidecars that were read are left out, unless they match something themselves.
        """
        held: list[ItemAnswer] = []
        for item in items:
            if held and (_sample_of(item) != _sample_of(held[0]) or len(held) >= MOST_IN_SAMPLE):
                yield from self._sample(held)
                held = []
            held.append(item)
        yield from self._sample(held)

    def _sample(self, held: list[ItemAnswer]) -> Iterator[ItemAnswer]:
        facts: dict[str, str] = {}
        for item in held:
            facts |= item.facts or {}
        for item in held:
            if not item.members:
                yield item
            elif _is_read_sidecar(item):
                self.sidecars += 1
            else:
                key = _sample_of(item)[-1].decode("utf-8", "replace")
                yield replace(item, facts=owned({KEY: key}, facts))


def _is_read_sidecar(item: ItemAnswer) -> bool:
    """Whether the item was read as a sidecar, is nothing else, and matched nothing."""
    examined = item.answer.examined
    is_text = isinstance(examined, NotChecked) and examined.code in _CODES_OF_TEXT
    return item.facts is not None and is_text and item.answer.verdict not in FOUND


def _sample_of(item: ItemAnswer) -> tuple[bytes, ...]:
    if not item.members:
        return ()
    *outer, last = (member.name for member in item.members)
    return (*outer, key_of(last))
