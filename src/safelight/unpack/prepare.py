"""What unpacking loads only when it needs it, loaded before a child may open no more files."""

import encodings
import logging
import pkgutil
from importlib import import_module

_WHEN_NEEDED = (
    "pypdf.filters",
    "pypdf.xmp",
    "pypdf._codecs._codecs",
    "pypdf.generic._image_xobject",
)
_ELSEWHERE = ("mbcs", "oem")  # text encodings that only Windows has


def prepare() -> None:
    """Load it. Pillow's plug-ins, which PDF pictures need, are for decoding to load.

    Changes settings of the whole process, so it is for a child only.
    """
    for name in _WHEN_NEEDED:
        import_module(name)
    for module in pkgutil.iter_modules(encodings.__path__):
        if module.name not in _ELSEWHERE:
            import_module(f"encodings.{module.name}")
    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # its warnings quote the file
