"""Videos: the frames of the reference, times, flags, refusals, limits."""

import dataclasses
import json
from fractions import Fraction
from itertools import chain
from pathlib import Path

import pytest

av = pytest.importorskip("av")

from pictures import distance, pattern, saved  # noqa: E402  after the check that PyAV is there
from test_tail import zipped  # noqa: E402
from videos import clip, opened, scene, sound, still  # noqa: E402

from safelight.decode import video  # noqa: E402
from safelight.decode.video_rules import DECODERS  # noqa: E402
from safelight.errors import CouldNotCheck  # noqa: E402
from safelight.model import FrameHashes, FrameSampling  # noqa: E402

DATA = Path(__file__).parent / "data"
KEYS = FrameSampling.KEY_FRAMES


def summary(frames: list[FrameHashes]) -> list[tuple[int, int, str, float | None]]:
    return [(frame.number, frame.quality, frame.pdq, frame.time) for frame in frames]


def refusal(data: bytes, sampling: FrameSampling = FrameSampling.SECOND, **limits: int) -> str:
    with pytest.raises(CouldNotCheck) as caught:
        opened(data, sampling, **limits)
    return caught.value.code


# ---- against the reference ----


@pytest.mark.parametrize("name", ["moving.mp4", "moving.webm", "moving.avi"])
def test_the_frames_are_those_of_vpdq(name: str) -> None:
    reference = json.loads((DATA / f"{name}.json").read_text())
    _, frames = opened((DATA / name).read_bytes())
    assert summary(frames) == [tuple(row) for row in reference]


@pytest.mark.parametrize("name", ["moving.mp4", "moving.webm", "moving.avi"])
def test_vpdq_says_so_itself_where_it_is_installed(name: str) -> None:
    vpdq = pytest.importorskip("vpdq")
    _, frames = opened((DATA / name).read_bytes())
    assert summary(frames) == [
        (one.frame_number, one.quality, one.hex, round(one.timestamp, 3))
        for one in vpdq.computeHash(str(DATA / name))
    ]


# pixel formats whose conversion differs in a bit or two from one release of libswscale to the next
@pytest.mark.parametrize(
    ("codec", "container", "pixels", "size", "most"),
    [
        ("libx264", "mp4", "yuv420p", (192, 144), 0),
        ("libx264", "matroska", "yuv444p", (191, 143), 0),
        ("libx264", "mp4", "yuvj420p", (192, 144), 0),
        ("libx265", "mp4", "yuv420p10le", (192, 144), 8),
        ("libvpx", "webm", "yuv420p", (192, 144), 0),
        ("libsvtav1", "mp4", "yuv420p", (192, 144), 0),
        ("mpeg2video", "mpegts", "yuv420p", (192, 144), 0),
        ("mpeg1video", "mpeg", "yuv420p", (192, 144), 0),
        ("mpeg4", "avi", "yuv420p", (191, 143), 4),
        ("mjpeg", "avi", "yuvj422p", (192, 144), 0),
        ("flv", "flv", "yuv420p", (192, 144), 0),
        ("wmv2", "asf", "yuv420p", (192, 144), 0),
        ("prores_ks", "mov", "yuv422p10le", (192, 144), 4),
        ("qtrle", "mov", "argb", (192, 144), 0),
        ("ffv1", "matroska", "bgra", (192, 144), 0),
        ("libx264", "matroska", "gray", (192, 144), 0),
    ],
)
def test_every_kind_of_video_is_read(
    codec: str,
    container: str,
    pixels: str,
    size: tuple[int, int],
    most: int,
    tmp_path: Path,
) -> None:
    rate = 25 if container == "mpeg" else 10
    options = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    frames = scene(4, 3 * rate, *size)
    data = clip(frames, container=container, codec=codec, rate=rate, pixels=pixels, options=options)
    found, hashes = opened(data)
    assert (found.width, found.height) == size
    assert found.flags == set()
    assert [frame.number for frame in hashes] == [0, rate, 2 * rate]
    assert [frame.time for frame in hashes] == [0.0, 1.0, 2.0]
    assert found.duration == pytest.approx(3.0, abs=0.1)
    _, keys = opened(data, KEYS)
    assert keys
    compare(data, hashes, most, tmp_path)


def compare(data: bytes, hashes: list[FrameHashes], most: int, folder: Path) -> None:
    """Hold the hashes against those of vpdq, where that is installed."""
    try:
        import vpdq  # noqa: PLC0415  has to be built; see CONTRIBUTING.md
    except ModuleNotFoundError:
        return
    (folder / "video").write_bytes(data)
    reference = vpdq.computeHash(str(folder / "video"))
    assert [one.frame_number for one in reference] == [one.number for one in hashes]
    for ours, theirs in zip(hashes, reference, strict=True):
        assert distance(ours.pdq, theirs.hex) <= most
        assert abs(ours.quality - theirs.quality) <= (1 if most else 0)


# ---- which frames ----


