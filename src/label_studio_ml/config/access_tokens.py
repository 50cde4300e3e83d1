"""The access tokens file (`TOKENS_FILE`): tokens that a backend accepts in place of the login.

Each line is `name: token`. The token is plain text, or `sha256:` and its hash in hexadecimal digits, the form that
`label-studio-ml tokens add` writes. Blank lines and lines that begin with `#` are ignored.
"""

import contextlib
import hashlib
import hmac
import logging
import os
import re
import secrets
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from label_studio_ml.errors import SettingsError
from label_studio_ml.storage import atomic_files
from label_studio_ml.storage.file_locks import lock, open_private
from label_studio_ml.storage.small_files import DamagedFile, is_passing, read_text
from label_studio_ml.support.texts import our_command, plural

logger = logging.getLogger(__name__)

#: The least number of characters of a token in plain text; shorter tokens could be guessed.
MIN_LENGTH = 16
#: The prefix of generated tokens, by which people and secret scanners recognize them.
PREFIX = "lsml_"

_NAME = re.compile(r"[A-Za-z0-9_.@-]{1,64}")
_HASH = re.compile(r"sha256:([0-9a-f]{64})", re.IGNORECASE)
#: The largest accepted size of the file, in bytes.
_MAX_FILE_BYTES = 1 << 20
#: The largest number of invalid lines with the same cause that a log message lists.
_MAX_LISTED_LINES = 20


def digest(token: str) -> str:
    """Return the SHA-256 of a token in hexadecimal digits, the form in which tokens are stored and compared."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def parse(text: str, file: Path) -> dict[str, str]:
    """Return the tokens in the text of `file`, as name to hash. Invalid lines are skipped and logged together."""
    tokens: dict[str, str] = {}
    invalid: dict[str, list[int]] = {}
    for number, name, value in _entries(text):
        hashed = _HASH.fullmatch(value)
        if not _NAME.fullmatch(name):
            cause = "the name is not of 1 to 64 letters, digits, dots, dashes and underscores"
        elif name in tokens:
            cause = "an earlier line has the same name, and is used"
        elif hashed is None and value.lower().startswith("sha256:"):
            # As a plain token, this text would admit every user who can read the file.
            cause = "what follows sha256: is not a hash of 64 hexadecimal digits"
        elif hashed is None and (len(value) < MIN_LENGTH or not value.isascii() or " " in value):
            cause = f"the token is not of at least {MIN_LENGTH} characters without blanks"
        else:
            tokens[name] = hashed[1].lower() if hashed else digest(value)
            continue
        invalid.setdefault(cause, []).append(number)
    if invalid:
        left_out = plural(sum(map(len, invalid.values())), "line is left out", "lines are left out")
        causes = "; ".join(f"{_lines(numbers)}: {cause}" for cause, numbers in invalid.items())
        logger.error("TOKENS_FILE=%s: %s. Correct or remove %s", file, left_out, causes)
    return tokens


def _lines(numbers: list[int]) -> str:
    """Return the numbers of lines as text: the first `_MAX_LISTED_LINES`, and how many more there are."""
    listed = ", ".join(map(str, numbers[:_MAX_LISTED_LINES]))
    more = f" and {len(numbers) - _MAX_LISTED_LINES:,} more" if len(numbers) > _MAX_LISTED_LINES else ""
    return f"line{'s' if len(numbers) > 1 else ''} {listed}{more}"


class AccessTokens:
    """The tokens in a file, which is read again when it changes.

    A token that is removed from the file is refused from the next request on. A file that is missing or cannot be
    read refuses all tokens; after a temporary error, such as too many open files, the last tokens read stay valid.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._metadata: tuple[int, ...] | None = None
        self._tokens: Mapping[str, str] = {}
        self._last_message = ""
        self._reload_if_changed()

    def name_of(self, token: str) -> str | None:
        """Return the name of `token`, None if it is not in the file. Takes the same time whichever token matches."""
        self._reload_if_changed()
        token_hash = digest(token)
        match = None
        for name, stored in self._tokens.items():
            if hmac.compare_digest(token_hash, stored):
                match = name
        return match

    def hash_of(self, name: str) -> str | None:
        """Return the hash of the token `name` in hexadecimal digits, None if the file has no such token."""
        self._reload_if_changed()
        return self._tokens.get(name)

    def hashes(self) -> list[str]:
        """Return the hashes of all tokens, sorted."""
        self._reload_if_changed()
        return sorted(self._tokens.values())

    def _reload_if_changed(self) -> None:
        """Read the file again if its metadata differ from those of the last read."""
        try:
            status = self._file.stat()
            metadata = (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino, status.st_mode)
            if metadata == self._metadata:
                return
            _check_readable(status)
            text = read_text(self._file)
        except (OSError, DamagedFile) as error:
            if not is_passing(error):
                self._metadata, self._tokens = None, {}
                self._log_once(
                    f"TOKENS_FILE={self._file} cannot be read ({error}): no token is accepted. "
                    f"{_remedy(self._file, error)}"
                )
            return
        self._tokens = parse(text or "", self._file)
        self._metadata = metadata
        self._log_once(
            f"TOKENS_FILE has {plural(len(self._tokens), 'valid token')}: {', '.join(self._tokens)}"
        )
        if metadata[-1] & 0o077 and any(not _HASH.fullmatch(value) for _, _, value in _entries(text or "")):
            self._make_private()

    def _make_private(self) -> None:
        try:
            self._file.chmod(0o600)
        except OSError:
            logger.warning("Other users of this machine can read the tokens in TOKENS_FILE=%s", self._file)

    def _log_once(self, text: str) -> None:
        if text != self._last_message:
            self._last_message = text
            logger.warning("%s", text) if "cannot" in text else logger.info("%s", text)


