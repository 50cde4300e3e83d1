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
_ON_DISK = ("file", "local")

#: Words in drivers' errors for refused credentials, for missing rights, and for either of the two.
_BAD_LOGIN = ("Credential", "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken")
_NO_RIGHTS = ("AccessDenied", "Access Denied", "AuthorizationPermissionMismatch")
_EITHER = ("Forbidden",)

#: Timeouts of S3's driver in seconds: to connect, and for the next bytes of a response. It tries each call twice.
_CONNECT, _READ = 5, 20
#: Seconds without progress after which a call is given up.
SILENCE = 45.0
#: Bytes of one part of an upload to S3, and bytes per second below which a store counts as unreachable.
PART, SLOWEST = 16 << 20, 128 << 10


class ObjectStore:
    """The objects below one URL, by names relative to it. Safe to use from several threads and after a fork.

    Every method raises StoreError (`passing` is set where a later retry may succeed), or SettingsError where the URL
    is not valid or its driver is not installed.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._scheme = url.partition("://")[0].lower()
        self._is_s3 = self._scheme in ("s3", "s3a")
        self._made: tuple[int, Any, str] = (0, None, "")

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
            if self._scheme in _ON_DISK:
                write = atomic_files.create_file if create else atomic_files.replace_file
                write(Path(path), data, temporary=Path(root, f".writing-{secrets.token_hex(8)}"))
            elif create:
                try:
                    call(system, "pipe_file", path, data, mode="create", seconds=SILENCE)
                except (NotImplementedError, TypeError):
                    call(system, "pipe_file", path, data, seconds=SILENCE)
            else:
                call(system, "pipe_file", path, data, seconds=SILENCE)
        except FileExistsError:
            raise
        except Exception as error:
            if create and "PreconditionFailed" in repr(error):
                raise FileExistsError(name) from None
            raise self._explained(error, "written") from error

    def put_file(self, path: Path, name: str) -> None:
        """Upload the content of the file `path` as the object `name`."""
        system, root = self._open()
        target = f"{root}/{name}"
        try:
            self._make_folder(system, target)
            seconds = SILENCE + min(path.stat().st_size, 2 * PART) / SLOWEST
            options = {"chunksize": PART} if self._is_s3 else {}
            call(system, "put_file", str(path), target, seconds=seconds, **options)
        except Exception as error:
            raise self._explained(error, "written") from error

    def get(self, name: str) -> bytes | None:
        """Return an object's content, None if there is no such object."""
        system, root = self._open()
        try:
            return bytes(call(system, "cat_file", f"{root}/{name}", seconds=SILENCE))
        except FileNotFoundError as error:
            if _lacks_bucket(error):
                raise self._explained(error, "read") from error
            return None
        except Exception as error:
            raise self._explained(error, "read") from error

    def get_file(self, name: str, path: Path) -> None:
        """Download an object to the file `path`. Raises VersionError if there is no such object."""
        system, root = self._open()
        try:
            call(system, "get_file", f"{root}/{name}", str(path), seconds=SILENCE + 2 * PART / SLOWEST)
        except FileNotFoundError as error:
            if _lacks_bucket(error):
                raise self._explained(error, "read") from error
            raise VersionError(f"{name.rpartition('/')[2]} is missing in the store") from error
        except Exception as error:
            raise self._explained(error, "read") from error

    def names(self, folder: str, *, deep: bool = False) -> list[str]:
        """Return the sorted names in `folder`, relative to it; with `deep`, those of all objects below it."""
        return sorted(self.marks(folder, deep=deep))

    def marks(self, folder: str, *, deep: bool = False) -> dict[str, str]:
        """Return the names in a folder, each with a mark (ETag, time, size) that changes with the content."""
        system, root = self._open()
        base = f"{root}/{folder}"
        try:
            found = call(system, "find" if deep else "ls", base, detail=True, seconds=2 * SILENCE)
            found = list(found.values()) if deep else found
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
        """Delete objects. Names without an object are ignored."""
        system, root = self._open()
        for name in names:
            try:
                call(system, "rm_file", f"{root}/{name}", seconds=SILENCE)
            except FileNotFoundError:
                continue
            except Exception as error:
                raise self._explained(error, "removed") from error

    def _make_folder(self, system: Any, path: str) -> None:
        """Make the parent folder of `path`, except in cloud stores: they need none, and people create the bucket."""
        if self._scheme not in _DRIVERS:
            system.makedirs(path.rpartition("/")[0], exist_ok=True)

    def _open(self) -> tuple[Any, str]:
        """Return the fsspec file system and the path of the URL in it; each process opens its own once."""
        if self._made[0] != os.getpid():
            self._made = (os.getpid(), *self._opened())
        return self._made[1:]

    def _opened(self) -> tuple[Any, str]:
        options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
        for name in ("botocore", "aiobotocore"):  # they log where they found credentials
            logging.getLogger(name).setLevel(logging.WARNING)
        extra = _DRIVERS.get(self._scheme, ("",))[0]
        try:
            if self._is_s3:
                patience = {
                    "connect_timeout": _CONNECT,
                    "read_timeout": _READ,
                    "retries": {"max_attempts": 1},
                }
                options |= {"config_kwargs": patience, "session": _s3_session()}
            core = importlib.import_module("fsspec.core")
            system, root = core.url_to_fs(self.url, **options)
        except ImportError as error:
            what = (
                shell_command("pip", "install", f"label-studio-ml[{extra}]")
                if extra
                else f"Install it: {error}"
            )
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
        if self._is_s3:
            system.retries = 1  # s3fs's default of five tries has no limit in time
        return system, str(root).rstrip("/")

    def _explained(self, error: Exception, verb: str) -> StoreError:
        """Translate a driver's error into a StoreError; `verb` is what failed, such as "written"."""
        text = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
        found = f"MODEL_DIR={self.url} cannot be {verb}"
        refusal = _refusal(error)
        if refusal:
            name = _DRIVERS.get(self._scheme, ("", "the credentials"))[1]
            return StoreError(
                f"{found}: {refusal} ({text})",
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
    full = f"{error!r} {error.__cause__!r}"
    bad = "it refuses the credentials that are here"
    if any(word in full for word in _BAD_LOGIN):
        return bad
    if any(word in full for word in _NO_RIGHTS):
        return "the credentials that are here may not do that"
    if isinstance(error, PermissionError) or any(word in full for word in _EITHER):
        return f"{bad}, or they may not do that"
    return ""


def _lacks_bucket(error: Exception) -> bool:
    """Tell whether the bucket itself is missing, rather than an object in it."""
    return any(word in f"{error!r} {error.__cause__!r}" for word in ("NoSuchBucket", "bucket does not exist"))


def _marks(found: list[dict[str, Any]], base: str) -> Iterator[tuple[str, str]]:
    for one in found:
        path = str(one["name"]).rstrip("/")
        name = path[len(base) :].lstrip("/") if path.startswith(base) else path.rpartition("/")[2]
        if name:
            kinds = ("ETag", "etag", "md5Hash", "mtime", "LastModified", "size")
            yield name, " ".join(str(one[kind]) for kind in kinds if one.get(kind) is not None)
