"""Read files from cloud storage directly, through fsspec, with the credentials of this machine."""

import importlib
from collections.abc import Iterator
from typing import Any

from label_studio_ml.config.file_settings import FileSettings
from label_studio_ml.errors import FileFetchError
from label_studio_ml.support.url_secrets import mask

#: Bytes that are read from the bucket at once.
_CHUNK = 8 << 20

#: Scheme of a task's URL: the fsspec module that reads it, that module's own scheme, and our extra that installs it.
_READERS = {
    "s3": ("s3fs", "s3", "s3"),
    "gs": ("gcsfs", "gs", "gcs"),
    "azure-blob": ("adlfs", "abfs", "azure"),
}


def scheme_of(url: str) -> str:
    """Return the scheme of a cloud URL in lower case."""
    return url.partition("://")[0].lower()


def may_read(url: str, rules: FileSettings) -> bool:
    """Tell whether the settings allow reading this URL directly."""
    if rules.cloud_roots:
        return any(_is_below(url, root) for root in rules.cloud_roots)
    return scheme_of(url) in rules.cloud


def missing_package(url: str) -> str:
    """Return the package to install for reading `url` directly, empty when it is installed."""
    module, _, extra = _READERS[scheme_of(url)]
    try:
        importlib.import_module(module)
    except ImportError:
        return f"label-studio-ml[{extra}]"
    return ""


def read(url: str, rules: FileSettings) -> Iterator[bytes]:
    """Yield the content of the file at `url` in chunks of up to 8 MiB.

    Raises FileFetchError when the file does not exist, cannot be read or is larger than `rules.max_bytes`.
    """
    scheme = scheme_of(url)
    file_system, path = _file_system(scheme), url.partition("://")[2]
    try:
        if scheme == "gs":
            file_system.credentials.maybe_refresh()  # fails at once; `info` retries a refused login for 30 s
        size = file_system.info(path).get("size")
        if isinstance(size, int) and size > rules.max_bytes:
            raise FileFetchError(
                f"{mask(url)} has {size} bytes, more than {rules.max_bytes}",
                fix="Raise FILES_MAX_MB",
                field="FILES_MAX_MB",
            )
        with file_system.open(path, "rb", cache_type="none") as file:
            while chunk := file.read(_CHUNK):
                yield chunk
    except FileFetchError:
        raise
    except FileNotFoundError:
        raise FileFetchError(
            f"{mask(url)} is not in its bucket (404)", fix="Correct the URL in the task"
        ) from None
    except Exception as error:  # noqa: BLE001 - each cloud library has exception classes of its own
        name = {"s3": "AWS_ACCESS_KEY_ID", "gs": "GOOGLE_APPLICATION_CREDENTIALS"}.get(
            scheme, "AZURE_STORAGE_CONNECTION_STRING"
        )
        status = "403, " if isinstance(error, PermissionError) else ""
        raise FileFetchError(
            f"{mask(url)} cannot be read with this machine's credentials ({status}{type(error).__name__})",
            fix=f"Set credentials that may read the bucket, such as {name}; or FILES_CLOUD_ROOTS=none",
            field=name,
        ) from None


def _file_system(scheme: str) -> Any:
    options: dict[str, Any] = {"use_listings_cache": False}
    if scheme == "s3":
        options["config_kwargs"] = {"connect_timeout": 5, "read_timeout": 30, "retries": {"mode": "standard"}}
    elif scheme == "gs":
        # Not fsspec's default class, which first asks Google by gRPC for the type of each bucket and waits a minute
        # where only an HTTP proxy leads out. The libraries of the other clouds use HTTPS_PROXY by default.
        options["session_kwargs"] = {"trust_env": True}
        return importlib.import_module("gcsfs.core").GCSFileSystem(**options)
    return importlib.import_module("fsspec").filesystem(_READERS[scheme][1], **options)


def _is_below(url: str, root: str) -> bool:
    scheme, _, path = root.partition("://")
    location = url.partition("://")[2]
    prefix = path.rstrip("/")
    parts = location.split("/")
    return (
        scheme == scheme_of(url)
        and (location == prefix or location.startswith(prefix + "/"))
        and not any(part in {".", ".."} for part in parts)
    )