def test_frames_that_come_irregularly_are_not_passed_over() -> None:
    # 30 frames in the first second, then one every two seconds, all on the screen for that long
    times = [*range(30), *range(89, 689, 60)]
    data = clip(scene(1, len(times)), rate=30, times=times, container="matroska")
    _, frames = opened(data)
    shown = [round(time / 30, 3) for time in times]
    assert {frame.time for frame in frames} >= {0.0, *shown[29:-1]}


def test_a_time_base_that_runs_backwards_gives_times_that_do_not() -> None:
    data = clip(scene(1, 40), container="mpegts", codec="mpeg2video", rate=25)
    _, frames = opened(data + data)  # the second half starts at the same time stamps again
    times = [frame.time for frame in frames]
    assert len(times) >= 3
    assert times == sorted(times, key=lambda time: time or 0.0)


def test_key_frames_alone_are_hashed_for_triage() -> None:
    data = clip(scene(1, 100), rate=10, options={"x264-params": "keyint=30:min-keyint=30"})
    found, frames = opened(data, KEYS)
    assert "key_frames_only" in found.flags
    assert [frame.time for frame in frames] == [0.0, 3.0, 6.0, 9.0]
    assert [frame.number for frame in frames] == [0, 30, 60, 90]
    _, exact = opened(data)
    for quick in frames:
        (same,) = [frame for frame in exact if frame.number == quick.number]
        assert distance(quick.pdq, same.pdq) <= 10


def test_where_every_frame_is_a_key_frame_few_are_decoded() -> None:
    data = clip(scene(1, 100), container="avi", codec="mjpeg", pixels="yuvj420p", rate=10)
    _, frames = opened(data, KEYS)
    assert [frame.time for frame in frames] == [0.0, 2.0, 4.0, 6.0, 8.0]


def test_a_video_of_one_frame_has_one_hash() -> None:
    found, frames = opened(clip(scene(1, 1)))
    assert [frame.number for frame in frames] == [0]
    assert found.duration == pytest.approx(0.1)


def test_stored_frames_are_hashed_whatever_the_display_matrix_says() -> None:
    data = bytearray(clip(scene(1, 20)))
    _, upright = opened(bytes(data))
    at = data.index(b"tkhd") + 4 + 40  # version 0: the matrix lies behind 40 bytes
    quarter = [0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30]
    data[at : at + 36] = b"".join(value.to_bytes(4, "big", signed=True) for value in quarter)
    _, turned = opened(bytes(data))
    assert summary(turned) == summary(upright)


def test_titles_need_not_be_text() -> None:
    data = clip(scene(1, 20), container="matroska")
    at = data.index(b"ENCODER") + 7  # a tag's name; its value follows
    encoder = data.index(b"Lavf", at)
    assert opened(data[:encoder] + b"\xff\xfe\xfd\xfc" + data[encoder + 4 :])[1]


def test_every_decoder_that_may_be_used_is_for_pictures() -> None:
    for name in DECODERS.split(","):
        assert av.codec.Codec(name, "r").type == "video"


def test_the_length_of_a_file_that_does_not_tell_it_is_found() -> None:
    live = clip(scene(1, 67), container="matroska", rate=10, muxer={"live": "1"})
    assert opened(live)[0].duration == pytest.approx(6.7, abs=0.05)
    assert opened(live, max_frames=2)[0].duration is None


# ---- broken files ----


def faststart() -> bytes:
    return clip(chain(scene(1, 50), scene(2, 50)), muxer={"movflags": "faststart"})


@pytest.mark.parametrize("container", ["mp4", "matroska", "avi"])
def test_a_cut_file_is_hashed_as_far_as_it_goes(container: str) -> None:
    whole = (
        faststart()
        if container == "mp4"
        else clip(chain(scene(1, 50), scene(2, 50)), container=container, codec="mpeg4")
    )
    _, every = opened(whole)
    found, frames = opened(whole[: len(whole) * 6 // 10])
    assert "truncated" in found.flags
    assert 1 <= len(frames) < len(every)
    assert summary(frames[:3]) == summary(every[:3])


def test_damaged_frames_are_hashed_and_said_to_be_damaged() -> None:
    data = bytearray(faststart())
    start = data.index(b"mdat") + 3000
    for at in range(start, len(data) - 200, 400):
        data[at] ^= 0xFF
    found, frames = opened(bytes(data))
    assert "damaged" in found.flags
    assert frames


def test_what_lies_behind_a_video_is_said() -> None:
    plain = clip(scene(1, 20))
    for data in (
        plain,
        clip(scene(1, 20), container="matroska"),
        clip(scene(1, 20), container="avi"),
    ):
        assert opened(data)[0].flags == set()
        assert opened(data + zipped())[0].flags == {"trailing_data"}
        assert opened(data + bytes(17 << 20) + zipped())[0].flags == {"trailing_data"}


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        ("asf", "wmv2"),
        ("flv", "flv"),
        ("ogg", "libvpx"),
        ("mpeg", "mpeg2video"),
        ("mpegts", "mpeg2video"),
    ],
)
def test_what_lies_behind_a_stream_is_said(container: str, codec: str) -> None:
    whole = clip(scene(1, 50), container=container, codec=codec, rate=25)
    picture = saved(pattern(256, 256), "PNG")
    assert len(picture) > 8192
    assert opened(whole)[0].flags == set()
    assert "trailing_data" in opened(whole + picture)[0].flags


