"""Videos by PyAV, which is FFmpeg. The only module that imports it; `video` loads this one.

FFmpeg gets bytes and nothing else: no file name, a list of allowed formats and decoders, no
protocol that could open a second file or an address. Sound and subtitles are dropped undecoded.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.stream import Discard, Disposition
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter
from av.video.stream import VideoStream

from safelight.decode.pixels import Frame, Pixels, Video
from safelight.decode.rules import DecodeLimits, could_not_check
from safelight.decode.video_rules import (
    DECODERS,
    DEMUXERS,
    LONGEST_STEP,
    Clock,
    KeyFramePicker,
    RegularPicker,
    VideoLimits,
)
from safelight.errors import CouldNotCheck
from safelight.model import FrameSampling
from safelight.source import Source

_BUFFER_BYTES = 1 << 16
_LONGEST_DURATION = 1e9  # seconds; files say all sorts of things

# Titles need not be text. From version 19 on PyAV takes them as they are.
_TOLERANT: dict[str, Any] = (
    {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < 19 else {}
)

# Formats whose first plane is luma, a byte each.
_LUMA_FIRST = ("yuv410p", "yuv411p", "yuv420p", "yuv422p", "yuv440p", "yuv444p", "nv12", "gray")


def load_all() -> None:
    """Load every module of PyAV: it would load some when it first meets a stream of their kind."""
    for module in pkgutil.walk_packages(av.__path__, "av."):
        if module.name not in ("av.__main__", "av.datasets"):
            import_module(module.name)


class _Bytes:
    """A file without a name: FFmpeg takes a playlist's name for a place to look for its parts."""

    def __init__(self, source: Source) -> None:
        stream = source.stream()
        self.read, self.seek, self.tell = stream.read, stream.seek, stream.tell


def _refuse(*_request: Any) -> Any:
    """What FFmpeg calls when one file asks for another."""
    raise PermissionError("a video asked for another file")


def open_container(source: Source, limits: VideoLimits) -> InputContainer:
    """Open a file of one of the formats DEMUXERS. Raises what PyAV raises."""
    options = {
        "format_whitelist": DEMUXERS,
        "protocol_whitelist": "none",
        "codec_whitelist": DECODERS,
    }
    container: InputContainer = av.open(
        _Bytes(source),
        mode="r",
        options={"max_pixels": str(limits.max_pixels)},
        container_options=options,
        **_TOLERANT,
        buffer_size=_BUFFER_BYTES,
        io_open=_refuse,
    )
    return container


def open_video(
    source: Source, limits: VideoLimits, sampling: FrameSampling, seconds: float = 1.0
) -> Video:
    """As `video.open_video` says; `seconds` from one hash to the next, 0 for every frame."""
    try:
        container = open_container(source, limits)
    except MemoryError:
        raise
    except Exception as exc:
        raise could_not_check("damaged") from exc
    reader = _Reader(container, limits, sampling, seconds)
    return reader.video(source.sniffed.format)


@dataclass(frozen=True, slots=True)
class _Shown:
    """A decoded frame, its number in the order of showing, and its time in seconds."""

    number: int
    time: float
    frame: VideoFrame


