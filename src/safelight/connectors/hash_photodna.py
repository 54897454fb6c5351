"""PhotoDNA hashes as operators hold them: 144 bytes that are never computed and never near here.

They are compared for equality only: which of them are near, only licensed programs can tell.
"""

import binascii
import re

from safelight.model import Algorithm

_SIZE = Algorithm.PHOTODNA.size
_BASE64 = re.compile(rf"[A-Za-z0-9+/]{{{_SIZE // 3 * 4}}}")
_HEXADECIMAL = re.compile(rf"[0-9A-Fa-f]{{{2 * _SIZE}}}")
_WRONG = (
    f"not a PhotoDNA hash: base64 of {_SIZE} bytes, {2 * _SIZE} hexadecimal digits, or {_SIZE} "
    "numbers from 0 to 255 with commas between them"
)


def parse_photodna(text: str) -> bytes | str:
    """The bytes of a hash, or the reason why it is none."""
    if _BASE64.fullmatch(text):
        return binascii.a2b_base64(text)
    if _HEXADECIMAL.fullmatch(text):
        return bytes.fromhex(text)
    numbers = [part.strip() for part in text.split(",")]
    if len(numbers) == _SIZE and all(_is_byte(number) for number in numbers):
        return bytes(map(int, numbers))
    return _WRONG


def _is_byte(number: str) -> bool:
    return number.isascii() and number.isdigit() and len(number) <= 3 and int(number) <= 255
