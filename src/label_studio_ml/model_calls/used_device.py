"""Name the device that this process computes on, as far as it can be told without importing anything."""

import sys
from typing import Any


def used_device() -> str:
    """Return the names of the GPUs that torch has memory on, "CPU" if torch is loaded and uses none; "" if unknown."""
    torch: Any = sys.modules.get("torch")
    if torch is None:
        return ""
    try:
        if not torch.cuda.is_initialized():
            return "CPU"
        used = [index for index in range(torch.cuda.device_count()) if torch.cuda.memory_reserved(index)]
        return ", ".join(f"cuda:{index} {torch.cuda.get_device_name(index)}" for index in used) or "CPU"
    except Exception:  # noqa: BLE001 - a broken driver must not keep a model from being served
        return ""
