"""How the reasons of a verdict are worded. Pure.

Every reason begins with a stable word; docs/explanation/verdicts.md explains each.
"""

from safelight.model import PERCEPTUAL, Algorithm, Match, Scene, VideoMatch

TURNS = {
    "identity": "as it is",
    "rot90": "turned by 90°",
    "rot180": "turned by 180°",
    "rot270": "turned by 270°",
    "flip_vertical": "flipped upside down",
    "flip_horizontal": "mirrored",
    "transpose": "mirrored and turned",
    "anti_transpose": "mirrored and turned",
}


_EXACT_ONLY = "; compared for equality only, as it is near to too many ordinary pictures"


def why(match: Match, quality: int, *, radius: int, min_quality: int, exact_only: bool) -> str:
    """What makes it a match: `quality` is the lower of the two hashes'."""
    where = _where(match)
    if match.algorithm is Algorithm.PHOTODNA:
        return f"same_photodna: the PhotoDNA hash is that of {where}"
    if match.algorithm not in PERCEPTUAL:
        return f"same_{match.algorithm}: byte for byte the file of {where}"
    turned = f", {TURNS[match.orientation]}" if match.orientation != "identity" else ""
    at = "" if match.time is None else f", at {clock(match.time)}"
    if match.video is not None:
        return _video_reason(match, match.video, f"{where}{turned}", radius)
    if quality < min_quality:
        return (
            f"same_pdq_low_quality: the PDQ hash is that of {where}{turned}{at}, but at quality"
            f" {quality} it says little"
        )
    if match.distance == 0:
        only = _EXACT_ONLY if exact_only else ""
        return f"same_pdq: the PDQ hash is that of {where}{turned}{at}{only}"
    bits = f"{match.distance} of 256 bits"
    return f"near_pdq: {bits} from {where}{turned}{at} (radius {radius})"


def _video_reason(match: Match, video: VideoMatch, where: str, radius: int) -> str:
    if match.time is None:
        return (
            f"near_vpdq: {match.distance} of 256 bits from what the video of {where} shows at"
            f" {clock(video.scenes[0].list_start)} (radius {radius})"
        )
    scenes = ", ".join(map(_scene, video.scenes[:_SCENES_TOLD]))
    more = len(video.scenes) - _SCENES_TOLD
    return (
        f"near_vpdq: {video.query_percent:g} % of the frames are in the video of {where}, and"
        f" {video.list_percent:g} % of its frames in this one; {scenes}"
        + (f", and {more} more" if more > 0 else "")
        + f" (radius {radius})"
    )


_SCENES_TOLD = 3


def _scene(scene: Scene) -> str:
    here = f"{clock(scene.start)} to {clock(scene.end)}"
    return f"{here} is {clock(scene.list_start)} to {clock(scene.list_end)} there"


def clock(seconds: float) -> str:
    """Seconds as people read them on a player: 1:15, 2:00:07."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def on_ignore_list(match: Match) -> str:
    """That the very file is on a list of files to ignore."""
    return (
        f"on_ignore_list: byte for byte the file of {_where(match)}, whose files are not looked at"
        " further"
    )


def explained(by: Match) -> str:
    """What on a list of files to ignore is as near as a match, or nearer."""
    if by.video is not None:
        return f"{by.video.query_percent:g} % of it is in {_where(by)}, to ignore"
    if by.algorithm is not Algorithm.PDQ:
        return f"byte for byte the file of {_where(by)}, to ignore"
    return f"{by.distance} of 256 bits from {_where(by)}, to ignore"


def flood(list_name: str, entry: int, today: int, greatest: int) -> str:
    """That an entry matched so often today, and so often on the greatest of the days before."""
    before = f"at most {greatest:,} on a day before" if greatest else "never on a day before"
    return (
        f"flood: entry {entry} of list {list_name} matched {today:,} times today, {before}: a"
        " person must look before anything is done on this match"
    )


def _where(match: Match) -> str:
    return f"entry {match.entry} of list {match.list_name}"
