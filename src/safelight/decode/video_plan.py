"""Which frames of a video need not be decoded. Loaded by `video_av` only.

In H.264 many frames are referred to by no other: to get at one frame a second they can be left out,
and what is decoded is the same bit for bit. To know which frame is which without decoding it, the
time stamps of all packets are read first. That is done only where nothing is out of the ordinary:
whatever is, is decoded frame by frame.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice

import numpy as np
import numpy.typing as npt
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from safelight.decode.video_rules import LONGEST_STEP, Clock, RegularPicker, choose

# For fewer packets it is not worth the while; more are not kept in memory.
_LEAST_PACKETS, _MOST_PACKETS = 600, 1_000_000

# So many frames are decoded to see that they come out in the order that is expected.
_PROBED = 60


# H.264 keeps up to 16 frames back until it is their turn.
_REORDERED = 32


@dataclass(frozen=True, slots=True)
class Planned:
    """A frame to hash: its number in the order of showing, its time in seconds, its time stamp."""

    number: int
    time: float
    stamp: int


@dataclass(frozen=True, slots=True)
class Plan:
    """The frames to hash, by their time stamps, and when the video ends."""

    shown: dict[int, Planned]
    end: float


Stamps = npt.NDArray[np.int64]
_NO_STAMPS: Stamps = np.empty(0, np.int64)

Choose = Callable[[InputContainer], VideoStream]


def may_be_planned(stream: VideoStream) -> bool:
    """Whether frames of this stream can be told from their packets."""
    return stream.codec_context.name == "h264" and not 0 < stream.frames < _LEAST_PACKETS


def find_plan(
    open_again: Callable[[], InputContainer],
    choose_stream: Choose,
    picker: RegularPicker,
    rate: float | None,
) -> Plan | None:
    """The plan for a file, or None where it has to be decoded frame by frame.

    Raises MemoryError.
    """
    try:
        return _find_plan(open_again, choose_stream, picker, rate)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001  as in video_av: then it is decoded as far as it goes
        return None


def _find_plan(
    open_again: Callable[[], InputContainer],
    choose_stream: Choose,
    picker: RegularPicker,
    rate: float | None,
) -> Plan | None:
    with open_again() as container:
        stream = choose_stream(container)
        base = stream.time_base
        stamps, last = _stamps(container, stream)
    if len(stamps) < _LEAST_PACKETS or not base:
        return None
    with open_again() as container:
        if not _come_in_order(container, choose_stream(container), stamps[:_PROBED].tolist()):
            return None
    step = Fraction(base.numerator, base.denominator)
    return _plan(stamps, float(last * step), float(step), picker, Clock(rate))


def _stamps(container: InputContainer, stream: VideoStream) -> tuple[Stamps, int]:
    """The time stamps of all packets, sorted, and how long the last packet lasts.

    None at all where one is missing, there twice, or far from where it belongs.
    """
    read, lasts = array("q"), 0
    for packet in _packets(container, stream):
        if packet.pts is None or not _is_plain(packet) or len(read) == _MOST_PACKETS:
            return _NO_STAMPS, 0
        read.append(packet.pts)
        lasts = packet.duration or 0
    stamps = np.frombuffer(read, np.int64)
    order = np.argsort(stamps, kind="stable")
    moved = np.abs(order - np.arange(len(order)))
    if (np.diff(stamps[order]) == 0).any() or moved.max(initial=0) > _REORDERED:
        return _NO_STAMPS, 0
    return stamps[order], lasts


def _is_plain(packet: Packet[VideoStream]) -> bool:
    return not (packet.is_corrupt or packet.is_discard or packet.has_sidedata("encryption_info"))


def _packets(container: InputContainer, stream: VideoStream) -> Iterator[Packet[VideoStream]]:
    for other in container.streams:
        if other.index != stream.index:
            other.discard = Discard.all
    return (packet for packet in container.demux(stream) if packet.size)


def _come_in_order(container: InputContainer, stream: VideoStream, stamps: list[int]) -> bool:
    """Whether the first frames are those of the first packets, one for each, and whole."""
    stream.codec_context.thread_count = 1
    frames = list(islice(_decoded(container, stream), _PROBED))
    return [frame.pts for frame in frames] == stamps[:_PROBED] and not any(
        frame.is_corrupt or frame.interlaced_frame for frame in frames
    )


def _decoded(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    for packet in _packets(container, stream):
        yield from stream.codec_context.decode(packet)


def _plan(stamps: Stamps, last: float, step: float, picker: RegularPicker, clock: Clock) -> Plan:
    lasts = last if 0 < last < LONGEST_STEP else 0.0
    every = (
        Planned(number, clock.tell(stamp * step), stamp)
        for number, stamp in enumerate(map(int, stamps))
    )
    shown = {frame.stamp: frame for frame in choose(every, picker, lambda _: lasts)}
    return Plan(shown, clock.now + lasts)
