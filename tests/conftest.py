"""Fixtures shared by all tests."""

import sys
from pathlib import Path

# pictures.py: what the tests of decoding, examining and the Python face look at
sys.path.insert(0, str(Path(__file__).parent / "decode"))
# s3_server.py: a store of objects for the tests of connectors and of commands
sys.path.insert(0, str(Path(__file__).parent))
