"""Fetch the files that tasks refer to, as local copies.

A task's data is untrusted: any user with the right to import tasks writes it. So Label Studio's token is sent only to
Label Studio's file addresses, files of this machine are read only inside the configured folders, and some network
addresses are never contacted.
"""

import base64
import codecs
import functools
import hashlib
import locale
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote

from label_studio_ml.config.file_settings import FileSettings
from label_studio_ml.errors import FileFetchError, StudioError
from label_studio_ml.storage.file_cache import FileCache, StillBeingWritten
from label_studio_ml.studio.addresses.allowed_addresses import check_all
from label_studio_ml.studio.addresses.deadline import Deadline
from label_studio_ml.studio.addresses.local_files import file_below, path_inside, upload_in, user_cache
from label_studio_ml.studio.addresses.references import (
    STUDIO_KINDS,
    Kind,
    Reference,
    below,
    data_content,
    find_reference,
    missing_sub_path,
    task_of,
)
from label_studio_ml.studio.files import cloud
from label_studio_ml.studio.files.fetch_errors import advice, both_failed, too_large
from label_studio_ml.studio.transport.http import ATTEMPTS, Http
from label_studio_ml.studio.transport.studio_errors import overdue, summarized, token_refused, unconfirmed
from label_studio_ml.support.arguments import described
from label_studio_ml.support.texts import shell_command, whole_number
from label_studio_ml.support.url_secrets import mask

if TYPE_CHECKING:
    from requests import Response

_CHUNK = 1 << 18

# Shared, because connections and access tokens should outlive a FileAccess, which a model may create for one call.
_shared_http = functools.lru_cache(maxsize=16)(Http)


class _MissingError(FileFetchError):
    """Label Studio does not have the file at this address; it may have it at another of its addresses."""

    code = "LSML-E751"


