"""HAProxy and nginx in front of the server under test, each a program of Debian."""

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

_HAPROXY = """
defaults
    mode http
    timeout connect 30s
    timeout client 60s
    timeout server 60s
    http-reuse always
listen all
    bind 127.0.0.1:{port}
    server backend 127.0.0.1:{backend}
"""
_NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    upstream backend {{ server 127.0.0.1:{backend}; keepalive 8; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass http://backend; proxy_http_version 1.1; proxy_set_header Connection ""; {more} }}
    }}
}}
"""
PROXIES = ("haproxy", "nginx")


def program(name: str) -> str:
    """Return the path of a proxy; skip the test where it is not installed, but fail in CI."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if path is None:
        message = f"no {name} on PATH: run scripts/setup debian as root, or apt-get install {name}"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(message)
    return str(path)


@asynccontextmanager
async def proxy(name: str, backend: int, folder: Path, more: str = "") -> AsyncIterator[int]:
    """Run the proxy `name` in front of the port `backend`, and yield its own port. `more` is for nginx's location."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    file = folder / f"{name}.cfg"
    text = _HAPROXY if name == "haproxy" else _NGINX
    file.write_text(text.format(port=port, backend=backend, folder=folder, more=more))
    arguments = ["-f", str(file)] if name == "haproxy" else ["-p", str(folder), "-c", str(file)]
    output = folder / f"{name}.log"
    with output.open("wb") as log:
        process = await asyncio.create_subprocess_exec(program(name), *arguments, stdout=log, stderr=log)
    try:
        while True:
            assert process.returncode is None, output.read_text()
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                break
        yield port
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
