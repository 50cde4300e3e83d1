"""Where the files of sample tasks are: in the tasks, as data URLs, or in a folder that Label Studio serves."""

import base64
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

#: MIME types by extension. Not `mimetypes`, whose answers depend on the machine.
_TYPES = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "wav": "audio/wav",
    "webm": "video/webm",
    "pdf": "application/pdf",
    "csv": "text/csv",
    "json": "application/json",
    "txt": "text/plain;charset=utf-8",
    "html": "text/html;charset=utf-8",
}

#: The most characters of a file's name, without its extension; file systems allow 255 bytes.
_LONGEST_STEM = 60


class Output(Protocol):
    """Takes the content of files and returns the addresses that tasks have for them."""

    def place(self, stem: str, content: bytes, extension: str, *, is_sound: bool = False) -> str:
        """Return the address of a file with this content; `stem` is a name for it, without extension.

        `is_sound` says that an `<Audio>` loads it.
        """


class DataUrls:
    """Files within the tasks, as `data:` URLs."""

    def place(self, stem: str, content: bytes, extension: str, *, is_sound: bool = False) -> str:
        """Return the content as a data URL.

        Label Studio's player of `<Audio>` appends `?lsref=1` to each URL. That makes base64 invalid; appended to
        percent-encoded content, it is a few more bytes at the end of the file, which decoders ignore.
        """
        if is_sound:
            return f"data:{_TYPES[extension]},{quote(content, safe='')}"
        return f"data:{_TYPES[extension]};base64,{base64.b64encode(content).decode()}"


class FolderFiles:
    """Files in `folder`, with addresses of Label Studio's local files, which are relative to `document_root`.

    `document_root` None means the parent folder of `folder`: Label Studio serves no files of a storage that is the
    document root itself. Raises ValueError if `folder` is not below `document_root`, and OSError.
    """

    def __init__(self, folder: Path, document_root: Path | None = None) -> None:
        self._folder = folder.resolve()
        root = document_root.resolve() if document_root is not None else self._folder.parent
        if root == self._folder or not self._folder.is_relative_to(root):
            raise ValueError(
                f"files must be a folder below document_root: {self._folder} is not in a subfolder of {root}"
            )
        self._prefix = self._folder.relative_to(root).as_posix()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._used: set[str] = set()

    def place(self, stem: str, content: bytes, extension: str, *, is_sound: bool = False) -> str:
        """Write the file and return its address. Files of one call of `tasks` have different names."""
        short = stem[:_LONGEST_STEM]
        name, copy = f"{short}.{extension}", 1
        while name.casefold() in self._used:
            copy += 1
            name = f"{short}-{copy}.{extension}"
        self._used.add(name.casefold())
        (self._folder / name).write_bytes(content)
        return f"/data/local-files/?d={quote(f'{self._prefix}/{name}')}"
