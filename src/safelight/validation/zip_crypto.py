"""A zip with a member under a password, in the old way that every program reads.

Only to make files for the pack: this encryption protects nothing.
"""

import struct
import zlib

_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END = struct.Struct("<4sHHHHIIH")
_ENCRYPTED = 1
_DATE_1980 = 0x21


def locked_zip(name: str, data: bytes, password: bytes) -> bytes:
    """A zip of one member, stored, encrypted by PKWARE's traditional method."""
    check = zlib.crc32(data)
    head = bytes(range(11)) + bytes([check >> 24])  # its last byte tells a wrong password
    body = _Keys(password).encrypted(head + data)
    raw = name.encode()
    sizes = (check, len(body), len(data), len(raw), 0)
    local = _LOCAL.pack(b"PK\3\4", 20, _ENCRYPTED, 0, 0, _DATE_1980, *sizes) + raw
    central = _CENTRAL.pack(b"PK\1\2", 20, 20, _ENCRYPTED, 0, 0, _DATE_1980, *sizes, 0, 0, 0, 0, 0)
    start = len(local) + len(body)
    end = _END.pack(b"PK\5\6", 0, 0, 1, 1, len(central) + len(raw), start, 0)
    return local + body + central + raw + end


class _Keys:
    """The state of the cipher (APPNOTE.TXT, 6.1)."""

    def __init__(self, password: bytes) -> None:
        self._keys = [0x12345678, 0x23456789, 0x34567890]
        for byte in password:
            self._update(byte)

    def encrypted(self, plain: bytes) -> bytes:
        out = bytearray()
        for byte in plain:
            word = (self._keys[2] | 2) & 0xFFFF
            out.append(byte ^ ((word * (word ^ 1)) >> 8 & 0xFF))
            self._update(byte)
        return bytes(out)

    def _update(self, byte: int) -> None:
        keys = self._keys
        keys[0] = _crc(keys[0], byte)
        keys[1] = ((keys[1] + (keys[0] & 0xFF)) * 134775813 + 1) & 0xFFFFFFFF
        keys[2] = _crc(keys[2], keys[1] >> 24)


def _table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ (0xEDB88320 if value & 1 else 0)
        table.append(value)
    return table


_TABLE = _table()


def _crc(crc: int, byte: int) -> int:
    return (crc >> 8) ^ _TABLE[(crc ^ byte) & 0xFF]
