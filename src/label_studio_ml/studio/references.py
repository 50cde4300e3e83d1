"""Which strings of a task are references to files, and how such a reference is shown in a message.

A task's text is written by anybody. So a string counts as a reference only when all of it has the form of
one; that a file of that name exists here is no reason.
"""

import base64
import binascii
import mimetypes
import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qs, quote, unquote, unquote_to_bytes, urlsplit

from label_studio_ml.errors import FileFetchError
from label_studio_ml.texts import plural

#: Longest reference, in characters, other than a `data:` URL. Browsers and proxies stop at about this.
MAX_URL = 8192

#: Query parameters that are shown in messages; the values of all others may be secrets, and are not.
_SHOWN_PARAMETERS = frozenset({"d", "filepath", "fileuri", "page", "page_size", "project"})

_SCHEME_HOST = re.compile(r"https?://[^\s/?#\\]+", re.IGNORECASE)
_DATA_URL = re.compile(r"data:[\w.+-]+/[\w.+-]+(;[\w.+-]+=[^;,\s]*)*(;base64)?,", re.IGNORECASE)
_CLOUD = re.compile(r"(?:s3|gs|azure-blob)://[^\s/]+/\S", re.IGNORECASE)
_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,10}$")
_PACKED = frozenset({".gz", ".bz2", ".xz", ".zst", ".lz4"})

_UPLOAD = re.compile(r"/data/upload/\d+/[^\s?#]+$")
_LOCAL = re.compile(r"/data/local-files/?\?")
_STORED = re.compile(r"/storage-data/uploaded/?\?")
_RESOLVE = re.compile(r"/(?:tasks|projects)/(\d+)/(?:resolve|presign)/?\?")


class Kind(StrEnum):
    """Where a reference leads."""

    UPLOAD = "upload"
    LOCAL = "local-files"
    STORED = "storage-data"
    RESOLVE = "resolve"
    CLOUD = "cloud"
    WEB = "web"
    DATA = "data"


#: The kinds that only Label Studio can answer, and the only ones that its token is sent for.
STUDIO_KINDS = frozenset({Kind.UPLOAD, Kind.LOCAL, Kind.STORED, Kind.RESOLVE})


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference to a file.

    `target` is the path on Label Studio (below its sub-path, with the query) for the kinds that it answers,
    else the whole URL. `name` is the file's own path or name as far as the reference tells, decoded.
    """

    kind: Kind
    target: str
    name: str

    @property
    def extension(self) -> str:
        """The file's extension with its dot, such as `.png` or `.nii.gz`; empty if it has none."""
        if self.kind is Kind.DATA:
            return mimetypes.guess_extension(self.name) or ""
        last = self.name.rsplit("/", 1)[-1]
        found = _EXTENSION.search(last)
        if not found:
            return ""
        if found[0].lower() in _PACKED and (inner := _EXTENSION.search(last[: found.start()])):
            return inner[0] + found[0]
        return found[0]


def origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of an http(s) URL. Raises ValueError when it is none."""
    parts = urlsplit(url)
    scheme = parts.scheme.lower()
    if scheme not in {"http", "https"} or not parts.hostname:
        raise ValueError(f"{mask(url)} is not an http(s) address")
    return scheme, parts.hostname.rstrip("."), parts.port or (443 if scheme == "https" else 80)


def same_origin(url: str, other: str) -> bool:
    """Tell whether two http(s) URLs have the same scheme, host and port."""
    try:
        return origin(url) == origin(other)
    except ValueError:
        return False


def below(base: str, url: str) -> str | None:
    """Return path and query of `url` below the address `base`, or None when `url` is not there."""
    try:
        if not base or origin(base) != origin(url):
            return None
    except ValueError:
        return None
    prefix = urlsplit(base).path.rstrip("/")
    parts = urlsplit(url)
    if prefix and not parts.path.startswith(prefix + "/"):
        return None
    path = parts.path[len(prefix) :] or "/"
    return f"{path}?{parts.query}" if parts.query else path


def find_reference(text: str, studio_url: str = "") -> Reference | None:
    """Return the file that `text` refers to, None when it is plain text. Never looks at the file system.

    `studio_url` is Label Studio's address, so that its own files are known by a whole URL or below a sub-path
    too.
    """
    if text[:5].lower() == "data:":
        found = _DATA_URL.match(text)
        return Reference(Kind.DATA, text, re.split("[;,]", text[5:], maxsplit=1)[0]) if found else None
    if not text or len(text) > MAX_URL or text != text.strip() or not text.isprintable():
        return None
    if _CLOUD.match(text):
        return _cloud(text)
    if _SCHEME_HOST.match(text):
        return _web(text, studio_url)
    if re.match(r"/?upload/\d+/", text):
        return _on_studio("/data/" + text.lstrip("/"))
    prefix = urlsplit(studio_url).path.rstrip("/")
    if prefix and text.startswith(prefix + "/"):
        return _on_studio(text[len(prefix) :]) or _on_studio(text)
    return _on_studio(text)


def missing_sub_path(text: str, studio_url: str) -> str:
    """Return the sub-path of Label Studio that `text` begins with and `studio_url` lacks; empty if there is none.

    A Label Studio below `/ls` calls its files `/ls/data/upload/…`, which is nothing at an address without `/ls`.
    """
    if not text.startswith("/") or find_reference(text, studio_url) is not None:
        return ""
    start = text.find("/", 1)
    while 0 < start < len(text):
        if _on_studio(text[start:]) is not None:
            return text[:start]
        start = text.find("/", start + 1)
    return ""


def _cloud(text: str) -> Reference | None:
    """Keys may have blanks in them; a sentence that begins with a key ends in no file extension."""
    if " " in text and not _EXTENSION.search(text):
        return None
    return Reference(Kind.CLOUD, text, text.split("?")[0])


def _web(text: str, studio_url: str) -> Reference | None:
    if " " in text:
        return None
    try:
        origin(text)
    except ValueError:
        return None
    path = below(studio_url, text)
    found = _on_studio(path) if path else None
    return found or Reference(Kind.WEB, text, unquote(urlsplit(text).path))


def _on_studio(path: str) -> Reference | None:
    """Return what `path`, below Label Studio's address, refers to; None when it is no file's."""
    route, _, query = path.partition("?")
    decoded = unquote(unquote(route))
    if "\\" in decoded or any(part in {".", ".."} for part in decoded.split("/")):
        return None
    if _UPLOAD.match(path):
        return Reference(Kind.UPLOAD, path, unquote(route))
    for kind, pattern, parameter in (
        (Kind.LOCAL, _LOCAL, "d"),
        (Kind.STORED, _STORED, "filepath"),
        (Kind.RESOLVE, _RESOLVE, "fileuri"),
    ):
        if pattern.match(path):
            values = parse_qs(query).get(parameter)
            return Reference(kind, quote(path, safe="/?&=%+-_.~:,;@!$'()*"), values[-1]) if values else None
    return None


def task_of(reference: Reference) -> str:
    """Return the id of the task that a reference of kind RESOLVE belongs to, empty when it names none."""
    found = re.match(r"/tasks/(\d+)/", reference.target)
    return found[1] if found else ""


def mask(url: str) -> str:
    """Return `url` for a message: no password, no query value that may be secret, 200 characters."""
    if url[:5].lower() == "data:":
        return f"{url[:40].split(',')[0]},… ({plural(len(url), 'character')})"
    head, question, query = url.partition("#")[0].partition("?")
    head = re.sub(r"(?<=//)[^/@\s]*@", "…@", head)
    if question:
        pairs = [pair.partition("=") for pair in query.split("&")]
        shown = [
            f"{key}={value if key in _SHOWN_PARAMETERS else '…'}" for key, equals, value in pairs if equals
        ]
        head = f"{head}?{'&'.join(shown) or '…'}"
    head = "".join(character if character.isprintable() else "�" for character in head)
    return head if len(head) <= 200 else head[:199] + "…"


def data_content(url: str) -> bytes:
    """Return the content of a `data:` URL. Raises FileFetchError."""
    head, _, body = url.partition(",")
    raw = unquote_to_bytes(body)
    if not head.lower().endswith(";base64"):
        return raw
    raw = b"".join(raw.split()).rstrip(b"=")
    try:
        return base64.b64decode(raw + b"=" * (-len(raw) % 4), validate=True)
    except binascii.Error as error:
        raise FileFetchError(f"{mask(url)} is not valid base64: {error}") from None