def names(file: Path) -> list[str]:
    """Return the names of the tokens in a file; none if there is no file. Raises SettingsError if it cannot be read."""
    return list(parse(_content(file), file))


def add(file: Path, name: str) -> str:
    """Generate a token, add its hash to a file under `name`, and return the token. Creates a missing file.

    Raises SettingsError if `name` is taken or not a valid name, or if the file cannot be read.
    """
    if not _NAME.fullmatch(name):
        raise SettingsError(
            f"{name!r} is no name for a token",
            fix="Use 1 to 64 letters, digits, dots, dashes and underscores",
            field="NAME",
        )
    token = PREFIX + secrets.token_urlsafe(32)
    with _lines_for_change(file) as lines:
        if any(existing == name for _, existing, _ in _entries("\n".join(lines))):
            raise SettingsError(
                f"There is a token named {name} already",
                fix="Revoke it first, or take another name",
                field="NAME",
            )
        lines.append(f"{name}: sha256:{digest(token)}")
    return token


def revoke(file: Path, name: str) -> None:
    """Remove the token `name` from a file. Raises SettingsError if the file has no token of that name."""
    with _lines_for_change(file) as lines:
        remaining = [line for line in lines if name not in (existing for _, existing, _ in _entries(line))]
        if len(remaining) == len(lines):
            names_in_file = ", ".join(existing for _, existing, _ in _entries("\n".join(lines)))
            raise SettingsError(
                f"There is no token named {name}; there are: {names_in_file or 'none'}", field="NAME"
            )
        lines[:] = remaining


def access(file: Path) -> str:
    """Return owner, group and mode of a file, such as "root:root, 0600"; empty if the file cannot be examined."""
    try:
        status = file.stat()
    except OSError:
        return ""
    return f"{_user(status.st_uid)}:{_group(status.st_gid)}, {stat.S_IMODE(status.st_mode):04o}"


