"""Where the server of a model folder listens, so that other commands on the same folder can ask it."""

import contextlib
import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

_FILE = "server.json"


@contextlib.contextmanager
def announced(model_dir: Path, host: str, port: int) -> Iterator[None]:
    """Say in the model folder that a server of this process listens there, until the block ends."""
    path = model_dir / _FILE
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (nothing is bound here)
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    text = json.dumps({"url": url, "pid": os.getpid()})
    with contextlib.suppress(OSError):  # a read-only folder: others will have to be told the address
        model_dir.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{_FILE}.{secrets.token_hex(4)}")
        temporary.write_text(text)
        os.replace(temporary, path)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            if path.read_text() == text:
                path.unlink()


def address(model_dir: Path) -> str:
    """Return the URL of the server that runs on this folder and this machine; empty if none does."""
    try:
        told = json.loads((model_dir / _FILE).read_text())
        os.kill(int(told["pid"]), 0)
        return str(told["url"])
    except PermissionError:
        return str(told["url"])  # it runs, and belongs to somebody else
    except (OSError, ValueError, KeyError, TypeError):
        return ""
