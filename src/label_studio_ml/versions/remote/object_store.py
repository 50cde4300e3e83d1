"""Read and write objects in a store by its URL, through fsspec: S3, Google Cloud Storage, Azure and others."""

import importlib
import logging
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from label_studio_ml.errors import SettingsError, StoreError, VersionError
from label_studio_ml.storage import atomic_files
from label_studio_ml.support.texts import shell_command
from label_studio_ml.versions.remote.call_timeout import call

#: By scheme of the URL: the extra of this package that installs the driver, and the settings with the credentials.
_DRIVERS = {
    "s3": ("s3", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
    "s3a": ("s3", "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"),
    "gs": ("gcs", "GOOGLE_APPLICATION_CREDENTIALS"),
    "gcs": ("gcs", "GOOGLE_APPLICATION_CREDENTIALS"),
    "az": ("azure", "AZURE_STORAGE_CONNECTION_STRING"),
    "abfs": ("azure", "AZURE_STORAGE_CONNECTION_STRING"),
    "abfss": ("azure", "AZURE_STORAGE_CONNECTION_STRING"),
}

#: Schemes of stores in this machine's file system: a folder that other machines may share (NFS).
_DISK_SCHEMES = ("file", "local")

#: Words in drivers' errors for refused credentials, for missing rights, and for either of the two.
_BAD_LOGIN = ("Credential", "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken")
_NO_RIGHTS = ("AccessDenied", "Access Denied", "AuthorizationPermissionMismatch")
_BAD_LOGIN_OR_NO_RIGHTS = ("Forbidden",)

#: Timeouts of S3's driver in seconds: to connect, and for the next bytes of a response. It tries each call twice.
_CONNECT_TIMEOUT, _READ_TIMEOUT = 5, 20
#: Seconds without progress after which a call fails.
CALL_TIMEOUT = 45.0
#: Size in bytes of one part of an upload to S3; bytes per second below which a store counts as unreachable.
UPLOAD_PART_SIZE, MIN_THROUGHPUT = 16 << 20, 128 << 10


class ObjectStore:
    """The objects below one URL, by names relative to it. Safe to use from several threads and after a fork.

    Every method raises StoreError (`passing` is set where a later retry may succeed), or SettingsError where the URL
    is not valid or its driver is not installed.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._scheme = url.partition("://")[0].lower()
        self._is_s3 = self._scheme in ("s3", "s3a")
        self._connection: tuple[int, Any, str] = (0, None, "")

    def open(self) -> None:
        """Load the driver for the URL."""
        self._open()

    def check(self) -> None:
        """List, write, read and delete a probe object, so that missing rights show at once."""
        name = f".rights-{secrets.token_hex(4)}"
        self.names("hints")
        self.put(name, b"may be written")
        self.get(name)
        self.delete([name])

    def put(self, name: str, data: bytes, *, create: bool = False) -> None:
        """Write an object, in place of the present one of that name.

        With `create`, raise FileExistsError if there is one, where the store supports that. A folder on a disk does;
        there, readers see whole objects only (`atomic_files.create_file` has the exception).
        """
        system, root = self._open()
        path = f"{root}/{name}"
        try:
            self._make_folder(system, path)
            if self._scheme in _DISK_SCHEMES:
                write = atomic_files.create_file if create else atomic_files.replace_file
                write(Path(path), data, temporary=Path(root, f".writing-{secrets.token_hex(8)}"))
            elif create:
                try:
                    call(system, "pipe_file", path, data, mode="create", seconds=CALL_TIMEOUT)
                except (NotImplementedError, TypeError):
                    call(system, "pipe_file", path, data, seconds=CALL_TIMEOUT)
            else:
                call(system, "pipe_file", path, data, seconds=CALL_TIMEOUT)
        except FileExistsError:
            raise
        except Exception as error:
            if create and "PreconditionFailed" in repr(error):
                raise FileExistsError(name) from None
            raise self._store_error(error, "written") from error

    def put_file(self, path: Path, name: str) -> None:
        """Upload the content of the file `path` as the object `name`."""
        system, root = self._open()
        target = f"{root}/{name}"
        try:
            self._make_folder(system, target)
            seconds = CALL_TIMEOUT + min(path.stat().st_size, 2 * UPLOAD_PART_SIZE) / MIN_THROUGHPUT
            options = {"chunksize": UPLOAD_PART_SIZE} if self._is_s3 else {}
            call(system, "put_file", str(path), target, seconds=seconds, **options)
        except Exception as error:
            raise self._store_error(error, "written") from error

    def get(self, name: str) -> bytes | None:
        """Return an object's content, None if there is no such object."""
        system, root = self._open()
        try:
            return bytes(call(system, "cat_file", f"{root}/{name}", seconds=CALL_TIMEOUT))
        except FileNotFoundError as error:
            if _lacks_bucket(error):
                raise self._store_error(error, "read") from error
            return None
        except Exception as error:
            raise self._store_error(error, "read") from error

    def get_file(self, name: str, path: Path) -> None:
        """Download an object to the file `path`. Raises VersionError if there is no such object."""
        system, root = self._open()
        try:
            call(
                system,
                "get_file",
                f"{root}/{name}",
                str(path),
                seconds=CALL_TIMEOUT + 2 * UPLOAD_PART_SIZE / MIN_THROUGHPUT,
            )
        except FileNotFoundError as error:
            if _lacks_bucket(error):
                raise self._store_error(error, "read") from error
            raise VersionError(f"{name.rpartition('/')[2]} is missing in the store") from error
        except Exception as error:
            raise self._store_error(error, "read") from error

    def names(self, folder: str, *, deep: bool = False) -> list[str]:
        """Return the sorted names in `folder`, relative to it; with `deep`, those of all objects below it."""
        return sorted(self.marks(folder, deep=deep))

    def marks(self, folder: str, *, deep: bool = False) -> dict[str, str]:
        """Return the names in a folder, each with a mark (ETag, time, size) that changes with the content."""
        system, root = self._open()
        base = f"{root}/{folder}"
        try:
            entries = call(system, "find" if deep else "ls", base, detail=True, seconds=2 * CALL_TIMEOUT)
            entries = list(entries.values()) if deep else entries
        except NotADirectoryError:
            return {}
        except FileNotFoundError as error:
            if _lacks_bucket(error):
                raise self._store_error(error, "listed") from error
            return {}
        except Exception as error:
            raise self._store_error(error, "listed") from error
        return dict(_marks(entries, base))

    def delete(self, names: list[str]) -> None:
        """Delete objects. Names without an object are ignored."""
        system, root = self._open()
        for name in names:
            try:
                call(system, "rm_file", f"{root}/{name}", seconds=CALL_TIMEOUT)
            except FileNotFoundError:
                continue
            except Exception as error:
                raise self._store_error(error, "removed") from error

    def _make_folder(self, system: Any, path: str) -> None:
        """Make the parent folder of `path`, except in cloud stores: they need none, and people create the bucket."""
        if self._scheme not in _DRIVERS:
            system.makedirs(path.rpartition("/")[0], exist_ok=True)

    def _open(self) -> tuple[Any, str]:
        """Return the fsspec file system and the path of the URL in it; each process opens its own once."""
        if self._connection[0] != os.getpid():
            self._connection = (os.getpid(), *self._connect())
        return self._connection[1:]

    def _connect(self) -> tuple[Any, str]:
        options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
        for name in ("botocore", "aiobotocore"):  # at INFO, they log the source of the credentials
            logging.getLogger(name).setLevel(logging.WARNING)
        extra = _DRIVERS.get(self._scheme, ("",))[0]
        try:
            if self._is_s3:
                timeouts = {
                    "connect_timeout": _CONNECT_TIMEOUT,
                    "read_timeout": _READ_TIMEOUT,
                    "retries": {"max_attempts": 1},
                }
                options |= {"config_kwargs": timeouts, "session": _s3_session()}
            core = importlib.import_module("fsspec.core")
            system, root = core.url_to_fs(self.url, **options)
        except ImportError as error:
            fix = (
                shell_command("pip", "install", f"label-studio-ml[{extra}]")
                if extra
                else f"Install it: {error}"
            )
            raise SettingsError(
                f"MODEL_DIR={self.url} needs a driver that is not installed", fix=fix, field="MODEL_DIR"
            ) from None
        except ValueError as error:
            raise SettingsError(
                f"MODEL_DIR={self.url} cannot be used: {error}",
                fix="Use a folder, or a URL such as s3://bucket/prefix",
                field="MODEL_DIR",
            ) from None
        except Exception as error:
            raise self._store_error(error, "opened") from error
        if not str(root).strip("/"):
            raise SettingsError(
                f"MODEL_DIR={self.url} names no bucket",
                fix="Use a URL such as s3://bucket/prefix",
                field="MODEL_DIR",
            )
        if self._is_s3:
            system.retries = 1  # s3fs's default of five tries has no limit in time
        return system, str(root).rstrip("/")

    def _store_error(self, error: Exception, verb: str) -> StoreError:
        """Translate a driver's error into a StoreError; `verb` is what failed, such as "written"."""
        text = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        problem = f"MODEL_DIR={self.url} cannot be {verb}"
        refusal = _refusal(error)
        if refusal:
            name = _DRIVERS.get(self._scheme, ("", "the credentials"))[1]
            return StoreError(
                f"{problem}: {refusal} ({text})",
                fix=f"Set {name} to ones that may list, read, write and delete there",
                field="MODEL_DIR",
            )
        if isinstance(error, FileNotFoundError):
            return StoreError(
                f"{problem}: there is no such bucket ({text})",
                fix="Create it, or correct MODEL_DIR",
                field="MODEL_DIR",
            )
        store_error = StoreError(f"{problem} at the moment ({text})", field="MODEL_DIR")
        store_error.passing = True
        return store_error


def _s3_session() -> Any:
    """Return an aiobotocore session whose S3 uploads do not send `Expect: 100-continue`.

    With that header the client waits without a timeout for the server's interim response, and not every server that
    refuses an upload sends one.
    """
    session = importlib.import_module("aiobotocore.session").AioSession()
    session.unregister("before-call.s3", importlib.import_module("botocore.handlers").add_expect_header)
    return session


def _refusal(error: Exception) -> str:
    """Return a text that says whether the credentials or their rights were refused, empty if neither was."""
    text = f"{error!r} {error.__cause__!r}"
    bad_login = "it refuses this machine's credentials"
    if any(word in text for word in _BAD_LOGIN):
        return bad_login
    if any(word in text for word in _NO_RIGHTS):
        return "this machine's credentials may not do that"
    if isinstance(error, PermissionError) or any(word in text for word in _BAD_LOGIN_OR_NO_RIGHTS):
        return f"{bad_login}, or they may not do that"
    return ""


def _lacks_bucket(error: Exception) -> bool:
    """Tell whether the bucket itself is missing, rather than an object in it."""
    return any(word in f"{error!r} {error.__cause__!r}" for word in ("NoSuchBucket", "bucket does not exist"))


def _marks(entries: list[dict[str, Any]], base: str) -> Iterator[tuple[str, str]]:
    for entry in entries:
        path = str(entry["name"]).rstrip("/")
        name = path[len(base) :].lstrip("/") if path.startswith(base) else path.rpartition("/")[2]
        if name:
            kinds = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "size")
            yield name, " ".join(str(entry[kind]) for kind in kinds if entry.get(kind) is not None)
