"""The file with the tokens that a backend takes in place of a login: one `name: token` a line.

A token stands there as it is, or as `sha256:` and its hash in hexadecimal digits, as `label-studio-ml tokens add`
writes it. Blank lines and lines that begin with `#` are left out.
"""

import contextlib
import hashlib
import hmac
import logging
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from label_studio_ml.errors import SettingsError
from label_studio_ml.file_locks import lock, open_private
from label_studio_ml.small_files import DamagedFile, is_passing, read_text
from label_studio_ml.texts import our_command, plural

logger = logging.getLogger(__name__)

#: Characters that a token must have: what is shorter can be guessed.
MIN_LENGTH = 16
#: What new tokens begin with, for people and scanners to see what they are.
PREFIX = "lsml_"

_NAME = re.compile(r"[A-Za-z0-9_.@-]{1,64}")
_HASH = re.compile(r"sha256:([0-9a-f]{64})", re.IGNORECASE)
#: Bytes that the file may have.
_LARGEST = 1 << 20


def digest(token: str) -> str:
    """Return the hash by which a token is known."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def parse(text: str) -> dict[str, str]:
    """Return the hashes of the tokens in a file's text by their names. A wrong line is left out and logged."""
    tokens: dict[str, str] = {}
    for number, name, value in _entries(text):
        hashed = _HASH.fullmatch(value)
        if not _NAME.fullmatch(name):
            wrong = "its name is not of 1 to 64 letters, digits, dots, dashes and underscores"
        elif name in tokens:
            wrong = f"{name} stands in the file twice: the first one counts"
        elif hashed is None and value.lower().startswith("sha256:"):
            # Taken as a token, it would let in whoever can read the file.
            wrong = "what follows sha256: is not a hash of 64 hexadecimal digits"
        elif hashed is None and (len(value) < MIN_LENGTH or not value.isascii() or " " in value):
            wrong = f"its token is not of at least {MIN_LENGTH} characters without blanks"
        else:
            tokens[name] = hashed[1].lower() if hashed else digest(value)
            continue
        logger.error("TOKENS_FILE, line %d is left out: %s", number, wrong)
    return tokens


