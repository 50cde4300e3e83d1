"""Azure's and Google's clouds as a machine sees them behind a proxy, with emulators in their place.

Nothing that is tested knows of an emulator: Label Studio and the backend ask `ACCOUNT.blob.core.windows.net` and
`storage.googleapis.com` over TLS, with an account's key or a service account. An HTTPS proxy of the test's own leads
these names to the emulators and every other name nowhere.
"""

import asyncio
import base64
import contextlib
import json
import os
import secrets
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs

import requests

from .conftest import ROOT, missing
from .processes import Program, free_port, wait_until

AZURITE = (
    ROOT / ".cache" / "tools" / "azurite" / "node_modules" / "azurite" / "dist" / "src" / "blob" / "main.js"
)

ACCOUNT = "pictures"
AZURE_HOST = f"{ACCOUNT}.blob.core.windows.net"
GOOGLE_HOST = "storage.googleapis.com"
TOKEN_HOST = "oauth2.googleapis.com"


class Certificate:
    """A key with a certificate for `names`, which is its own authority."""

    def __init__(self, folder: Path, *names: str) -> None:
        if shutil.which("openssl") is None:
            missing("no openssl on PATH")
        self.key, self.file = folder / "key.pem", folder / "certificate.pem"
        subject = (
            "-subj",
            "/CN=test",
            "-addext",
            f"subjectAltName={','.join(f'DNS:{name}' for name in names)}",
        )
        files = ("-keyout", str(self.key), "-out", str(self.file), "-days", "2")
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *files, *subject],
            check=True,
            capture_output=True,
        )

    def trusted(self) -> dict[str, str]:
        """Return the environment in which programs trust it."""
        return {"REQUESTS_CA_BUNDLE": str(self.file), "SSL_CERT_FILE": str(self.file)}


class HttpsProxy:
    """Takes `CONNECT` for the hosts in `routes`, ends TLS itself, and passes the bytes on to a port here."""

    def __init__(self, certificate: Certificate, routes: Mapping[str, int]) -> None:
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(certificate.file, certificate.key)
        self._routes = routes
        self.asked: list[str] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        server = asyncio.run_coroutine_threadsafe(
            asyncio.start_server(self._serve, "127.0.0.1", 0), self._loop
        ).result(60)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            host = head.split()[1].removesuffix(":443")
            self.asked.append(host)
            if not head.startswith("CONNECT ") or host not in self._routes:
                writer.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")
            else:
                writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
                await writer.start_tls(self._context)
                there, back = await asyncio.open_connection("127.0.0.1", self._routes[host])
                await asyncio.gather(_pump(reader, back), _pump(there, writer))
                return
        writer.close()

    def stop(self) -> None:
        async def end() -> None:
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()


class Azure:
    """Azurite, Microsoft's own emulator of Azure's blob storage. It checks signatures of keys and of links."""

    def __init__(self, folder: Path) -> None:
        if shutil.which("node") is None or not AZURITE.is_file():
            missing("no node, or no Azurite in .cache/tools")
        self.port = free_port()
        self.key = base64.b64encode(secrets.token_bytes(64)).decode()
        where = ("--blobHost", "127.0.0.1", "--blobPort", str(self.port))
        quiet = ("--inMemoryPersistence", "--disableTelemetry", "--skipApiVersionCheck", "--silent")
        self._program = Program(
            ["node", str(AZURITE), *where, *quiet],
            cwd=folder,
            env={**os.environ, "AZURITE_ACCOUNTS": f"{ACCOUNT}:{self.key}"},
            log=folder / "azurite.log",
        )
        wait_until(lambda: "successfully listens" in self._program.output(), "Azurite listens", every=0.02)

    def connection(self, key: str = "") -> str:
        """Return the connection string that Azure's portal shows."""
        place = "EndpointSuffix=core.windows.net"
        return f"DefaultEndpointsProtocol=https;AccountName={ACCOUNT};AccountKey={key or self.key};{place}"

    def put(self, container: str, name: str, content: bytes) -> None:
        from azure.storage.blob import BlobServiceClient

        place = f"BlobEndpoint=http://127.0.0.1:{self.port}/{ACCOUNT}"
        login = f"AccountName={ACCOUNT};AccountKey={self.key}"
        with BlobServiceClient.from_connection_string(f"{login};{place}") as client:
            client.create_container(container).upload_blob(name, content)

    def stop(self) -> None:
        self._program.stop()


class Google:
    """The emulator `gcp-storage-emulator`, which believes every login; and a token endpoint, which does not.

    The endpoint gives a token only for an assertion that the service account of `credentials` signed.
    """

    def __init__(self, certificate: Certificate) -> None:
        from gcp_storage_emulator.server import create_server

        self.port = free_port()
        self._emulator = create_server("127.0.0.1", self.port, in_memory=True)
        self._emulator.start()
        self.credentials = {
            "type": "service_account",
            "project_id": "test",
            "private_key_id": "1",
            "private_key": certificate.key.read_text(),
            "client_email": "backend@test.iam.gserviceaccount.com",
            "client_id": "1",
            "token_uri": f"https://{TOKEN_HOST}/token",
        }

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            known: ClassVar[str] = certificate.file.read_text()

            def do_POST(self) -> None:
                from google.auth import jwt

                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                status, answer = 200, {"access_token": "t", "expires_in": 3600, "token_type": "Bearer"}
                try:
                    jwt.decode(form["assertion"][0], certs=self.known, audience=f"https://{TOKEN_HOST}/token")
                except (KeyError, ValueError) as error:
                    status, answer = 400, {"error": "invalid_grant", "error_description": str(error)}
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self._tokens = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._tokens.daemon_threads = True
        self.token_port = self._tokens.server_address[1]
        threading.Thread(target=self._tokens.serve_forever, args=(0.01,), daemon=True).start()

    def put(self, bucket: str, name: str, content: bytes) -> None:
        url = f"http://127.0.0.1:{self.port}"
        made = requests.post(f"{url}/storage/v1/b?project=test", json={"name": bucket}, timeout=30)
        made.raise_for_status()
        place = f"{url}/upload/storage/v1/b/{bucket}/o"
        options: dict[str, Any] = {"params": {"uploadType": "media", "name": name}, "timeout": 30}
        requests.post(
            place, data=content, headers={"Content-Type": "image/png"}, **options
        ).raise_for_status()

    def stop(self) -> None:
        self._emulator.stop()
        self._tokens.shutdown()
        self._tokens.server_close()


class Clouds:
    """Both clouds, and `env` with which a program reaches them."""

    def __init__(self, folder: Path) -> None:
        certificate = Certificate(folder, AZURE_HOST, GOOGLE_HOST, TOKEN_HOST)
        self.azure, self.google = Azure(folder), Google(certificate)
        routes = {
            AZURE_HOST: self.azure.port,
            GOOGLE_HOST: self.google.port,
            TOKEN_HOST: self.google.token_port,
        }
        self.proxy = HttpsProxy(certificate, routes)
        self.env = {"HTTPS_PROXY": self.proxy.url, "NO_PROXY": "", **certificate.trusted()}

    def stop(self) -> None:
        self.proxy.stop()
        self.google.stop()
        self.azure.stop()


def running_clouds(folder: Path) -> Iterator[Clouds]:
    """Yield clouds that end afterwards."""
    made = Clouds(folder)
    try:
        yield made
    finally:
        made.stop()