def default_cache_dir() -> Path:
    """Return the cache folder, in the user's cache, for models that are created outside a backend."""
    return user_cache("files")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileAccess:
    """Fetches the files that tasks refer to, and keeps them in `cache_dir`.

    `studio_url` and `token` are Label Studio's; if either is empty, files are not fetched from Label Studio.
    `studio_private` are the private addresses that Label Studio may have, `*` for any. Files of `/data/local-files/`
    are read from `document_root` if it is set and has them, else through Label Studio. `rules` has the limits, and the
    other private addresses that are allowed; link-local addresses and cloud metadata services never are. Thread-safe;
    processes may share `cache_dir`.
    """

    studio_url: str = ""
    token: str = field(default="", repr=False)
    studio_private: tuple[str, ...] = ("*",)
    cache_dir: Path
    document_root: Path | None = None
    verify_tls: bool = True
    rules: FileSettings = field(default_factory=FileSettings)

    def local_path(
        self, url: str, *, task_id: int | str | None = None, project_dir: str | None = None
    ) -> str:
        """Return the path of a local copy of the file that `url` refers to, fetching it if it is not cached.

        `url` may be an upload or local-files address of Label Studio (with or without the host), `s3://`, `gs://` or
        `azure-blob://` (read directly where `rules` allow it; else through Label Studio, which needs `task_id`),
        `http(s)://`, `data:`, or an absolute path inside `document_root`, `project_dir` or `cache_dir`. Uploads are
        looked up in `project_dir`/upload first. Raises FileFetchError, which names URL, status and the setting to
        change.
        """
        reference = self._find(url)
        if reference is None:
            if prefix := missing_sub_path(url, self.studio_url):
                configured = mask(self.studio_url).rstrip("/") or "not set"
                full_address = (
                    f"{configured}{prefix}" if self.studio_url else f"Label Studio's address with {prefix}"
                )
                raise FileFetchError(
                    f"{mask(url)} is a file of a Label Studio below {prefix}, and LABEL_STUDIO_URL is {configured}",
                    fix=f"Set LABEL_STUDIO_URL to {full_address}",
                    field="LABEL_STUDIO_URL",
                )
            folders = [self.document_root, project_dir and Path(project_dir), self.cache_dir]
            return str(path_inside(url, [folder for folder in folders if folder]))
        local_copy: Path | None = None
        if reference.kind is Kind.LOCAL:
            local_copy = self.document_root and file_below(self.document_root, reference.name)
        elif project_dir:
            local_copy = upload_in(Path(project_dir) / "upload", url, self.studio_url)
        if local_copy is None:
            local_copy = self._fetch(reference, task_id)
        return str(local_copy)

    def cached_path(self, url: str) -> Path:
        """Return the path in the cache of the copy of `url`, whether it is fetched yet or not.

        Raises FileFetchError when `url` is not a reference to a file.
        """
        reference = self._find(url)
        if reference is None:
            raise FileFetchError(
                f"{mask(url)!r} is no reference to a file", fix="Correct the URL in the task"
            )
        return self._cached(reference)

    def preload(
        self,
        value: Any,
        *,
        task_id: int | str | None = None,
        fetch: Callable[[str], str] | None = None,
        read_file: bool = True,
    ) -> Any:
        """Return a copy of `value`, nested dicts and lists included, with each reference to a file replaced.

        `fetch` returns the local path for a reference; None stands for `local_path` with `task_id`. With `read_file`, a
        reference becomes the file's text (its path if the file is not UTF-8 text), else the local path. A string is a
        reference by its form alone: other text is kept, even if a file of that name exists. Raises FileFetchError.
        """
        fetch = fetch or functools.partial(self.local_path, task_id=task_id)
        preload = functools.partial(self.preload, fetch=fetch, read_file=read_file)
        if isinstance(value, dict):
            return {key: preload(item) for key, item in value.items()}
        if isinstance(value, list):
            return [preload(item) for item in value]
        if not isinstance(value, str) or find_reference(value, self.studio_url) is None:
            return value
        path = str(fetch(value))
        if not read_file:
            return path
        return _text(path)

    def check_studio(self) -> None:
        """Raise FileFetchError if Label Studio has a private address that `studio_private` and `rules` do not list."""
        if self.studio_url and "*" not in self.studio_private:
            allowed = (*self.studio_private, *self.rules.private)
            check_all(self.studio_url, private=allowed, advice=unconfirmed(self.studio_url))

    def _http(self) -> Http:
        return _shared_http(
            self.studio_url,
            self.token,
            verify_tls=self.verify_tls,
            private=self.rules.private,
            own_private=self.studio_private,
        )

    def _find(self, url: str) -> Reference | None:
        """Parse `url` into a `Reference`, or return None if it is not one. Blanks are accepted and encoded as %20.

        Raises FileFetchError when `url` is empty or not a string.
        """
        if not isinstance(url, str):
            raise FileFetchError(
                f"url must be the text of a URL or path, not {described(url)}",
                fix="Pass what the task's data hold, such as task['data']['image']",
                field="url",
            )
        if not url.strip():
            raise FileFetchError(
                "The URL is empty", fix="Correct the task: its data refer to no file", field="url"
            )
        encoded = url.strip().replace(" ", "%20")
        return find_reference(url, self.studio_url) or find_reference(encoded, self.studio_url)

    def _cached(self, reference: Reference) -> Path:
        base = "" if reference.kind in {Kind.WEB, Kind.DATA} else self.studio_url.rstrip("/")
        digest = hashlib.sha256(f"{base}\n{reference.target}".encode("utf-8", "surrogatepass")).hexdigest()
        return self.cache_dir / f"{digest[:32]}{reference.extension}"

    def _fetch(self, reference: Reference, task_id: int | str | None) -> Path:
        """Return the path of the copy in the cache, fetching the file if it is not cached. Raises FileFetchError."""
        name = self._cached(reference).name
        cache = FileCache(self.cache_dir, self.rules.cache_bytes)
        if cached := cache.find(name):
            return cached
        timeout = self.rules.timeout
        try:
            return cache.fill(name, lambda file: self._write(reference, task_id, file), timeout)
        except StudioError as error:
            raise FileFetchError(error.message, fix=error.fix, field=error.field) from error
        except StillBeingWritten:
            raise FileFetchError(
                "Another process fetches the same file and does not get it in time",
                fix="Raise FILES_TIMEOUT, or correct the URL in the task",
                field="FILES_TIMEOUT",
            ) from None
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise FileFetchError(
                f"{mask(reference.target)} cannot be stored in {self.cache_dir}: {reason}",
                fix="MODEL_DIR must be a folder with free space that this user may write to",
                field="MODEL_DIR",
            ) from None

    def _write(self, reference: Reference, task_id: int | str | None, file: BinaryIO) -> None:
        """Write the file's content to `file`, from the first source that has it.

        Raises FileFetchError or another StudioError.
        """
        if reference.kind is Kind.DATA:
            self._copy(iter([data_content(reference.target)]), file, reference.target)
            return
        with Deadline(self.rules.timeout) as deadline:
            direct_error: FileFetchError | None = None
            if reference.kind is Kind.CLOUD and cloud.may_read(reference.target, self.rules):
                direct_error = self._read_directly(reference, file, deadline)
                if direct_error is None:
                    return
            try:
                addresses = self._addresses(reference, task_id)
            except FileFetchError as error:
                raise (direct_error or error) from None
            try:
                self._download_first(addresses, reference, file, deadline)
            except StudioError as error:
                if direct_error is None:
                    raise
                raise both_failed(direct_error, error) from error

    def _download_first(
        self, addresses: list[str], reference: Reference, file: BinaryIO, deadline: Deadline
    ) -> None:
        """Write the file from the first of the addresses that has it.

        Raises StudioError: the one of the first address if no address has the file.
        """
        missing: _MissingError | None = None
        for address in addresses:
            try:
                self._download(address, reference, file, deadline)
                return
            except _MissingError as error:
                missing = missing or error
            except StudioError as error:
                if missing is None:
                    raise
                raise both_failed(missing, error, "and at its other address") from error
        if missing:
            raise missing

    def _addresses(self, reference: Reference, task_id: int | str | None) -> list[str]:
        """Return the URLs to try, the most likely one first.

        Raises FileFetchError when a setting or `task_id` is missing, or when the file belongs to another task.
        """
        if reference.kind is Kind.WEB:
            return [reference.target]
        for value, name in ((self.studio_url, "LABEL_STUDIO_URL"), (self.token, "LABEL_STUDIO_API_KEY")):
            if not value.strip():
                raise FileFetchError(
                    f"{mask(reference.target)} can only be fetched from Label Studio",
                    fix=f"Set {name}",
                    field=name,
                )
        base = self.studio_url.strip().rstrip("/")
        owner = task_of(reference)
        if owner and task_id is not None and owner != str(task_id):
            raise FileFetchError(f"{mask(reference.target)} belongs to task {owner}, not to task {task_id}")
        if reference.kind is Kind.CLOUD:
            if task_id is None or whole_number(str(task_id)) is None:
                raise FileFetchError(
                    f"{mask(reference.target)} needs the id of its task, for which Label Studio opens it",
                    fix="Pass task_id=task['id']",
                    field="task_id",
                )
            name = base64.urlsafe_b64encode(reference.target.encode()).decode()
            return [f"{base}/tasks/{task_id}/{verb}/?fileuri={name}" for verb in ("resolve", "presign")]
        if reference.kind is Kind.UPLOAD:
            name = quote(reference.name.removeprefix("/data/"))
            return [f"{base}{reference.target}", f"{base}/storage-data/uploaded/?filepath={name}"]
        return [f"{base}{reference.target}"]

    def _read_directly(
        self, reference: Reference, file: BinaryIO, deadline: Deadline
    ) -> FileFetchError | None:
        """Write a cloud file that is read directly; return None, or the error after which Label Studio is tried.

        Raises FileFetchError when the file is too large or too slow.
        """
        if package := cloud.missing_package(reference.target):
            return FileFetchError(
                f"{mask(reference.target)} cannot be read directly without {package}",
                fix=f"Run: {shell_command('pip', 'install', package)}",
            )
        try:
            self._copy(cloud.read(reference.target, self.rules), file, reference.target, deadline)
        except FileFetchError as error:
            if error.field.startswith("FILES_"):
                raise  # too large or too slow, which it would be through Label Studio, too
            return error
        return None

    def _download(self, address: str, reference: Reference, file: BinaryIO, deadline: Deadline) -> None:
        """Write the file at `address`, with retries. Raises _MissingError or another StudioError."""
        from requests import RequestException

        for attempt in range(1, ATTEMPTS + 1):
            with self._http().request(
                "GET", address, login=self._is_file, stay=False, error=FileFetchError
            ) as response:
                self._check(response, reference)
                try:
                    self._copy(response.iter_content(_CHUNK), file, address, deadline)
                    return
                except RequestException as failure:
                    if deadline.passed:
                        raise overdue(address, deadline.seconds, FileFetchError) from None
                    if attempt == ATTEMPTS:
                        raise FileFetchError(
                            f"{mask(address)} broke off ({type(failure).__name__})", fix="Try again later"
                        ) from None

    def _is_file(self, url: str) -> bool:
        """Tell whether `url` is one of Label Studio's file addresses, to which the token may be sent."""
        path = below(self.studio_url, url)
        reference = find_reference(path) if path else None
        return reference is not None and reference.kind in STUDIO_KINDS

    def _check(self, response: "Response", reference: Reference) -> None:
        """Raise FileFetchError unless the response is the file, with an allowed Content-Length if it has one."""
        from_studio = below(self.studio_url, response.url) is not None
        if from_studio and reference.kind is not Kind.WEB:
            # Without a login, Label Studio redirects to its login page, which has status 200.
            if response.status_code == 401 or not self._is_file(response.url):
                raise token_refused(response, self._http().token, FileFetchError)
            if response.status_code in {400, 403, 404, 500}:
                raise self._status_error(_MissingError, response, reference.kind)
        if response.status_code != 200:
            raise self._status_error(FileFetchError, response, reference.kind)
        length = response.headers.get("Content-Length", "")
        if (whole_number(length) or 0) > self.rules.max_bytes:
            raise too_large(response.url, self.rules.max_bytes)

    def _status_error(self, error: type[FileFetchError], response: "Response", kind: Kind) -> FileFetchError:
        from_studio = below(self.studio_url, response.url) is not None
        fix, name = advice(response.status_code, kind, from_studio=from_studio)
        summary = summarized(response, self._http().token)
        return error(f"The file cannot be fetched: {summary}", fix=fix, field=name)

    def _copy(
        self, chunks: Iterator[bytes], file: BinaryIO, address: str, deadline: Deadline | None = None
    ) -> None:
        """Write the chunks, from the file's beginning. Raises FileFetchError on exceeded size or deadline."""
        file.seek(0)
        file.truncate()
        size = 0
        for chunk in chunks:
            size += len(chunk)
            if size > self.rules.max_bytes:
                raise too_large(address, self.rules.max_bytes)
            if deadline is not None and deadline.passed:
                break
            file.write(chunk)
        if deadline is not None and deadline.passed:
            raise overdue(address, deadline.seconds, FileFetchError)


def _text(path: str) -> str:
    """Return a file's text without a byte order mark, or `path` if the file is not UTF-8.

    Users' tests patch `open` and assert its arguments, so it is called with path and mode only, as release 2.x did.
    """
    utf8 = codecs.lookup(locale.getencoding()).name == "utf-8"
    try:
        with open(path, "r") if utf8 else open(path, encoding="utf-8") as file:  # noqa: UP015
            return file.read().removeprefix("\ufeff")
    except UnicodeDecodeError:
        return path
