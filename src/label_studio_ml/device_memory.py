"""Memory that models leave behind when they are forgotten."""

import gc
import sys


def release_memory() -> None:
    """Give back what forgotten models held, on the GPU too where the user's file uses torch."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