@pytest.mark.parametrize(
    ("container", "codec"), [("mp4", "mpeg4"), ("asf", "wmv2"), ("flv", "flv")]
)
def test_a_second_video_behind_the_first_is_said(container: str, codec: str) -> None:
    first, second = (clip(scene(seed, 20), container=container, codec=codec) for seed in (1, 2))
    assert opened(first + second)[0].flags == {"trailing_data"}


@pytest.mark.parametrize("name", [b"free", b"skip", b"abcd", b"uuid"])
@pytest.mark.parametrize("to_the_end", [True, False])
def test_a_file_in_a_box_that_is_passed_over_is_said(name: bytes, to_the_end: bool) -> None:
    first, second = clip(scene(1, 20)), clip(scene(2, 20))

    def box(data: bytes) -> bytes:
        return (0 if to_the_end else len(data) + 8).to_bytes(4, "big") + name + data

    assert opened(first + box(bytes(5000)))[0].flags == set()
    for hidden in (second, bytes(3 << 20) + second, saved(pattern(64, 64), "JPEG"), zipped()):
        assert opened(first + box(hidden))[0].flags == {"trailing_data"}


@pytest.mark.parametrize("keep", [40, 1000, -600])
def test_a_file_without_its_index_is_damaged(keep: int) -> None:
    assert refusal(clip(scene(1, 20))[:keep]) == "damaged"


def test_a_second_video_or_a_cover_is_said_to_be_left_out() -> None:
    import io  # noqa: PLC0415

    out = io.BytesIO()
    with av.open(out, "w", format="matroska") as file:
        streams = [file.add_stream("mpeg4", rate=10) for _ in range(2)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for number, image in enumerate(scene(1, 10, 64, 64)):
            for stream in streams:
                frame = av.VideoFrame.from_image(image)
                frame.pts = number
                file.mux(stream.encode(frame))
        for stream in streams:
            file.mux(stream.encode())
    assert opened(out.getvalue())[0].flags == {"more_streams"}


# ---- refusals ----


def test_what_is_no_video_is_refused_by_its_reason() -> None:
    assert refusal(b"") == "empty"
    assert refusal(b"text") == "unknown_format"
    assert refusal(saved(pattern(), "PNG")) == "unknown_format"
    assert refusal(b".RMF" + bytes(100)) == "unknown_format"
    assert refusal(clip(scene(1, 3)), FrameSampling.NONE) == "video_not_asked"


def test_sound_alone_is_no_video() -> None:
    assert refusal(sound()) == "no_video"
    assert refusal(sound("matroska")) == "no_video"


def test_without_pyav_a_video_is_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys  # noqa: PLC0415

    data = clip(scene(1, 3))
    video._decoder.cache_clear()
    monkeypatch.delitem(sys.modules, "safelight.decode.video_av", raising=False)
    monkeypatch.delattr("safelight.decode.video_av", raising=False)
    monkeypatch.setitem(sys.modules, "av", None)
    assert refusal(data) == "video_not_installed"
    video._decoder.cache_clear()


def test_encrypted_videos_are_not_checked() -> None:
    key = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": "00" * 15 + "01"}
    data = clip(scene(1, 20), muxer=key | {"encryption_kid": "00" * 15 + "02"})
    assert refusal(data) == "encrypted"


# ---- limits ----


def test_frames_beyond_the_limit_are_not_hashed_and_that_is_said() -> None:
    data = clip(scene(1, 50))
    found, frames = opened(data, max_frames=3)
    assert (len(frames), found.flags) == (3, {"frames_capped"})
    found, frames = opened(data, max_decoded=25)
    assert (len(frames), found.flags) == (3, {"frames_capped"})
    assert opened(data, max_frames=5)[0].flags == set()


def test_frames_of_too_many_pixels_are_refused() -> None:
    assert refusal(clip(scene(1, 5)), max_pixels=192 * 144 - 1) == "too_many_pixels"
    assert opened(clip(scene(1, 5)), max_pixels=192 * 144)[1]


def test_the_sample_for_the_self_test_is_small_and_reads() -> None:
    samples = video.samples()
    assert samples
    for data in samples.values():
        assert len(data) < 20_000
        assert opened(data)[1]


def test_a_frame_keeps_its_hash_whatever_is_decoded_with_it() -> None:
    """Standing frames, B-frames and open groups: the numbers are those of the frames shown."""
    data = clip(
        chain(scene(1, 30), still(2, 30), scene(3, 30)),
        rate=Fraction(30000, 1001),
        options={"x264-params": "bframes=5:b-pyramid=normal:open-gop=1:keyint=20"},
    )
    _, frames = opened(data)
    assert [frame.number for frame in frames] == [0, 29, 58, 87]
    assert dataclasses.replace(frames[0], time=None).time is None
