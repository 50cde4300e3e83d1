"""The file `server.json`: addresses of the servers on a model folder, for other commands on the same folder.

Several servers may share a folder, on different ports: each adds an entry, and removes only its own.
"""

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from label_studio_ml.storage import atomic_files, file_locks
from label_studio_ml.storage.private_files import make_folder
from label_studio_ml.support.server_urls import same_server, server_url

_FILE = "server.json"

#: The entry of a server: `url`, `pid`, the name of its machine, `host`, and for HTTPS its certificate's `fingerprint`.
_Entry = dict[str, Any]


@contextlib.contextmanager
def announced(model_dir: Path, host: str, port: int, fingerprint: str = "") -> Iterator[str]:
    """Record in the model folder that a server of this process listens at `host` and `port`, during the block.

    For HTTPS, `fingerprint` is the SHA-256 of its certificate in hexadecimal. Yields the URL of another server on this
    folder and machine, empty if there is none. A folder that cannot be written to is ignored.
    """
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (nothing is bound here)
    scheme = "https" if fingerprint else "http"
    url = server_url(scheme, host, port)
    own_entry: _Entry = {"url": url, "pid": os.getpid(), "host": socket.gethostname()}
    if fingerprint:
        own_entry["fingerprint"] = fingerprint
    other_url = next(
        (str(entry["url"]) for entry in _running_here(model_dir) if entry["pid"] != own_entry["pid"]), ""
    )
    with contextlib.suppress(OSError):  # in a read-only folder, other commands must be given the address
        make_folder(model_dir)
        _change(model_dir, add=own_entry)
    try:
        yield other_url
    finally:
        with contextlib.suppress(OSError):
            _change(model_dir, remove=own_entry)


def address(model_dir: Path) -> str:
    """Return the URL of the oldest running server on this folder and machine; empty if there is none."""
    return next((str(entry["url"]) for entry in _running_here(model_dir)), "")


def fingerprint(model_dir: Path, url: str) -> str:
    """Return the SHA-256 of the certificate of the running server at `url`, empty if it is none of this folder.

    `url` may have another name of this machine's loopback address, and a path.
    """
    return next(
        (
            str(entry.get("fingerprint", ""))
            for entry in _running_here(model_dir)
            if same_server(str(entry["url"]), url)
        ),
        "",
    )


def _running_here(model_dir: Path) -> list[_Entry]:
    hostname = socket.gethostname()
    return [entry for entry in _read(model_dir) if entry["host"] == hostname and _runs(entry)]


def _change(model_dir: Path, *, add: _Entry | None = None, remove: _Entry | None = None) -> None:
    """Add or remove an entry, and remove the entries of servers on this machine that no longer run."""
    path, hostname = model_dir / _FILE, socket.gethostname()
    with file_locks.locked(model_dir / f".{_FILE}.lock"):
        entries = [
            entry
            for entry in _read(model_dir)
            if entry != remove and (entry["host"] != hostname or _runs(entry))
        ]
        if add is not None:
            # In a restarted container, the server may get the process id of the one that was killed.
            entries = [
                entry for entry in entries if (entry["host"], entry["pid"]) != (hostname, add["pid"])
            ] + [add]
        if not entries:
            path.unlink(missing_ok=True)
            return
        atomic_files.replace_file(path, json.dumps({**entries[0], "others": entries[1:]}), durable=False)


def _read(model_dir: Path) -> list[_Entry]:
    """Return the entries in the file; none if it cannot be read."""
    try:
        content = json.loads((model_dir / _FILE).read_text())
        entries = [content, *content.get("others", [])]
        hostname = socket.gethostname()  # the default, since earlier releases wrote no host
        return [
            {
                "url": str(entry["url"]),
                "pid": int(entry["pid"]),
                "host": entry.get("host", hostname),
                **({"fingerprint": str(entry["fingerprint"])} if entry.get("fingerprint") else {}),
            }
            for entry in entries
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return []


def _runs(entry: _Entry) -> bool:
    if not hasattr(os, "fork"):  # Windows: servers do not run there, and signal 0 means Ctrl-C
        return False
    try:
        os.kill(entry["pid"], 0)
    except PermissionError:
        return True  # a process of another user
    except (OSError, OverflowError):
        return False
    return True
