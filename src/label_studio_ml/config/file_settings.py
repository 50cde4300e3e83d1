"""Settings for task files: size limits, timeout, and allowed sources.

Whether there are credentials for a cloud is read from the variables and files of that cloud's own tools.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from label_studio_ml.config.setting_values import DAY, MEGABYTE, NO, YES, Kind, megabytes, number
from label_studio_ml.config.variables import read, setting, written
from label_studio_ml.errors import SettingsError

#: The variables from which each cloud's own tools take credentials.
_CREDENTIALS = {
    "s3": (
        "AWS_ACCESS_KEY_ID",
        "AWS_PROFILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_WEB_IDENTITY_TOKEN_FILE",
        "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    ),
    "gs": ("GOOGLE_APPLICATION_CREDENTIALS", "STORAGE_EMULATOR_HOST"),
    "azure-blob": ("AZURE_STORAGE_CONNECTION_STRING", "AZURE_STORAGE_ACCOUNT_NAME"),
}
#: The credential files of these tools, relative to the home folder.
_CREDENTIAL_FILES = {
    "s3": ".aws/credentials",
    "gs": ".config/gcloud/application_default_credentials.json",
}

_ROOT = re.compile(r"(s3|gs|azure-blob)://[^\s/]+(/\S*)?")


def _private_addresses(_: str, text: str) -> tuple[str, ...]:
    words = text.replace(",", " ").lower().split()
    return tuple("*" if word in YES else word for word in words if word not in NO)


def _cloud_roots(variable: str, text: str) -> tuple[str, ...]:
    roots = tuple(text.replace(",", " ").split())
    if roots != ("none",) and (wrong := [root for root in roots if not _ROOT.fullmatch(root)]):
        raise SettingsError(
            f"{variable}={wrong[0]!r} is no bucket",
            fix="Use none, or buckets such as s3://name/prefix, gs://name, azure-blob://container",
            field=variable,
        )
    return roots


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSettings:
    """Limits and allowed sources of task files.

    `*` in `private` stands for all addresses. Without `cloud_roots`, every bucket of the schemes in `cloud`, for which
    this machine has credentials, is read directly; `none` stands for no bucket.
    """

    # fmt: off
    cache_bytes: int = setting("FILES_CACHE_MB", megabytes(), 4096 * MEGABYTE,
        "size of the disk cache in `MODEL_DIR/files`, in MiB")
    max_bytes: int = setting("FILES_MAX_MB", megabytes(), 2048 * MEGABYTE,
        "largest file that is fetched, in MiB")
    timeout: float = setting("FILES_TIMEOUT", number(0.001, maximum=DAY), 300.0,
        "seconds for one file, retries and waits included")
    private: tuple[str, ...] = setting("FILES_ALLOW_PRIVATE", Kind(_private_addresses, " ".join), (),
        "hosts, addresses and networks (`images, 10.0.0.0/8`) that may be contacted though private; `true`: all")
    cloud_roots: tuple[str, ...] = setting("FILES_CLOUD_ROOTS", Kind(_cloud_roots, " ".join), (),
        "buckets that are read directly, with or without a prefix (`s3://bucket/prefix gs://other`); `none`: none",
        "all buckets of clouds with credentials")
    # fmt: on
    cloud: frozenset[str] = frozenset()

    @classmethod
    def from_env(cls, env: Mapping[str, str], home: Path | None = None) -> "FileSettings":
        """Read the settings from `env`. Raises SettingsError, naming the variable, if a value is invalid.

        `home` is the home folder to look for credential files in; None for no folder.
        """
        return cls(cloud=_clouds(env, home), **read(cls, env))

    def to_env(self) -> dict[str, str]:
        """Return the environment variables from which `from_env` reads these settings."""
        return written(self)


def _clouds(env: Mapping[str, str], home: Path | None) -> frozenset[str]:
    """Return the cloud schemes with credentials in `env`, or in the home folder if one is given."""
    schemes = {scheme for scheme, names in _CREDENTIALS.items() if any(env.get(name) for name in names)}
    if home is not None:
        schemes |= {scheme for scheme, name in _CREDENTIAL_FILES.items() if (home / name).is_file()}
    return frozenset(schemes)
