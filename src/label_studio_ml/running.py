"""Where the servers of a model folder listen, so that other commands on the same folder can ask one.

Several may serve one folder, on ports of their own: each adds itself to `server.json`, and takes only itself out again.
"""

import contextlib
import json
import os
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from label_studio_ml import file_locks
from label_studio_ml.private_files import make_folder, open_file

_FILE = "server.json"

#: One server: `url`, `pid`, and the `host` that it runs on.
_Entry = dict[str, Any]


@contextlib.contextmanager
def announced(model_dir: Path, host: str, port: int) -> Iterator[str]:
    """Say in the model folder that a server of this process listens there, until the block ends.

    Yield the URL of another server that runs on the folder and this machine, empty if none does.
    """
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (nothing is bound here)
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    mine = {"url": url, "pid": os.getpid(), "host": socket.gethostname()}
    other = next((str(one["url"]) for one in _running_here(model_dir) if one["pid"] != mine["pid"]), "")
    with contextlib.suppress(OSError):  # a read-only folder: others will have to be told the address
        make_folder(model_dir)
        _change(model_dir, add=mine)
    try:
        yield other
    finally:
        with contextlib.suppress(OSError):
            _change(model_dir, remove=mine)


def address(model_dir: Path) -> str:
    """Return the URL of the server that runs on this folder and this machine, the oldest one; empty if none does."""
    return next((str(one["url"]) for one in _running_here(model_dir)), "")


def _running_here(model_dir: Path) -> list[_Entry]:
    here = socket.gethostname()
    return [one for one in _read(model_dir) if one["host"] == here and _runs(one)]


def _change(model_dir: Path, *, add: _Entry | None = None, remove: _Entry | None = None) -> None:
    """Add a server, or take one out; those of this machine that do not run any more go as well."""
    path, here = model_dir / _FILE, socket.gethostname()
    with (model_dir / f".{_FILE}.lock").open("w") as lock:
        file_locks.lock(lock)
        kept = [one for one in _read(model_dir) if one != remove and (one["host"] != here or _runs(one))]
        if add is not None:
            # A container that is started again gives its server the process id of the one that was killed in it.
            kept = [one for one in kept if (one["host"], one["pid"]) != (here, add["pid"])] + [add]
        if not kept:
            path.unlink(missing_ok=True)
            return
        temporary = path.with_name(f".{_FILE}.{secrets.token_hex(4)}")
        with open_file(temporary, "xb") as file:
            file.write(json.dumps({**kept[0], "others": kept[1:]}).encode())
        os.replace(temporary, path)


def _read(model_dir: Path) -> list[_Entry]:
    """Return the servers that the file tells of; none if it cannot be read."""
    try:
        told = json.loads((model_dir / _FILE).read_text())
        found = [told, *told.get("others", [])]
        here = socket.gethostname()  # earlier versions did not name it
        return [
            {"url": str(one["url"]), "pid": int(one["pid"]), "host": one.get("host", here)} for one in found
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []


def _runs(entry: _Entry) -> bool:
    if not hasattr(os, "fork"):  # Windows, where no server runs, and signal 0 is Ctrl-C
        return False
    try:
        os.kill(entry["pid"], 0)
    except PermissionError:
        return True  # it runs, and belongs to somebody else
    except (OSError, OverflowError):
        return False
    return True
