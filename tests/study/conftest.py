"""The modules of study/ are imported by their names."""

import os
import pathlib
import sys

SOURCE = pathlib.Path(os.environ.get("P2P_SOURCE_DIR", pathlib.Path(__file__).parents[2]))
sys.path.insert(0, str(SOURCE / "study"))
