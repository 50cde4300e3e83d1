"""Settings for task files: size limits, timeout, and allowed sources.

Variables: `FILES_CACHE_MB`, `FILES_MAX_MB`, `FILES_TIMEOUT`, `FILES_ALLOW_PRIVATE`, `FILES_CLOUD_ROOTS`. Whether there
are credentials for a cloud is found out from the variables and files of that cloud's own tools.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from label_studio_ml.errors import SettingsError

MEGABYTE = 1 << 20

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


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSettings:
    """Limits and allowed sources of task files.

    `cache_bytes` is the size limit of the disk cache, `max_bytes` the largest file that is fetched, `timeout` the
    seconds for fetching one file. `private` lists hosts, addresses and networks that may be contacted although their
    addresses are private; `*` stands for all. `cloud_roots` are the buckets, with or without a prefix, that are read
    directly: empty means every bucket of the schemes in `cloud`, for which this machine has credentials, and `none`
    means no bucket.
    """

    cache_bytes: int = 4096 * MEGABYTE
    max_bytes: int = 2048 * MEGABYTE
    timeout: float = 300.0
    private: tuple[str, ...] = ()
    cloud_roots: tuple[str, ...] = ()
    cloud: frozenset[str] = frozenset()

    @classmethod
    def from_env(cls, env: Mapping[str, str], home: Path | None = None) -> "FileSettings":
        """Read the settings from `env`. Raises SettingsError, naming the variable, if a value is invalid.

        `home` is the home folder to look for credential files in; None for no folder.
        """
        roots = tuple(env.get("FILES_CLOUD_ROOTS", "").replace(",", " ").split())
        if roots != ("none",) and (wrong := [root for root in roots if not _ROOT.fullmatch(root)]):
            raise SettingsError(
                f"FILES_CLOUD_ROOTS={wrong[0]!r} is no bucket",
                fix="Use none, or buckets such as s3://name/prefix, gs://name, azure-blob://container",
                field="FILES_CLOUD_ROOTS",
            )
        private = env.get("FILES_ALLOW_PRIVATE", "").replace(",", " ").lower().split()
        return cls(
            cache_bytes=int(_number(env, "FILES_CACHE_MB", 4096.0) * MEGABYTE),
            max_bytes=int(_number(env, "FILES_MAX_MB", 2048.0) * MEGABYTE),
            timeout=_number(env, "FILES_TIMEOUT", 300.0),
            private=tuple(
                "*" if word in {"true", "yes", "on", "1"} else word
                for word in private
                if word not in {"false", "no", "off", "0"}
            ),
            cloud_roots=roots,
            cloud=_clouds(env, home),
        )

    def to_env(self) -> dict[str, str]:
        """Return the environment variables from which `from_env` reads these settings."""
        return {
            "FILES_CACHE_MB": f"{self.cache_bytes / MEGABYTE:.12g}",
            "FILES_MAX_MB": f"{self.max_bytes / MEGABYTE:.12g}",
            "FILES_TIMEOUT": f"{self.timeout:g}",
            "FILES_ALLOW_PRIVATE": " ".join(self.private),
            "FILES_CLOUD_ROOTS": " ".join(self.cloud_roots),
        }


def _clouds(env: Mapping[str, str], home: Path | None) -> frozenset[str]:
    """Return the cloud schemes with credentials in `env`, or in the home folder if one is given."""
    found = {scheme for scheme, names in _CREDENTIALS.items() if any(env.get(name) for name in names)}
    if home is not None:
        found |= {scheme for scheme, name in _CREDENTIAL_FILES.items() if (home / name).is_file()}
    return frozenset(found)


def _number(env: Mapping[str, str], name: str, default: float) -> float:
    text = env.get(name, "").strip()
    try:
        value = float(text) if text else default
    except ValueError:
        value = 0.0
    if not 0 < value < 1e12:
        raise SettingsError(f"{name}={text!r} is not a number above 0 and below 1e12", field=name)
    return value
