"""The store that the settings name."""

from label_studio_ml.settings import Settings
from label_studio_ml.versions.store import VersionStore


def open_store(settings: Settings) -> VersionStore:
    """Return the versions in MODEL_DIR: a folder, or a store by its URL. Nothing is read yet."""
    if not settings.store_url:
        return VersionStore(settings.model_dir, pin=settings.model_version)
    from label_studio_ml.versions.remote import RemoteStore

    return RemoteStore(
        settings.store_url, settings.model_dir, pin=settings.model_version, most=settings.model_cache_bytes
    )


def check_store(settings: Settings) -> None:
    """Raise SettingsError or StoreError where MODEL_DIR's URL cannot be used, `passing` where that may change."""
    if settings.store_url:
        from label_studio_ml.versions.artifacts import ArtifactStore

        ArtifactStore(settings.store_url).check()
