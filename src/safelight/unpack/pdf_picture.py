"""One picture of a PDF, as a file: byte for byte where it is one, otherwise built without loss."""

import io
from collections.abc import Callable

from pypdf import Configuration
from pypdf.errors import DependencyError, LimitReachedError
from pypdf.generic import ArrayObject, PdfObject, StreamObject

from safelight.errors import CouldNotCheck
from safelight.unpack.pdf_pixels import MOST_BYTES, picture_of
from safelight.unpack.rules import MIB, could_not_check

# Pages scanned in colour take a hundred megabytes unpacked; jbig2dec is another program.
CONFIGURATION = Configuration(
    maximum_declared_stream_length=512 * MIB,
    zlib_maximum_output_length=MOST_BYTES,
    lzw_maximum_output_length=MOST_BYTES,
    run_length_maximum_output_length=MOST_BYTES,
    image_maximum_buffer_size=MOST_BYTES,
    stream_decoding_work_maximum_length=1024 * MIB,
    flate_maximum_row_length=16 * MIB,
    jbig2dec_binary=None,
    disable_legacy_handling=True,
)

# What these filters take is a picture file of its own: JPEG, JPEG 2000, a fax in TIFF.
_FILES = ("/DCTDecode", "/JPXDecode", "/CCITTFaxDecode")


def picture_bytes(found: PdfObject | None) -> bytes:
    """The picture as a file. Raises CouldNotCheck."""
    return _guarded(lambda: _picture(_stream(found)))


def attached_bytes(found: PdfObject | None) -> bytes:
    """The bytes of an attached file. Raises CouldNotCheck."""
    return _guarded(lambda: _stream(found).get_data())


def _guarded(work: Callable[[], bytes]) -> bytes:
    try:
        return work()
    except (CouldNotCheck, MemoryError):
        raise
    except LimitReachedError as exc:
        raise could_not_check("member_too_large") from exc
    except (DependencyError, NotImplementedError) as exc:
        raise could_not_check("unsupported_compression") from exc
    except Exception as exc:
        raise could_not_check("member_damaged") from exc


def _stream(found: PdfObject | None) -> StreamObject:
    if not isinstance(found, StreamObject):
        raise could_not_check("member_damaged")
    return found


def _picture(found: StreamObject) -> bytes:
    if _last_filter(found) in _FILES:
        return found.get_data()
    picture, file = picture_of(found), io.BytesIO()
    if picture.mode == "CMYK":  # which PNG has not
        picture.save(file, "TIFF")
    else:
        picture.save(file, "PNG", compress_level=0)
    return file.getvalue()


def _last_filter(found: StreamObject) -> object:
    filters = found.get("/Filter")
    filters = None if filters is None else filters.get_object()
    if isinstance(filters, ArrayObject):
        return filters[-1].get_object() if filters else None
    return filters
