"""Places where a model of a test waits: until the file of that name is removed."""

import time
from pathlib import Path

HERE = Path(__file__).parent


def wait_for(name):
    (HERE / f"{name}.reached").touch()
    while (HERE / name).exists():
        time.sleep(0.01)
