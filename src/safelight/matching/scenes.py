"""Which stretches of two videos are the same. Pure.

A scene is followed frame by frame: it goes on in the video on the list about where the time that
has passed in the examined video leads to. A few frames may be missed; faster and slower copies are
followed too. What stands still is one picture however long it is shown, and no scene.
"""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from safelight.model import Scene

# A scene shows so many pictures, each by more than so many bits from the one before. A logo or a
# title that stands for a minute is one picture; copies of a standing frame differ by 0 to 4 bits.
SCENE_PICTURES = 3
STANDING_BITS = 4

_MISSED = 3.0  # sampling steps without a match that do not end a scene
_SLACK = 1.5  # seconds that two frames of a scene may be off, since both videos are sampled
_DRIFT = 0.25  # and so many for every second between two frames
_STARTS = 8  # places in the video on the list where one frame may begin a scene
_LEAST_SHARE = 0.5  # of the frames of a scene that must match


@dataclass(frozen=True, slots=True)
class Sighting:
    """A frame of the examined video, and the places in the video on the list that it is near."""

    time: float  # seconds
    value: int  # the hash of the picture it shows
    places: Sequence[float]  # seconds, ascending


@dataclass(frozen=True, slots=True)
class Track:
    """A stretch that was followed: its frames, each with its place in the video on the list."""

    frames: tuple[Sighting, ...]
    places: tuple[float, ...]

    @property
    def scene(self) -> Scene:
        """Where it begins and ends in both videos."""
        return Scene(
            start=self.frames[0].time,
            end=self.frames[-1].time,
            list_start=min(self.places),
            list_end=max(self.places),
        )

    @property
    def length(self) -> float:
        """Seconds from its first frame to its last."""
        return self.frames[-1].time - self.frames[0].time

    def is_scene(self, seconds: float, step: float) -> bool:
        """Whether it lasts for `seconds`, frames standing for `step` each, and does not stand."""
        expected = self.length / step + 1
        return (
            self.length + step >= seconds
            and len(self.frames) >= _LEAST_SHARE * expected
            and _pictures(self.frames) >= SCENE_PICTURES
        )


def find_scenes(
    sightings: Sequence[Sighting], *, seconds: float, step: float
) -> tuple[tuple[Scene, ...], bool]:
    """The scenes of at least `seconds`; where there are none the longest stretch, and False.

    `sightings` are in the order of time, `step` seconds apart where no frame was missed.
    """
    shown = {sighting.value for sighting in sightings}
    # of one picture or two, shown for long, there is no scene, and the first stretch will do
    most = None if len(shown) >= SCENE_PICTURES else 1
    tracks = list(islice(_tracks(sightings, _MISSED * step + _SLACK), most))
    scenes = tuple(track.scene for track in tracks if track.is_scene(seconds, step))
    if scenes or not tracks:
        return scenes, bool(scenes)
    longest = max(tracks, key=lambda track: len(track.frames))
    return (longest.scene,), False


def whole_stretch(sightings: Sequence[Sighting]) -> Scene:
    """The stretch from the first sighting to the last, in both videos."""
    places = [
        place for sighting in sightings for place in (sighting.places[0], sighting.places[-1])
    ]
    return Scene(
        start=sightings[0].time,
        end=sightings[-1].time,
        list_start=min(places),
        list_end=max(places),
    )


def work_for(sightings: Sequence[Sighting]) -> int:
    """About how many steps it takes to find the scenes."""
    return sum(min(_STARTS, len(sighting.places)) for sighting in sightings)


def _tracks(sightings: Sequence[Sighting], gap: float) -> Iterator[Track]:
    at = 0
    while at < len(sightings):
        tracks = (_follow(sightings, at, start, gap) for start in _starts(sightings[at].places))
        best, after = max(tracks, key=lambda found: len(found[0].frames))
        yield best
        at = after


def _starts(places: Sequence[float]) -> Sequence[float]:
    """Some of the places, from the first to the last, where there are many."""
    if len(places) <= _STARTS:
        return places
    return [places[number * (len(places) - 1) // (_STARTS - 1)] for number in range(_STARTS)]


def _follow(
    sightings: Sequence[Sighting], first: int, place: float, gap: float
) -> tuple[Track, int]:
    """The track that begins with one frame at one place, and the number of the frame after it."""
    frames, places, after = [sightings[first]], [place], first + 1
    for number in range(first + 1, len(sightings)):
        sighting = sightings[number]
        passed = sighting.time - frames[-1].time
        if passed > gap:
            break
        expected = places[-1] + passed
        nearest = _nearest(sighting.places, expected)
        if abs(nearest - expected) <= _SLACK + _DRIFT * passed and nearest >= places[-1]:
            frames.append(sighting)
            places.append(nearest)
            after = number + 1
    return Track(tuple(frames), tuple(places)), after


def _nearest(places: Sequence[float], wanted: float) -> float:
    at = bisect_left(places, wanted)
    return min(places[max(0, at - 1) : at + 1], key=lambda place: abs(place - wanted))


def _pictures(frames: Sequence[Sighting]) -> int:
    """How many pictures the frames show, no more than are asked for."""
    count, last = 0, None
    for frame in frames:
        if last is None or (frame.value ^ last).bit_count() > STANDING_BITS:
            count, last = count + 1, frame.value
            if count == SCENE_PICTURES:
                break
    return count
