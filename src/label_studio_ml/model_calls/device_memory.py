"""Free the memory of models that are no longer referenced."""

import gc
import sys


def release_memory() -> None:
    """Collect garbage, and release torch's cached GPU memory if torch is loaded and a GPU is available."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