class AccessTokens:
    """The tokens in a file, which is read again when it changes.

    A token that is taken out of the file is refused from the next request on; where the file is gone or cannot be
    read, all of them are.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen: tuple[int, ...] | None = None
        self._tokens: Mapping[str, str] = {}
        self._said = ""
        self._look()

    def name_of(self, token: str) -> str | None:
        """Return the name of a token, None if it is none of them. The time that takes says nothing of them."""
        self._look()
        given = digest(token)
        found = None
        for name, known in self._tokens.items():
            if hmac.compare_digest(given, known):
                found = name
        return found

    def _look(self) -> None:
        """Read the file if it is another one than before."""
        try:
            status = self._file.stat()
            seen = (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino, status.st_mode)
            if seen == self._seen:
                return
            _check_readable(status)
            text = read_text(self._file)
        except (OSError, DamagedFile) as error:
            if not is_passing(error):
                self._seen, self._tokens = None, {}
                self._say(
                    f"TOKENS_FILE={self._file} cannot be read ({error}): no token is accepted. "
                    f"{_remedy(self._file, error)}"
                )
            return
        self._tokens = parse(text or "")
        self._seen = seen
        self._say(f"TOKENS_FILE has {plural(len(self._tokens), 'valid token')}: {', '.join(self._tokens)}")
        if seen[-1] & 0o077 and any(not _HASH.fullmatch(value) for _, _, value in _entries(text or "")):
            self._make_private()

    def _make_private(self) -> None:
        try:
            self._file.chmod(0o600)
        except OSError:
            logger.warning("Other users of this machine can read the tokens in TOKENS_FILE=%s", self._file)

    def _say(self, text: str) -> None:
        if text != self._said:
            self._said = text
            logger.warning("%s", text) if "cannot" in text else logger.info("%s", text)


def names(file: Path) -> list[str]:
    """Return the names in a file; none where there is no file. Raises SettingsError if it cannot be read."""
    return list(parse(_text(file)))


def add(file: Path, name: str) -> str:
    """Add a new token to a file, which is made if need be, and return it: the file has only its hash.

    Raises SettingsError for a name that is there already, or that is none.
    """
    if not _NAME.fullmatch(name):
        raise SettingsError(
            f"{name!r} is no name for a token",
            fix="Use 1 to 64 letters, digits, dots, dashes and underscores",
            field="NAME",
        )
    token = PREFIX + secrets.token_urlsafe(32)
    with _changing(file) as lines:
        if any(known == name for _, known, _ in _entries("\n".join(lines))):
            raise SettingsError(
                f"There is a token named {name} already",
                fix="Revoke it first, or take another name",
                field="NAME",
            )
        lines.append(f"{name}: sha256:{digest(token)}")
    return token


def revoke(file: Path, name: str) -> None:
    """Take a token out of a file. Raises SettingsError if there is none of that name."""
    with _changing(file) as lines:
        kept = [line for line in lines if name not in (known for _, known, _ in _entries(line))]
        if len(kept) == len(lines):
            there = ", ".join(known for _, known, _ in _entries("\n".join(lines)))
            raise SettingsError(f"There is no token named {name}; there are: {there or 'none'}", field="NAME")
        lines[:] = kept


def access(file: Path) -> str:
    """Return who owns a file and its mode, such as "root:root, 0600"; empty if that is not known."""
    try:
        status = file.stat()
    except OSError:
        return ""
    return f"{_user(status.st_uid)}:{_group(status.st_gid)}, {stat.S_IMODE(status.st_mode):04o}"


@contextlib.contextmanager
def _changing(file: Path) -> Iterator[list[str]]:
    """Yield the lines of a file and write them back in one step; its owner, its rights and a link to it stay.

    A new file is for its owner only, who is the owner of the folder where that is possible.
    Raises SettingsError if the owner would change.
    """
    file = Path(os.path.realpath(file))
    descriptor = open_private(file.with_name(f".{file.name}.lock"))
    with os.fdopen(descriptor) as held:
        _give_owner(held.fileno(), file)
        lock(held)
        lines = _text(file).splitlines()
        yield lines
        descriptor, temporary = tempfile.mkstemp(prefix=f".{file.name}-", dir=file.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as made:
                made.write("".join(f"{line}\n" for line in lines))
                made.flush()
                _give_rights(made.fileno(), file)
                os.fsync(made.fileno())
            os.replace(temporary, file)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise


def _give_owner(descriptor: int, file: Path) -> None:
    """Give an open file to whom `file`, or else its folder, belongs, where that is possible."""
    if hasattr(os, "fchown"):
        status = (file if file.exists() else file.parent).stat()
        with contextlib.suppress(OSError):
            os.fchown(descriptor, status.st_uid, status.st_gid)


def _give_rights(descriptor: int, file: Path) -> None:
    """Give a new file the owner, the mode and the access list of the one that it replaces, if there is one."""
    if not hasattr(os, "fchown"):  # Windows
        return
    _give_owner(descriptor, file)
    try:
        status = file.stat()
    except FileNotFoundError:
        return
    now = os.fstat(descriptor)
    if (now.st_uid, now.st_gid) != (status.st_uid, status.st_gid):
        raise SettingsError(
            f"{file} belongs to {_user(status.st_uid)}:{_group(status.st_gid)}, "
            f"and {_user(now.st_uid)} cannot keep it so",
            fix=f"Run this as {_user(status.st_uid)}, or as root",
            field="TOKENS_FILE",
        )
    if hasattr(os, "listxattr"):
        with contextlib.suppress(OSError):
            for name in os.listxattr(file):
                os.setxattr(descriptor, name, os.getxattr(file, name))
    os.fchmod(descriptor, stat.S_IMODE(status.st_mode))


def _check_readable(status: os.stat_result) -> None:
    """Raise DamagedFile for what would take long to read, or for ever: requests wait for it."""
    if not stat.S_ISREG(status.st_mode):
        raise DamagedFile("it is not a file")
    if status.st_size > _LARGEST:
        raise DamagedFile(f"it has more than {_LARGEST >> 20} MiB")


def _remedy(file: Path, error: OSError | DamagedFile) -> str:
    """Return what to do about a file that cannot be read."""
    if isinstance(error, PermissionError) and hasattr(os, "geteuid"):
        user, owned = _user(os.geteuid()), access(file)
        if owned:
            return f"It belongs to {owned}, and this server runs as {user}: chown {user} {file}"
        return f"This server runs as {user}, which may not look into {file.parent}: chmod a+x {file.parent}"
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


def _text(file: Path) -> str:
    try:
        return read_text(file) or ""
    except (OSError, DamagedFile) as error:
        raise SettingsError(f"{file} cannot be read: {error}", field="TOKENS_FILE") from None


def _entries(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield the number, the name and the token of each line that has one."""
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            name, _, value = line.partition(":")
            yield number, name.strip(), value.strip()
