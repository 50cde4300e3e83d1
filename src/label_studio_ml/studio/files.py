"""The files that tasks refer to, as local copies.

A task's data is written by anybody who may import tasks. So Label Studio's token goes only to its own file
addresses, this machine's files are read only inside the folders that were named for it, and some network
addresses are never asked.
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

from label_studio_ml.arguments import described
from label_studio_ml.errors import FileFetchError, StudioError
from label_studio_ml.file_settings import FileSettings
from label_studio_ml.studio import cloud
from label_studio_ml.studio.address import check_all
from label_studio_ml.studio.deadline import Deadline
from label_studio_ml.studio.filecache import FileCache
from label_studio_ml.studio.http import ATTEMPTS, Http, overdue, unconfirmed
from label_studio_ml.studio.local import file_below, path_inside, upload_in, user_cache
from label_studio_ml.studio.references import (
    STUDIO_KINDS,
    Kind,
    Reference,
    below,
    data_content,
    find_reference,
    mask,
    missing_sub_path,
    task_of,
)
from label_studio_ml.texts import shell_command, whole_number

if TYPE_CHECKING:
    from requests import Response

_CHUNK = 1 << 18

# Connections and access tokens outlive the FileAccess that a model makes for one call.
_shared_http = functools.lru_cache(maxsize=16)(Http)


class _MissingError(FileFetchError):
    """Label Studio does not have the file at this one of its addresses."""


def default_cache_dir() -> Path:
    """Return where files go for a model that no backend has built: a folder that only its user can write to."""
    return user_cache("files")


@dataclass(frozen=True, slots=True, kw_only=True)
class FileAccess:
    """Fetches the files that tasks refer to, and keeps them in `cache_dir`.

    `studio_url` and `token` are Label Studio's; either may be empty, then its own files cannot be had. `studio_private`
    are the private addresses that it may have, `*` for any. Files
    of `/data/local-files/` are read from `document_root` where it is set and has them, else through Label
    Studio. `rules` say what else is allowed: of private addresses, only those are unless they name
    it; link-local ones and clouds' metadata services never are. Threads may share one, processes the cache.
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
        """Return the path of a local copy of the file that `url` refers to, fetching it if need be.

        Understood are Label Studio's uploads and local-files (with or without the host), `s3://`, `gs://` and
        `azure-blob://` (read directly where `rules` say so; else `task_id` is needed, as Label Studio opens
        them for a task), `http(s)://`, `data:`, and absolute paths inside `document_root`, `project_dir` or
        `cache_dir`. Uploads are looked for in `project_dir`/upload first. Raises FileFetchError, naming URL,
        status and the setting to change.
        """
        reference = self._find(url)
        if reference is None:
            if prefix := missing_sub_path(url, self.studio_url):
                known = mask(self.studio_url).rstrip("/") or "not set"
                whole = f"{known}{prefix}" if self.studio_url else f"Label Studio's address with {prefix}"
                raise FileFetchError(
                    f"{mask(url)} is a file of a Label Studio below {prefix}, and LABEL_STUDIO_URL is {known}",
                    fix=f"Set LABEL_STUDIO_URL to {whole}",
                    field="LABEL_STUDIO_URL",
                )
            folders = [self.document_root, project_dir and Path(project_dir), self.cache_dir]
            return str(path_inside(url, [folder for folder in folders if folder]))
        here: Path | None = None
        if reference.kind is Kind.LOCAL:
            here = self.document_root and file_below(self.document_root, reference.name)
        elif project_dir:
            here = upload_in(Path(project_dir) / "upload", url, self.studio_url)
        if here is None:
            here = self._fetch(reference, task_id)
        return str(here)

    def cached_path(self, url: str) -> Path:
        """Return where the copy of `url` is or will be. Raises FileFetchError when it is no URL."""
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
        """Return a copy of `value`, dicts and lists included, with each reference to a file replaced.

        `fetch` returns the path of the file that a reference names; None stands for `local_path` with `task_id`.
        A reference becomes the file's text with `read_file` (the path where the file is not UTF-8 text), else its
        local path. A string counts as a reference by its form alone; text stays text, also when a file has
        that name. Raises FileFetchError.
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
        """Raise FileFetchError if Label Studio has a private address, and nobody has confirmed that it is the one."""
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
        """A blank in a URL is a mistake that is easy to put right where somebody asks for this very file."""
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
        place = "" if reference.kind in {Kind.WEB, Kind.DATA} else self.studio_url.rstrip("/")
        digest = hashlib.sha256(f"{place}\n{reference.target}".encode("utf-8", "surrogatepass")).hexdigest()
        return self.cache_dir / f"{digest[:32]}{reference.extension}"

    def _fetch(self, reference: Reference, task_id: int | str | None) -> Path:
        """Return the path of the copy in the cache, fetching it unless it is there."""
        name = self._cached(reference).name
        cache = FileCache(self.cache_dir, self.rules.cache_bytes)
        if found := cache.find(name):
            return found
        patience = self.rules.timeout
        try:
            return cache.fill(name, lambda file: self._write(reference, task_id, file), patience)
        except StudioError as error:
            raise FileFetchError(error.message, fix=error.fix, field=error.field) from None
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise FileFetchError(
                f"{mask(reference.target)} cannot be stored in {self.cache_dir}: {reason}",
                fix="MODEL_DIR must be a folder with room that this user may write to",
                field="MODEL_DIR",
            ) from None

    def _write(self, reference: Reference, task_id: int | str | None, file: BinaryIO) -> None:
        """Write the file's content, from the first place that has it."""
        if reference.kind is Kind.DATA:
            self._copy(iter([data_content(reference.target)]), file, reference.target)
            return
        with Deadline(self.rules.timeout) as deadline:
            refused: FileFetchError | None = None
            if reference.kind is Kind.CLOUD and cloud.may_read(reference.target, self.rules):
                refused = self._direct(reference, file, deadline)
                if refused is None:
                    return
            try:
                addresses = self._addresses(reference, task_id)
            except FileFetchError as error:
                raise (refused or error) from None
            missing: _MissingError | None = None
            for address in addresses:
                try:
                    self._download(address, reference, file, deadline)
                    return
                except _MissingError as error:
                    missing = missing or error
        if missing:
            raise missing

    def _addresses(self, reference: Reference, task_id: int | str | None) -> list[str]:
        """Return where the file may be had, first the most likely place."""
        if reference.kind is Kind.WEB:
            return [reference.target]
        for value, name in ((self.studio_url, "LABEL_STUDIO_URL"), (self.token, "LABEL_STUDIO_API_KEY")):
            if not value.strip():
                raise FileFetchError(
                    f"{mask(reference.target)} is to be had from Label Studio only",
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

    def _direct(self, reference: Reference, file: BinaryIO, deadline: Deadline) -> FileFetchError | None:
        """Write a cloud file that is read without Label Studio; return why that did not work, None if it did."""
        if package := cloud.missing_package(reference.target):
            return FileFetchError(
                f"{mask(reference.target)} cannot be read directly without {package}",
                fix=f"Run: {shell_command('pip', 'install', package)}",
            )
        try:
            self._copy(cloud.read(reference.target, self.rules), file, reference.target, deadline)
        except FileFetchError as error:
            if error.field.startswith("FILES_"):
                raise  # too large, too slow: so it is by any way
            return error
        return None

    def _download(self, address: str, reference: Reference, file: BinaryIO, deadline: Deadline) -> None:
        """Write what is at `address`. Raises _MissingError or another StudioError."""
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
        """Return whether `url` is one of Label Studio's file addresses, to which the token may go."""
        path = below(self.studio_url, url)
        found = find_reference(path) if path else None
        return found is not None and found.kind in STUDIO_KINDS

    def _check(self, response: "Response", reference: Reference) -> None:
        """Raise FileFetchError unless the answer is the file, of a size that is allowed."""
        ours = below(self.studio_url, response.url) is not None
        if ours and reference.kind is not Kind.WEB:
            # Label Studio's page for the login is an answer with status 200.
            if response.status_code == 401 or not self._is_file(response.url):
                raise self._http().refused(response, FileFetchError)
            if response.status_code in {400, 403, 404, 500}:
                raise self._bad(_MissingError, response, reference.kind)
        if response.status_code != 200:
            raise self._bad(FileFetchError, response, reference.kind)
        length = response.headers.get("Content-Length", "")
        if (whole_number(length) or 0) > self.rules.max_bytes:
            raise self._too_large(response.url)

    def _bad(self, error: type[FileFetchError], response: "Response", kind: Kind) -> FileFetchError:
        fix, name = _advice(response.status_code, kind, below(self.studio_url, response.url) is not None)
        return error(f"The file cannot be had: {self._http().status(response)}", fix=fix, field=name)

    def _copy(
        self, chunks: Iterator[bytes], file: BinaryIO, address: str, deadline: Deadline | None = None
    ) -> None:
        """Write the chunks, from the file's beginning. Raises FileFetchError when they are too many or too slow."""
        file.seek(0)
        file.truncate()
        size = 0
        for chunk in chunks:
            size += len(chunk)
            if size > self.rules.max_bytes:
                raise self._too_large(address)
            if deadline is not None and deadline.passed:
                break
            file.write(chunk)
        if deadline is not None and deadline.passed:
            raise overdue(address, deadline.seconds, FileFetchError)

    def _too_large(self, url: str) -> FileFetchError:
        return FileFetchError(
            f"{mask(url)} is larger than {self.rules.max_bytes} bytes",
            fix="Raise FILES_MAX_MB",
            field="FILES_MAX_MB",
        )


def _text(path: str) -> str:
    """Return a file's text, or `path` where it is not UTF-8.

    Users' tests patch `open` and look at how it is called: with nothing but path and mode, as release 2.x did.
    """
    utf8 = codecs.lookup(locale.getencoding()).name == "utf-8"
    try:
        with open(path, "r") if utf8 else open(path, encoding="utf-8") as file:  # noqa: UP015
            return file.read().removeprefix("\ufeff")
    except UnicodeDecodeError:
        return path


def _advice(status: int, kind: Kind, ours: bool) -> tuple[str, str]:
    """Return what to do about an answer, and the setting that it is about."""
    if status in {401, 403} and not ours:
        return "If this is Label Studio, set LABEL_STUDIO_URL to this address", "LABEL_STUDIO_URL"
    if status in {401, 403} and kind is Kind.WEB:
        return "Label Studio's token is sent for uploads, local files and cloud files only", ""
    if status == 403 and kind is Kind.LOCAL:
        fix = "Set LOCAL_FILES_DOCUMENT_ROOT here, or LOCAL_FILES_SERVING_ENABLED=true in Label Studio"
        return fix, "LOCAL_FILES_DOCUMENT_ROOT"
    if status == 403:
        return "LABEL_STUDIO_API_KEY must be of a user who may see the project", "LABEL_STUDIO_API_KEY"
    if status in {404, 500} and kind is Kind.UPLOAD:
        return "It seems that the upload was deleted in Label Studio", ""  # 1.23.2 answers 500 then
    if status == 404 and kind is Kind.CLOUD:
        return "Connect the bucket to the project in Label Studio's cloud storage settings", ""
    if status == 404 and kind is Kind.LOCAL:
        return "Add the folder to the project in Label Studio's cloud storage settings", ""
    return "", ""
