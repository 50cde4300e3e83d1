"""Parse references to files in task data.

Task data is untrusted. So a string counts as a reference only if the whole string has the form of one; whether a file
of that name exists on this machine plays no part.
"""

import base64
import binascii
import mimetypes
import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qs, quote, unquote, unquote_to_bytes, urlsplit

from label_studio_ml.errors import FileFetchError
from label_studio_ml.support.url_secrets import mask

#: Maximum length of a reference in characters, except `data:` URLs; about the limit of browsers and proxies.
MAX_URL = 8192

_SCHEME_HOST = re.compile(r"https?://[^\s/?#\\]+", re.IGNORECASE)
_DATA_URL = re.compile(r"data:[\w.+-]+/[\w.+-]+(;[\w.+-]+=[^;,\s]*)*(;base64)?,", re.IGNORECASE)
_CLOUD = re.compile(r"(?:s3|gs|azure-blob)://[^\s/]+/\S", re.IGNORECASE)
_EXTENSION = re.compile(r"\.[A-Za-z0-9]{1,10}$")
_COMPRESSED = frozenset({".gz", ".bz2", ".xz", ".zst", ".lz4"})

_UPLOAD = re.compile(r"/data/upload/\d+/[^\s?#]+$")
_LOCAL = re.compile(r"/data/local-files/?\?")
_STORED = re.compile(r"/storage-data/uploaded/?\?")
_RESOLVE = re.compile(r"/(?:tasks|projects)/(\d+)/(?:resolve|presign)/?\?")


class Kind(StrEnum):
    """The kind of source that a reference names."""

    UPLOAD = "upload"
    LOCAL = "local-files"
    STORED = "storage-data"
    RESOLVE = "resolve"
    CLOUD = "cloud"
    WEB = "web"
    DATA = "data"


#: The kinds that are addresses of Label Studio; its token is sent for these only.
STUDIO_KINDS = frozenset({Kind.UPLOAD, Kind.LOCAL, Kind.STORED, Kind.RESOLVE})


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference to a file.

    `target` is the path on Label Studio (below its sub-path, with the query) for STUDIO_KINDS, else the whole URL.
    `name` is the decoded path or name of the file as far as the reference has it; for `data:` URLs the MIME type.
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
        match = _EXTENSION.search(last)
        if not match:
            return ""
        if match[0].lower() in _COMPRESSED and (outer_extension := _EXTENSION.search(last[: match.start()])):
            return outer_extension[0] + match[0]
        return match[0]


def origin(url: str) -> tuple[str, str, int]:
    """Return scheme, host and port of an http(s) URL. Raises ValueError for other text, also a port above 65535."""
    try:
        parts = urlsplit(url)
        scheme, host, port = parts.scheme.lower(), parts.hostname, parts.port
    except ValueError:
        scheme, host, port = "", None, None
    if scheme not in {"http", "https"} or not host:
        raise ValueError(f"{mask(url)} is not an http(s) address")
    return scheme, host.rstrip("."), port or (443 if scheme == "https" else 80)


def same_origin(url: str, other: str) -> bool:
    """Tell whether two http(s) URLs have the same scheme, host and port."""
    try:
        return origin(url) == origin(other)
    except ValueError:
        return False


def below(base: str, url: str) -> str | None:
    """Return path and query of `url` relative to the address `base`, or None when `url` is not below `base`."""
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
    """Parse `text` into a Reference; return None when it is plain text. The file system is not accessed.

    `studio_url` is Label Studio's address, by which files of Label Studio are recognized in whole URLs and below a
    sub-path, too; an invalid one counts as none.
    """
    if text[:5].lower() == "data:":
        match = _DATA_URL.match(text)
        return Reference(Kind.DATA, text, re.split("[;,]", text[5:], maxsplit=1)[0]) if match else None
    if not text or len(text) > MAX_URL or text != text.strip() or not text.isprintable():
        return None
    if _CLOUD.match(text):
        return _cloud(text)
    if _SCHEME_HOST.match(text):
        return _web(text, studio_url)
    if re.match(r"/?upload/\d+/", text):
        return _on_studio("/data/" + text.lstrip("/"))
    try:
        prefix = urlsplit(studio_url).path.rstrip("/")
    except ValueError:
        prefix = ""
    if prefix and text.startswith(prefix + "/"):
        return _on_studio(text[len(prefix) :]) or _on_studio(text)
    return _on_studio(text)


def missing_sub_path(text: str, studio_url: str) -> str:
    """Return the sub-path of Label Studio that `text` begins with and `studio_url` lacks; empty if there is none.

    Example: a Label Studio below `/ls` calls its files `/ls/data/upload/…`; the result is `/ls` if `studio_url` has
    no such path.
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
    """Return the Reference for the cloud URL `text`, None for a sentence that begins with such a URL.

    Keys may contain blanks, so text with blanks is taken for a key only if it ends in a file extension.
    """
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
    reference = _on_studio(path) if path else None
    return reference or Reference(Kind.WEB, text, unquote(urlsplit(text).path))


def _on_studio(path: str) -> Reference | None:
    """Parse `path`, relative to Label Studio's address, into a Reference; None when it is no file address."""
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
    """Return the id of the task that a reference of kind RESOLVE names, empty for other references."""
    match = re.match(r"/tasks/(\d+)/", reference.target)
    return match[1] if match else ""


def data_content(url: str) -> bytes:
    """Return the decoded content of a `data:` URL. Raises FileFetchError when it is not valid base64."""
    head, _, body = url.partition(",")
    raw = unquote_to_bytes(body)
    if not head.lower().endswith(";base64"):
        return raw
    raw = b"".join(raw.split()).rstrip(b"=")
    try:
        return base64.b64decode(raw + b"=" * (-len(raw) % 4), validate=True)
    except binascii.Error as error:
        raise FileFetchError(f"{mask(url)} is not valid base64: {error}") from None