class _Reader:
    """Decodes one stream of an open file, frame by frame."""

    def __init__(
        self,
        container: InputContainer,
        limits: VideoLimits,
        sampling: FrameSampling,
        seconds: float,
    ) -> None:
        self._container, self._limits, self._seconds = container, limits, seconds
        self._only_keys = sampling is FrameSampling.KEY_FRAMES
        self._stream = stream = _choose(container)
        self._rate = _ratio(stream.average_rate) or _ratio(stream.base_rate)
        self._convert = VideoReformatter()
        self._packets, self._end = 0, 0.0
        self.flags: set[str] = set()
        if self._only_keys:
            self.flags.add("key_frames_only")
        if len(container.streams.video) > 1:
            self.flags.add("more_streams")

    def video(self, name: str) -> Video:
        """Decode the first frame. Raises CouldNotCheck where there is none."""
        self._prepare()
        frames = self._frames()
        first = next(frames, None)
        if first is None:
            raise could_not_check("damaged")
        video = Video(
            format=name,
            width=first.width,
            height=first.height,
            duration=_told_duration(self._container, self._stream),
            flags=self.flags,
            frames=iter(()),
        )
        video.frames = self._rest(video, first, frames)
        return video

    def _prepare(self) -> None:
        context = self._stream.codec_context
        if context is None or context.codec.name not in DECODERS.split(","):
            raise could_not_check("unknown_format")
        self._check_pixels(context.width, context.height)
        context.thread_count = 1
        context.options = {"max_pixels": str(self._limits.max_pixels)}
        if self._only_keys:
            context.skip_frame = "NONKEY"
            context.options |= {"skip_loop_filter": "all"}  # a bit or two, for a tenth of the time
        for stream in self._container.streams:
            if stream.index != self._stream.index:
                stream.discard = Discard.all

    def _check_pixels(self, width: int, height: int) -> None:
        # sizes of zero are found when the first frame is there
        DecodeLimits(max_pixels=self._limits.max_pixels).check_pixels(width or 1, height or 1)

    def _rest(self, video: Video, first: Frame, frames: Iterator[Frame]) -> Iterator[Frame]:
        yield first
        del first  # its memory is wanted for the next one
        yield from frames
        if video.duration is None and "frames_capped" not in self.flags:
            video.duration = round(self._end, 3)

    def _frames(self) -> Iterator[Frame]:
        """The frames to hash, as they are decoded."""
        taken = 0
        try:
            for shown in self._chosen():
                if taken == self._limits.max_frames:
                    self.flags.add("frames_capped")
                    return
                frame = self._frame(shown)
                if frame is not None:
                    taken += 1
                    yield frame
            self._note_missing()
        finally:
            self._container.close()

    def _chosen(self) -> Iterator[_Shown]:
        picker, waiting = self._picker(), None
        for shown in self._shown():
            if waiting is not None and picker.is_overdue(shown.time):
                picker.took(waiting.time)
                yield waiting
            waiting = shown
            if picker.takes(shown.number):
                picker.took(shown.time)
                waiting = None
                yield shown
        if waiting is not None and picker.is_overdue(waiting.time + self._lasts(waiting.frame)):
            yield waiting

    def _shown(self) -> Iterator[_Shown]:
        clock = Clock(self._rate)
        for number, frame in enumerate(self._decoded()):
            time = clock.tell(self._stamp(frame.pts))
            self._end = time + (self._lasts(frame) or 1 / (self._rate or 25))
            yield _Shown(number, time, frame)

    def _lasts(self, frame: VideoFrame) -> float:
        told = self._stamp(frame.duration) or 0.0
        return told if 0 < told < LONGEST_STEP else 0.0

    def _picker(self) -> RegularPicker:
        if self._only_keys:
            return RegularPicker(None, seconds=0.0)  # they were picked before they were decoded
        return RegularPicker(self._rate, self._seconds)

    def _decoded(self) -> Iterator[VideoFrame]:
        decoded = 0
        for packet in self._wanted():
            for frame in self._decode(packet):
                if decoded == self._limits.max_decoded:
                    self.flags.add("frames_capped")
                    return
                decoded += 1
                if frame.is_corrupt:
                    self.flags.add("damaged")
                yield frame

    def _decode(self, packet: Packet[VideoStream] | None) -> list[VideoFrame]:
        """The frames that come out once the packet (None: the end) has gone in."""
        try:
            return list(self._stream.codec_context.decode(packet))
        except (MemoryError, CouldNotCheck):
            raise
        except EOFError:
            return []
        except Exception:  # noqa: BLE001  decoders raise nearly every class there is
            self.flags.add("damaged")
            return []

    def _wanted(self) -> Iterator[Packet[VideoStream] | None]:
        """The packets to decode, and None for the end."""
        picker = KeyFramePicker()
        found = False
        for packet in self._read():
            if not self._only_keys:
                yield packet
            elif packet.is_keyframe or not found:
                found = found or packet.is_keyframe
                if picker.takes(self._stamp(packet.pts)):
                    yield packet
        yield None

    def _read(self) -> Iterator[Packet[VideoStream]]:
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except MemoryError:
                raise
            except Exception as exc:
                if isinstance(exc, OSError) and not isinstance(exc, av.FFmpegError):
                    raise could_not_check("read_error") from exc
                self.flags.add("damaged")
                return
            if packet is None:
                return
            if packet.size:  # one without bytes would end the decoder's work
                self._check_packet(packet)
                yield packet

    def _check_packet(self, packet: Packet[VideoStream]) -> None:
        self._packets += 1
        if packet.is_corrupt:
            self.flags.add("damaged")
        if packet.has_sidedata("encryption_info"):
            raise could_not_check("encrypted")

    def _stamp(self, stamp: int | None) -> float | None:
        base = _ratio(self._stream.time_base)
        return None if stamp is None or base is None else stamp * base

    def _note_missing(self) -> None:
        """Set the flag where the file lists more frames than it holds."""
        listed = self._stream.frames if self._container.format.name.startswith("mov") else 0
        if self._packets < listed and "frames_capped" not in self.flags:
            self.flags.add("truncated")

    def _frame(self, shown: _Shown) -> Frame | None:
        decoded, number, time = shown.frame, shown.number, shown.time
        self._check_pixels(decoded.width, decoded.height)
        if self._only_keys:
            number = round(time * (self._rate or 25))
        try:
            pixels = self._luma(decoded) if self._only_keys else None
            pixels = self._rgb(decoded) if pixels is None else pixels
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001  as above
            self.flags.add("damaged")
            return None
        high, wide = pixels.shape[:2]
        return Frame(number=number, pixels=pixels, width=wide, height=high, time=round(time, 3))

    def _rgb(self, frame: VideoFrame) -> Pixels:
        """The pixels as the reference converts them.

        It leaves the file's colour space out of account, and takes YUV for limited in range unless
        the format is one of those that are not.
        """
        name = frame.format.name
        limited = name.startswith(("yuv", "nv", "p0")) and not name.startswith("yuvj")
        converted = self._convert.reformat(
            frame,
            format="rgb24",
            interpolation=Interpolation.AREA,
            src_colorspace=Colorspace.ITU601,
            dst_colorspace=Colorspace.ITU601,
            src_color_range=ColorRange.MPEG if limited else ColorRange.UNSPECIFIED,
            dst_color_range=ColorRange.JPEG,
            threads=1,
        )
        return np.ascontiguousarray(converted.to_ndarray(), dtype=np.uint8)

    def _luma(self, frame: VideoFrame) -> Pixels | None:
        """The luma plane as it is stored, or None where there is none of whole bytes."""
        plane = frame.planes[0]
        if frame.format.name.replace("yuvj", "yuv") not in _LUMA_FIRST or plane.line_size <= 0:
            return None
        rows = np.frombuffer(bytes(plane), np.uint8, count=plane.line_size * frame.height)
        return np.ascontiguousarray(rows.reshape(frame.height, -1)[:, : frame.width])


def _ratio(ratio: Any) -> float | None:
    """A fraction of FFmpeg as a number; None where it is nothing, or not more than nothing."""
    if ratio is None or not ratio.denominator:
        return None
    value: float = ratio.numerator / ratio.denominator
    return value if value > 0 else None


def _choose(container: InputContainer) -> VideoStream:
    """The first stream of moving pictures, as in the reference; a cover picture is none."""
    for stream in container.streams.video:
        if not stream.disposition & Disposition.attached_pic:
            return stream
    raise could_not_check("no_video")


def _told_duration(container: InputContainer, stream: VideoStream) -> float | None:
    told = None
    if container.duration is not None:
        told = container.duration / av.time_base
    elif stream.duration is not None:
        told = stream.duration * (_ratio(stream.time_base) or 0.0)
    return round(told, 3) if told is not None and 0 < told < _LONGEST_DURATION else None
