"""What of a video is opened, and which of its frames are hashed. Pure.

vPDQ hashes every frame whose number, counted as frames leave the decoder, is a multiple of the
whole frames in a second. That is one a second where frames come at a constant rate. Where they do
not, frames would go unseen for long stretches, so that more are taken here: those vPDQ takes, and
the one on the screen whenever a second and a half went by without.
"""

from dataclasses import dataclass

# FFmpeg's demuxers that may be used. Each reads one file and none of them follows a reference to
# another file or address: no playlists, no lists of pieces, no raw streams.
DEMUXERS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,asf,ogg"

# FFmpeg's decoders that may be used, all of them for pictures.
DECODERS = (
    "h264,hevc,vvc,av1,libdav1d,vp3,vp4,vp5,vp6,vp6a,vp6f,vp7,vp8,libvpx,vp9,libvpx-vp9,theora,"
    "mpeg1video,mpeg2video,mpegvideo,mpeg4,msmpeg4v1,msmpeg4v2,msmpeg4,h261,h263,h263i,h263p,flv,"
    "wmv1,wmv2,wmv3,vc1,rv10,rv20,rv30,rv40,svq1,svq3,cinepak,indeo2,indeo3,indeo4,indeo5,"
    "mjpeg,mjpegb,jpegls,jpeg2000,png,tiff,bmp,webp,gif,rawvideo,v210,yuv4,dvvideo,huffyuv,"
    "ffvhuff,ffv1,utvideo,lagarith,magicyuv,prores,dnxhd,cfhd,qtrle,rpza,smc,8bps,msrle,msvideo1,"
    "flashsv,flashsv2,tscc,tscc2,zmbv,camstudio,cscd,fraps,hap,aic"
)

KEY_FRAME_SECONDS = 2.0
LONGEST_GAP = 1.5  # times the seconds between two hashes
_EARLIER = 0.999  # a key frame so much of an interval after the last one is taken
LONGEST_STEP = 86_400.0  # seconds between two frames; longer, the time stamps are taken for broken
_LAST_TIME = 2_000_000.0  # seconds; in milliseconds it has to fit into 31 bits


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoLimits:
    """Most pixels in a frame, most frames that are hashed, and most that are decoded for that.

    By default: a day, at one hash a second and sixty frames a second.
    """

    max_pixels: int = 120_000_000
    max_frames: int = 24 * 3600
    max_decoded: int = 24 * 3600 * 60


class RegularPicker:
    """Picks as vPDQ does at a constant rate; where the rate varies, that and more.

    `rate` is the average number of frames a second, None where the file does not tell.
    """

    def __init__(self, rate: float | None, seconds: float = 1.0) -> None:
        # not rounded: 29.97 frames a second give 29, as in the reference
        self._every = max(1, int(seconds * rate)) if rate else None
        self._gap = LONGEST_GAP * seconds
        self._last = 0.0

    def takes(self, number: int) -> bool:
        """Whether frame `number` is one that vPDQ hashes."""
        return number == 0 if self._every is None else number % self._every == 0

    def is_overdue(self, time: float) -> bool:
        """Whether so long went by without a frame that the one shown before `time` is taken."""
        return time - self._last >= self._gap

    def took(self, time: float) -> None:
        """Note that the frame at `time` was taken."""
        self._last = time


class KeyFramePicker:
    """Picks every key frame that comes KEY_FRAME_SECONDS or more after the last one picked."""

    def __init__(self) -> None:
        self._seconds = KEY_FRAME_SECONDS * _EARLIER
        self._last: float | None = None

    def takes(self, stamp: float | None) -> bool:
        """Whether the key frame with the time stamp `stamp`, in seconds, is decoded and hashed."""
        if stamp is None or self._last is None or abs(stamp - self._last) >= self._seconds:
            self._last = stamp
            return True
        return False


class Clock:
    """Turns the time stamps of a file into seconds from its first frame that never run backwards.

    Time stamps may be missing, jump, or be made up.
    """

    def __init__(self, rate: float | None) -> None:
        self._step = 1 / rate if rate else 0.04
        self._origin: float | None = None
        self._time: float | None = None

    def tell(self, stamp: float | None) -> float:
        """The time of the next frame, which has the time stamp `stamp`, in seconds."""
        last = self._time
        if last is None:
            self._origin, self._time = stamp, 0.0
            return 0.0
        told = None if stamp is None or self._origin is None else stamp - self._origin
        if told is None or not last <= told <= last + LONGEST_STEP:
            told = last + self._step
            self._origin = None if stamp is None else stamp - told
        self._time = min(told, _LAST_TIME)
        return self._time
