"""Send a version as an archive while it is packed, so that neither memory nor disk has to hold it."""

import asyncio
import os
import tarfile
import threading
from collections.abc import AsyncGenerator
from urllib.parse import quote

from label_studio_ml.errors import VersionError
from label_studio_ml.http_server.messages import Response
from label_studio_ml.versions.archive import write_archive
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.versions.store.manifest import Manifest
from label_studio_ml.versions.store.version_files import file_name
from label_studio_ml.versions.transfer import exported_manifest

_CHUNK = 256 << 10


async def archive_response(store: VersionStore, manifest: Manifest) -> Response:
    """Return the response with a version's archive, as `label-studio-ml export` writes it.

    Raises VersionError if its files are damaged: they are read and compared with their sha256 first.
    """
    exported = await asyncio.to_thread(exported_manifest, store, manifest)
    name = f"{file_name(manifest.name)[:150]}.tar.gz"
    headers = {"Content-Disposition": f"attachment; filename=\"{name}\"; filename*=UTF-8''{quote(name)}"}
    return Response(200, b"", headers, "application/octet-stream", _packed(store, manifest, exported))


async def _packed(store: VersionStore, manifest: Manifest, exported: Manifest) -> AsyncGenerator[bytes, None]:
    """Yield the archive piece by piece; a thread packs it into a pipe, and waits while nobody reads."""
    read_end, write_end = os.pipe()
    failures: list[Exception] = []

    def pack() -> None:
        try:
            with os.fdopen(write_end, "wb") as pipe:
                write_archive(store, manifest, exported, pipe)
        except (VersionError, OSError, ValueError, tarfile.TarError) as error:
            failures.append(error)

    packer = threading.Thread(target=pack, daemon=True, name="version-archive")
    packer.start()
    read: asyncio.Future[bytes] | None = None
    try:
        while True:
            read = asyncio.ensure_future(asyncio.to_thread(os.read, read_end, _CHUNK))
            piece = await asyncio.shield(read)
            if not piece:
                break
            yield piece
        await asyncio.to_thread(packer.join)
        if failures:
            raise failures[0]
    finally:
        if read is not None:
            await asyncio.wait([read])  # no thread may read from the number of a closed file
        os.close(read_end)  # ends the packing thread if the client has left
