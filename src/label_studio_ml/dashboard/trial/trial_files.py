"""Files of tasks for the page, which loads nothing from other servers: signed references, and the files themselves.

A reference names project, task and URL, and is signed by this backend, so that a reader of the page gets the files of
the tasks that this backend has shown, and no others. Files are fetched by the rules that models have.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import msgspec

from label_studio_ml.config.settings import Settings
from label_studio_ml.controls.object_tag import ObjectTag
from label_studio_ml.errors import FileFetchError, NotAuthorized
from label_studio_ml.inputs.content import url_in
from label_studio_ml.model_calls.project_login import studio_login, studio_private
from label_studio_ml.studio.addresses.references import find_reference
from label_studio_ml.studio.files.fetch import FileAccess
from label_studio_ml.versions.state.project_state import Project
from label_studio_ml.web.security.login_sessions import Sessions

#: The page loads files from here; relative to the page.
FILE_URL = "dashboard/api/trial/file"
#: Headers of a file: nothing in it can run or load anything, and only this site may embed it.
HEADERS = {
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, max-age=600",
}
#: The most files of one object, such as the pages of a document.
MAX_FILES = 1000


class _Reference(msgspec.Struct, frozen=True, array_like=True):
    uid: str
    task: int | str | None
    url: str


@dataclass(frozen=True, slots=True)
class TaskFiles:
    """Signs references to files of tasks, and fetches the files."""

    settings: Settings
    sessions: Sessions

    def contents(self, project: Project, item: ObjectTag, task: Mapping[str, Any]) -> dict[str, Any]:
        """Return what an object of the label config shows of a task: `data`, and the URL of its `file` for the page.

        `file` is a list if `data` is one, and empty for what is no file, as for a `data:` URL. If the task lacks the
        field, the result is `error` with the cause.
        """
        try:
            value = item.value(task)
        except KeyError as error:
            return {"data": None, "file": "", "error": str(error.args[0])}
        if item.is_list and isinstance(value, list):
            return {
                "data": value,
                "file": [self._link(project, item, each, task.get("id")) for each in value[:MAX_FILES]],
            }
        return {"data": value, "file": self._link(project, item, value, task.get("id"))}

    def reference(self, query: Mapping[str, str]) -> tuple[str, int | str | None, str]:
        """Return project uid, task id and URL of a reference. Raises NotAuthorized unless its signature is right."""
        text = query.get("ref", "")
        if not text or not self.sessions.is_signed(_signed(text), query.get("sig", "")):
            raise NotAuthorized(
                "The reference to a file is not one of this page", fix="Reload the page", field="sig"
            )
        try:
            decoded = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
            found = msgspec.json.decode(decoded, type=_Reference)
        except (binascii.Error, ValueError, msgspec.MsgspecError):
            raise NotAuthorized("The reference to a file cannot be read", fix="Reload the page") from None
        return found.uid, found.task, found.url

    def fetch(self, project: Project, task: int | str | None, url: str) -> Path:
        """Return the path of a local copy of a file, fetched if need be. Blocks. Raises FileFetchError."""
        if _reference_of(url, studio_login(project, self.settings)[0]) is None:
            raise FileFetchError("The value is no address of a file", fix="Correct the task", field="url")
        access = self._access(project)
        access.check_studio()
        return Path(access.local_path(url, task_id=task))

    def _access(self, project: Project) -> FileAccess:
        url, token = studio_login(project, self.settings)
        return FileAccess(
            studio_url=url,
            token=token,
            studio_private=studio_private(project, self.settings),
            cache_dir=self.settings.model_dir / "files",
            document_root=self.settings.document_root,
            verify_tls=self.settings.studio_verify_tls,
            rules=self.settings.files,
        )

    def _link(self, project: Project, item: ObjectTag, value: Any, task: Any) -> str:
        """Return the URL, relative to the page, of the file that `value` names; empty if it names none."""
        url = url_in(item, value)
        if not url or url[:5].lower() == "data:":
            return ""
        if _reference_of(url, studio_login(project, self.settings)[0]) is None:
            return ""
        number = task if isinstance(task, int | str) and not isinstance(task, bool) else None
        encoded = msgspec.json.encode(_Reference(project.uid, number, url))
        text = base64.urlsafe_b64encode(encoded).decode().rstrip("=")
        return f"{FILE_URL}?{urlencode({'ref': text, 'sig': self.sessions.sign(_signed(text))})}"


def file_references(value: Any, studio_url: str) -> bool:
    """Tell whether a value of a task's data has a text that could name a file or an address, at any depth.

    `data:` URLs name none: they are the file.
    """
    left = [value]
    while left:
        item = left.pop()
        if isinstance(item, Mapping):
            left.extend(item.values())
        elif isinstance(item, list):
            left.extend(item)
        elif isinstance(item, str) and item[:5].lower() != "data:":
            start = item[:16384].strip()
            if (
                start.startswith(("/", "\\", "upload/"))
                or "://" in start
                or find_reference(start, studio_url)
            ):
                return True
    return False


def _reference_of(url: str, studio_url: str) -> Any:
    """Return the parsed reference of `url`, None if it is no address of a file. Blanks are accepted."""
    return find_reference(url, studio_url) or find_reference(url.strip().replace(" ", "%20"), studio_url)


def _signed(text: str) -> str:
    return f"trial file {text}"
