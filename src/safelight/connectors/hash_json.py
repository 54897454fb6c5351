"""Hash files in JSON Lines: an object a line, with the names that CSV files have for columns."""

import json
from collections.abc import Iterable, Iterator
from typing import Any

from safelight.connectors.hash_records import (
    column,
    further_hashes,
    plain_record,
    record_rows,
    usual_algorithm,
    video_of,
    words,
)
from safelight.connectors.hash_text import SHOWN, Row
from safelight.model import Algorithm, HashRow, RejectedRow

_MOST_SHAPES = 100
_PARTS_OF_PICTURES = frozenset({"frames", "stored_dihedral"})


def json_rows(lines: Iterable[str], stated: Algorithm | None) -> Iterator[Row]:
    """Every row of the file; an array of one object a line is read as well."""
    quick = _Quick()
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text[0] == "#" or text in ("[", "]"):
            continue
        try:
            data = json.loads(text.removesuffix(","))
        except (ValueError, RecursionError):
            data = None
        if not isinstance(data, dict):
            yield RejectedRow(number, "not one JSON object in one line", text[:SHOWN])
        elif (row := quick.row(number, data)) is not None:
            yield row
        else:
            yield from _object_rows(number, data, stated, text)


def _object_rows(
    number: int, data: dict[str, Any], stated: Algorithm | None, text: str
) -> Iterator[Row]:
    video = video_of(data)
    is_ours = video is None and not _PARTS_OF_PICTURES.isdisjoint(data)
    more = further_hashes(data) if is_ours else ()
    return record_rows(number, words(data), stated, text, more, video)


class _Quick:
    """Reads objects of the usual kind, one named hash, several times as fast.

    What each key stands for is found once for all objects that have the same keys.
    """

    def __init__(self) -> None:
        self._shapes: dict[tuple[str, ...], tuple[Algorithm, dict[str, str]] | None] = {}

    def row(self, number: int, data: dict[str, Any]) -> HashRow | None:
        """The row of the object; None for any that needs to be looked at closer."""
        keys = tuple(data)
        if keys not in self._shapes:
            if len(self._shapes) > _MOST_SHAPES:
                return None
            self._shapes[keys] = _shape(keys)
        shape = self._shapes[keys]
        if shape is None:
            return None
        algorithm, where = shape
        digits, quality = data[where[algorithm]], data.get(where.get("quality", ""))
        their_id, their_class = _word(data, where.get("id")), _word(data, where.get("class"))
        if type(digits) is not str or len(digits) != 2 * algorithm.size:
            return None
        if quality is not None and (type(quality) is not int or not 0 <= quality <= 100):
            return None
        if their_id is None or their_class is None:
            return None
        known = quality if algorithm is Algorithm.PDQ else None
        return plain_record(number, algorithm, digits, known, their_id, their_class)


def _word(data: dict[str, Any], key: str | None) -> str | None:
    """A text or number as it is kept; None where that takes more than a look."""
    value = "" if key is None else data[key]
    if type(value) is int:
        return str(value)
    if type(value) is not str or not value.isascii() or not value.isprintable():
        return None
    return value.strip()


def _shape(keys: tuple[str, ...]) -> tuple[Algorithm, dict[str, str]] | None:
    names = [column(key) for key in keys]
    algorithm = usual_algorithm(names)
    if algorithm is None or "" in keys or not _PARTS_OF_PICTURES.isdisjoint(keys):
        return None
    return algorithm, {name: key for name, key in zip(names, keys, strict=True) if name}
