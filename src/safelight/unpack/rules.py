"""What counts as a container, how far one is opened, and what is said of what was not. Pure."""

from dataclasses import dataclass

from safelight.errors import CouldNotCheck
from safelight.sniff import Sniffed

MIB = 1 << 20

# A member that unpacks to less than this is no bomb, however small it was packed.
RATIO_FROM = 64 * MIB

# Most memory that a decompressor may ask for.
DICTIONARY_BYTES = 256 * MIB

# Bytes that readers take as headers, names and lists of one member.
HEADER_BYTES = 16 * MIB

# What a container's flags may say of members that were not reached.
TOO_MANY_MEMBERS = "too_many_members"
TOO_MUCH_DATA = "too_much_data"
TOO_DEEP = "too_deep"
MEMBERS_MISSING = "members_missing"
PICTURES_ONLY = "pictures_only"

_MESSAGES = {
    "password_protected": "a password is needed",
    "too_deep": "containers in containers, deeper than is opened",
    "too_many_members": "more members than are looked at",
    "too_much_data": "more bytes than are unpacked from one file",
    "member_too_large": "larger than is unpacked into memory",
    "suspicious_ratio": "unpacks to far more than it takes",
    "member_damaged": "the member is damaged or cut off",
    "archive_damaged": "the container is damaged",
    "unsupported_compression": "packed in a way that is not read",
    "archive_not_supported": "a container that is not opened",
    "read_error": "the disk gave an error",
    "out_of_memory": "unpacking needs too much memory",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpackLimits:
    """How far containers are opened. All but the bytes of a member are for one outermost file."""

    max_depth: int = 4  # containers in each other; a compressed tar counts once
    max_members: int = 1_000_000
    max_member_bytes: int = 512 * MIB  # of one member that has to be unpacked into memory
    max_total_bytes: int = 100 << 30  # unpacked; what lies in a container as it is costs nothing
    max_ratio: int = 1000  # bytes unpacked from one, once RATIO_FROM is reached

    def check_ratio(self, packed: int, unpacked: int) -> None:
        """Raise CouldNotCheck where so many bytes from so few look made to exhaust."""
        if unpacked > RATIO_FROM and unpacked > packed * self.max_ratio:
            raise could_not_check("suspicious_ratio")


def could_not_check(code: str) -> CouldNotCheck:
    """The error for one of the stable codes."""
    return CouldNotCheck(code, _MESSAGES[code])


def is_container(sniffed: Sniffed) -> bool:
    """Whether a file of this format holds others that `walk` names, or says why it cannot."""
    return sniffed.kind in ("archive", "mail") or sniffed.format in ("pdf", "ole")


def flag_for(code: str) -> str:
    """What a container's flags say when its reading ended with this code, after some members."""
    return code if code in (TOO_MANY_MEMBERS, TOO_MUCH_DATA) else MEMBERS_MISSING