@contextlib.contextmanager
def _lines_for_change(file: Path) -> Iterator[list[str]]:
    """Yield the lines of a file for changing, and replace the file atomically at the end of the block.

    Owner, mode and access list of the file are kept, and so is a symbolic link to it. A new file has mode 0600, and the
    owner of its folder where the system permits that. Raises SettingsError if the owner would change.
    """
    file = Path(os.path.realpath(file))
    descriptor = open_private(file.with_name(f".{file.name}.lock"))
    with os.fdopen(descriptor) as lock_file:
        _give_owner(lock_file.fileno(), file)
        lock(lock_file)
        lines = _content(file).splitlines()
        yield lines
        with atomic_files.replacing(file) as replacement:
            replacement.write("".join(f"{line}\n" for line in lines).encode())
            _give_rights(replacement.fileno(), file)


def _give_owner(descriptor: int, file: Path) -> None:
    """Give an open file the owner of `file`, or of its folder if `file` is missing, where the system permits that."""
    if hasattr(os, "fchown"):
        status = (file if file.exists() else file.parent).stat()
        with contextlib.suppress(OSError):
            os.fchown(descriptor, status.st_uid, status.st_gid)


def _give_rights(descriptor: int, file: Path) -> None:
    """Copy owner, mode and extended attributes (access list) of `file`, if it exists, to the open file replacing it."""
    if not hasattr(os, "fchown"):  # Windows
        return
    _give_owner(descriptor, file)
    try:
        status = file.stat()
    except FileNotFoundError:
        return
    current = os.fstat(descriptor)
    if (current.st_uid, current.st_gid) != (status.st_uid, status.st_gid):
        raise SettingsError(
            f"{file} belongs to {_user(status.st_uid)}:{_group(status.st_gid)}, "
            f"and {_user(current.st_uid)} cannot keep that owner",
            fix=f"Run this as {_user(status.st_uid)}, or as root",
            field="TOKENS_FILE",
        )
    if hasattr(os, "listxattr"):
        with contextlib.suppress(OSError):
            for name in os.listxattr(file):
                os.setxattr(descriptor, name, os.getxattr(file, name))
    os.fchmod(descriptor, stat.S_IMODE(status.st_mode))


def _check_readable(status: os.stat_result) -> None:
    """Raise DamagedFile if the file is not regular or too large, since requests wait while the file is read."""
    if not stat.S_ISREG(status.st_mode):
        raise DamagedFile("it is not a file")
    if status.st_size > _MAX_FILE_BYTES:
        raise DamagedFile(f"it has more than {_MAX_FILE_BYTES >> 20} MiB")


def _remedy(file: Path, error: OSError | DamagedFile) -> str:
    """Return what to do about a tokens file that cannot be read because of `error`."""
    if isinstance(error, PermissionError) and hasattr(os, "geteuid"):
        user, owned = _user(os.geteuid()), access(file)
        if owned:
            return f"It belongs to {owned}, and this server runs as {user}: chown {user} {file}"
        return f"This server runs as {user}, which may not open {file.parent}: chmod a+x {file.parent}"
    if isinstance(error, FileNotFoundError):
        return f"Make it: {our_command('tokens', 'add', 'NAME')}"
    return "Put a file of lines `name: token` there"


def _user(uid: int) -> str:
    try:
        import pwd

        return pwd.getpwuid(uid).pw_name
    except (ImportError, KeyError):
        return str(uid)


def _group(gid: int) -> str:
    try:
        import grp

        return grp.getgrgid(gid).gr_name
    except (ImportError, KeyError):
        return str(gid)


def _content(file: Path) -> str:
    try:
        return read_text(file) or ""
    except (OSError, DamagedFile) as error:
        raise SettingsError(f"{file} cannot be read: {error}", field="TOKENS_FILE") from None


def _entries(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield line number, name and token of each line that is neither blank nor a comment."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            name, _, value = line.partition(":")
            yield number, name.strip(), value.strip()
