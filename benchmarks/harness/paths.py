"""Where things are."""

from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
ROOT = HERE.parent
MODELS = HERE / "models"
PEERS = HERE / "peers"
DATA = HERE / "data"
VENVS = ROOT / ".venvs"
BENCH = VENVS / "bench"
UPSTREAM = VENVS / "bench-upstream"
