"""The versions in a remote store that several machines share, given by an fsspec URL."""

import hashlib
from pathlib import Path

from label_studio_ml.versions.remote.mirror import Mirror
from label_studio_ml.versions.remote.object_store import ObjectStore
from label_studio_ml.versions.remote.store_retries import PUBLISH_TIMEOUT
from label_studio_ml.versions.remote.uploads import Uploads
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.versions.store.version_files import file_name


class RemoteStore(VersionStore):
    """The versions of all projects in the store at `url`, with this machine's copy in a folder below `model_dir`.

    The remaining arguments are those of `VersionStore`, `Mirror` and `Uploads`.
    """

    def __init__(
        self,
        url: str,
        model_dir: Path,
        *,
        pin: str = "",
        max_bytes: int = 20 << 30,
        publish_timeout: float = PUBLISH_TIMEOUT,
    ) -> None:
        self.artifacts = ObjectStore(url)
        self.cache_folder = model_dir / "stores" / _folder_name(self.artifacts.url)
        self.model_dir = model_dir
        super().__init__(self.cache_folder, pin=pin)
        self.source = self.mirror = Mirror(
            self,
            self.artifacts,
            self.cache_folder,
            model_dir,
            max_bytes=max_bytes,
            publish_timeout=publish_timeout,
        )
        self.uploads = Uploads(self, self.artifacts, self.mirror.watch, publish_timeout=publish_timeout)


def _folder_name(url: str) -> str:
    """Return the name of the folder for the copy of the store at `url`, different for each store."""
    return f"{file_name(url)[:80]}-{hashlib.sha256(url.encode()).hexdigest()[:8]}"
