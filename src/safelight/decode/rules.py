"""What is refused, why, and which frames are looked at. Pure."""

from dataclasses import dataclass

from safelight.errors import CouldNotCheck

# Every reason why a file's picture was not examined. The codes are stable; other programs rely on
# them. The text says what happened and what to do.
REASONS: dict[str, str] = {
    "empty": "The file is empty.",
    "not_a_file": "This is not a regular file (a folder, a pipe, a device or a socket).",
    "permission_denied": "This user may not read the file; run as one who may, and try again.",
    "vanished": "The file was there when its folder was listed and has gone since; scan again.",
    "link_not_followed": "A link out of the scanned folders, or to nothing; scan its target too.",
    "path_too_long": "The path is longer than the system takes; scan from further inside.",
    "internal": "A mistake in Safelight kept this file from being examined; please report it.",
    "read_error": "The disk gave an error while the file was read; try a copy of the disk.",
    "not_a_picture": "The file is not a picture, so only its exact bytes can be compared.",
    "unknown_format": "Safelight does not read this format; only the exact bytes are compared.",
    "too_large": "The file is larger than SAFELIGHT_MAX_IMAGE_BYTES; raise it to examine the file.",
    "too_many_pixels": "The picture has more pixels than SAFELIGHT_MAX_PIXELS; raise it to examine "
    "the file if it is not a decompression bomb.",
    "no_video": "There is no moving picture in the file, only sound or text; sound is not checked.",
    "video_not_installed": "Videos need PyAV: pip install 'safelight[video]', then try again.",
    "video_not_asked": "The file is a video, and it was asked not to look into videos.",
    "encrypted": "What the file holds is encrypted; only the exact bytes are compared.",
    "damaged": "Nothing could be decoded: the file is damaged, or a rare variant of its format.",
    "crashed": "The decoder crashed on this file; the file may be made to attack: leave it alone.",
    "timed_out": "The file took longer than SAFELIGHT_DECODE_SECONDS; raise it to examine it.",
    "not_there": "The manifest names a file that is not there; mend the manifest, or give --base.",
    "no_file_named": "The manifest's row names no file, or cannot be read as a row.",
    "no_bytes": "The row of the table holds no bytes of a picture.",
    "bad_object_name": "No store can be asked for an object of this name.",
    "remote_error": "The object could not be fetched; run the same command again to try it again.",
    "out_of_memory": "The file needs more than SAFELIGHT_DECODE_MEMORY_MB; raise it to examine it.",
    # of containers and what is in them
    "password_protected": "A password is needed; open it with that, and scan what is in it.",
    "too_deep": "Containers lie in each other deeper than Safelight opens them; unpack this one, "
    "and scan what is in it.",
    "too_much_data": "More was unpacked from this file than the limit allows; unpack it, and scan "
    "what is in it.",
    "member_too_large": "It is packed, and larger than is unpacked into memory: only its exact "
    "bytes are compared; unpack the container, and scan what is in it.",
    "suspicious_ratio": "It unpacks to far more bytes than it takes, or shares its bytes with "
    "other members, as a decompression bomb does; unpack it with care, and scan what is in it.",
    "member_damaged": "This part of its container is damaged or cut off; look for another copy.",
    "unsupported_compression": "It is packed in a way that Safelight does not read; unpack the "
    "container with the program that made it, and scan what is in it.",
    "too_many_members": "The container has more members than are looked at; unpack it, and scan "
    "what is in it.",
    "archive_damaged": "The container is damaged, and nothing in it could be reached; try to "
    "repair it, or look for another copy.",
    "archive_not_supported": "Safelight does not open this kind of container; unpack it with the "
    "program it is made for, and scan what is in it.",
}

# What a picture's flags may say.
FLAGS: dict[str, str] = {
    "truncated": "The file ends early; what could be decoded was hashed.",
    "damaged": "The decoder complained and was told to go on; the pixels may be partly wrong.",
    "unusual_pixels": "Numbers that do not say which is white; they were scaled by what there is.",
    "preview_only": "A camera's raw file, or a TIFF laid out like one: its preview was hashed.",
    "trailing_data": "Behind the picture's end the file goes on with what may be another file.",
    "animated": "The file is an animation; its frames were hashed, up to 16 of them.",
    "pages": "The file holds several pictures or pages; they were hashed, up to 16 of them.",
    "more_pictures_missing": "Further pictures or pages that the file announces are not in it, or "
    "not whole; the others were hashed.",
    "frames_skipped": "Not every page or frame was looked at.",
    "frames_capped": "An animation or video is so long that its end was not looked at.",
    "key_frames_only": "Of the video only the frames that stand alone in it were hashed (triage).",
    "more_streams": "Further videos or a cover picture in the same file were not looked at.",
    "too_many_members": "The container holds more than is looked at.",
    "too_much_data": "More would have had to be unpacked from the container than is.",
    "too_deep": "Containers lie in it deeper in each other than they are opened.",
    "members_missing": "Something in the container could not be taken out of it.",
    "pictures_only": "Of the document only the pictures in it were hashed.",
    "nothing_compared": "Of a video: no frame has enough quality, so none was compared.",
    "turned": "An EXIF orientation was applied; the hash of the stored pixels is given as well.",
    "transparent": "The picture was laid on white; the hash without that is given as well.",
}

# Of a picture's pages or frames at most so many are hashed.
MOST_FRAMES = 16

# An animation is decoded frame by frame up to the last one wanted: at most so many times the pixels
# of the largest picture allowed. The pages that are hashed have no more pixels than that together.
FRAME_BUDGET = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class DecodeLimits:
    """Largest picture and file that are decoded."""

    max_pixels: int = 120_000_000
    max_bytes: int = 1 << 30

    def check_pixels(self, width: int, height: int) -> None:
        """Raise CouldNotCheck for a picture that is too large, or that has no pixels."""
        if width < 1 or height < 1:
            raise could_not_check("damaged")
        if width * height > self.max_pixels:
            raise could_not_check("too_many_pixels")

    def check_bytes(self, size: int) -> None:
        """Raise CouldNotCheck for a file that is empty or too large."""
        if size == 0:
            raise could_not_check("empty")
        if size > self.max_bytes:
            raise could_not_check("too_large")

    def frames_within_reach(self, width: int, height: int) -> int:
        """How many frames of an animation may be decoded to get at the last one wanted."""
        return max(1, self.frame_budget // (width * height))

    @property
    def frame_budget(self) -> int:
        """How many pixels the frames or pages of one file may have together."""
        return FRAME_BUDGET * self.max_pixels


def could_not_check(code: str) -> CouldNotCheck:
    """The error for a stable code of REASONS."""
    return CouldNotCheck(code, REASONS[code])


def frames_to_take(count: int) -> tuple[int, ...]:
    """The numbers of `count` frames; of more than MOST_FRAMES some, evenly from first to last."""
    if count <= MOST_FRAMES:
        return tuple(range(max(1, count)))
    return tuple(number * (count - 1) // (MOST_FRAMES - 1) for number in range(MOST_FRAMES))


def eighths_for(width: int, height: int, *, turned: bool) -> int:
    """The smallest scale n/8, n in 1, 2, 4, 8, that a JPEG may be decoded at for a fast hash.

    The short side keeps at least 256 samples: measured, no hash then drifts by more than 10 bits.
    A turned picture whose sides are no multiple of 8 is not scaled: its last, partial block would
    come to lie at the start, where the kernel does not expect it.
    """
    if turned and (width % 8 or height % 8):
        return 8
    for eighths in (1, 2, 4):
        if min(width, height) * eighths >= 256 * 8:
            return eighths
    return 8
