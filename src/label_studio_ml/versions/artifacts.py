"""Objects in a store that fsspec reads and writes: S3, Google Cloud Storage, Azure and others, by one URL."""

import importlib
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from label_studio_ml.errors import SettingsError, StoreError, VersionError

#: Scheme of a URL: our extra that installs its driver, and the setting that holds its credentials.
_DRIVERS = {
    "s3": ("s3", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
    "s3a": ("s3", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
    "gs": ("gcs", "GOOGLE_APPLICATION_CREDENTIALS"),
    "gcs": ("gcs", "GOOGLE_APPLICATION_CREDENTIALS"),
    "az": ("azure", "AZURE_STORAGE_CONNECTION_STRING"),
    "abfs": ("azure", "AZURE_STORAGE_CONNECTION_STRING"),
    "abfss": ("azure", "AZURE_STORAGE_CONNECTION_STRING"),
}

#: What a refused login is called, where the driver does not raise PermissionError.
_REFUSALS = ("Credential", "InvalidAccessKeyId", "SignatureDoesNotMatch", "AccessDenied", "Forbidden")


class ArtifactStore:
    """The objects below one URL, by names relative to it. Safe to use from several threads and after a fork.

    Every method raises StoreError: `passing` where asking again later may help.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._scheme = url.partition("://")[0].lower()
        self._made: tuple[int, Any, str] = (0, None, "")

    def open(self) -> None:
        """Load the driver. Raises SettingsError where there is none for the URL."""
        self._open()

    def check(self) -> None:
        """Write one object, so that what is wrong is known at once. Raises SettingsError or StoreError."""
        self.put(".rights", b"may be written")

    def put(self, name: str, data: bytes, *, create: bool = False) -> None:
        """Write an object in place of the one of that name.

        With `create`, raise FileExistsError if there is one, where the store can tell.
        """
        system, root = self._open()
        path = f"{root}/{name}"
        try:
            self._make_folder(system, path)
            if create:
                try:
                    system.pipe_file(path, data, mode="create")
                except (NotImplementedError, TypeError):
                    system.pipe_file(path, data)
            else:
                system.pipe_file(path, data)
        except FileExistsError:
            raise
        except Exception as error:
            if create and "PreconditionFailed" in repr(error):
                raise FileExistsError(name) from None
            raise self._explained(error, "written") from error

    def put_file(self, path: Path, name: str) -> None:
        """Write a file's content to an object."""
        system, root = self._open()
        target = f"{root}/{name}"
        try:
            self._make_folder(system, target)
            system.put_file(str(path), target)
        except Exception as error:
            raise self._explained(error, "written") from error

    def get(self, name: str) -> bytes | None:
        """Return an object's content, None if there is none."""
        system, root = self._open()
        try:
            return bytes(system.cat_file(f"{root}/{name}"))
        except FileNotFoundError as error:
            if _lacks_bucket(error):
                raise self._explained(error, "read") from error
            return None
        except Exception as error:
            raise self._explained(error, "read") from error

    def get_file(self, name: str, path: Path) -> None:
        """Write an object's content to a file. Raises VersionError if there is no such object."""
        system, root = self._open()
        try:
            system.get_file(f"{root}/{name}", str(path))
        except FileNotFoundError as error:
            if _lacks_bucket(error):
                raise self._explained(error, "read") from error
            raise VersionError(f"{name.rpartition('/')[2]} is missing in the store") from error
        except Exception as error:
            raise self._explained(error, "read") from error

    def names(self, folder: str, *, deep: bool = False) -> list[str]:
        """Return what lies in `folder`, as names inside it; with `deep`, the objects below it, however deep."""
        return sorted(self.marks(folder, deep=deep))

    def marks(self, folder: str, *, deep: bool = False) -> dict[str, str]:
        """Return the names in a folder, each with what differs when its content does, as far as the store tells."""
        system, root = self._open()
        base = f"{root}/{folder}"
        try:
            found = list(system.find(base, detail=True).values()) if deep else system.ls(base, detail=True)
        except NotADirectoryError:
            return {}
        except FileNotFoundError as error:
            if _lacks_bucket(error):
                raise self._explained(error, "listed") from error
            return {}
        except Exception as error:
            raise self._explained(error, "listed") from error
        return dict(_marks(found, base))

    def delete(self, names: list[str]) -> None:
        """Remove objects; one that is not there is no failure."""
        system, root = self._open()
        for name in names:
            try:
                system.rm_file(f"{root}/{name}")
            except FileNotFoundError:
                continue
            except Exception as error:
                raise self._explained(error, "removed") from error

    def _make_folder(self, system: Any, path: str) -> None:
        """Make what holds `path` where that is a thing of its own; a bucket is for people to make."""
        if self._scheme not in _DRIVERS:
            system.makedirs(path.rpartition("/")[0], exist_ok=True)

    def _open(self) -> tuple[Any, str]:
        """Return the file system and the path of our root in it; each process makes its own."""
        if self._made[0] != os.getpid():
            self._made = (os.getpid(), *self._opened())
        return self._made[1:]

    def _opened(self) -> tuple[Any, str]:
        options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
        if self._scheme in ("s3", "s3a"):
            patience = {"connect_timeout": 5, "read_timeout": 30, "retries": {"max_attempts": 2}}
            options["config_kwargs"] = patience
        for name in ("botocore", "aiobotocore"):  # they tell where they found credentials
            logging.getLogger(name).setLevel(logging.WARNING)
        extra = _DRIVERS.get(self._scheme, ("",))[0]
        try:
            core = importlib.import_module("fsspec.core")
            system, root = core.url_to_fs(self.url, **options)
        except ImportError as error:
            what = f'pip install "label-studio-ml[{extra}]"' if extra else f"Install it: {error}"
            raise SettingsError(
                f"MODEL_DIR={self.url} needs a driver that is not installed", fix=what, field="MODEL_DIR"
            ) from None
        except ValueError as error:
            raise SettingsError(
                f"MODEL_DIR={self.url} cannot be used: {error}",
                fix="Use a folder, or a URL such as s3://bucket/prefix",
                field="MODEL_DIR",
            ) from None
        except Exception as error:
            raise self._explained(error, "opened") from error
        if not str(root).strip("/"):
            raise SettingsError(
                f"MODEL_DIR={self.url} names no bucket",
                fix="Use a URL such as s3://bucket/prefix",
                field="MODEL_DIR",
            )
        return system, str(root).rstrip("/")

    def _explained(self, error: Exception, verb: str) -> StoreError:
        """Return what to tell people of a driver's error."""
        text = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        found = f"MODEL_DIR={self.url} cannot be {verb}"
        if isinstance(error, PermissionError) or any(word in text for word in _REFUSALS):
            name = _DRIVERS.get(self._scheme, ("", "the credentials"))[1]
            return StoreError(
                f"{found}: it refuses the credentials that are here ({text})",
                fix=f"Set {name} to ones that may list, read, write and delete there",
                field="MODEL_DIR",
            )
        if isinstance(error, FileNotFoundError):
            return StoreError(
                f"{found}: there is no such bucket ({text})",
                fix="Create it, or correct MODEL_DIR",
                field="MODEL_DIR",
            )
        away = StoreError(f"{found} at the moment ({text})", field="MODEL_DIR")
        away.passing = True
        return away


def _lacks_bucket(error: Exception) -> bool:
    """Tell whether it is the bucket that is missing, not an object in it."""
    return any(word in f"{error!r} {error.__cause__!r}" for word in ("NoSuchBucket", "bucket does not exist"))


def _marks(found: list[dict[str, Any]], base: str) -> Iterator[tuple[str, str]]:
    for one in found:
        path = str(one["name"]).rstrip("/")
        name = path[len(base) :].lstrip("/") if path.startswith(base) else path.rpartition("/")[2]
        if name:
            kinds = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "size")
            yield name, " ".join(str(one[kind]) for kind in kinds if one.get(kind) is not None)
