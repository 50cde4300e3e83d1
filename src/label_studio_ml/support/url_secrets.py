"""Find, remove and mask the secrets in URLs: logins, and values in queries.

A login is usually what is before the `@` of a URL's host. A password may also contain characters that should have been
encoded, as in `http://user:a/b#c@host`: such a URL is no use to anybody, but it is in messages. A number after the
colon is taken for a port: always before a path in a URL with http or https, whose paths have file names such as
`http://host:8080/1/me@home.jpg`. `redis://user:123/4@host` may be either: it is used as it is, but masked in messages,
unless what is before the colon or after the `@` cannot be a login's.
"""

import re
from urllib.parse import unquote

from label_studio_ml.support.secret_names import is_secret_name
from label_studio_ml.support.texts import plural

#: Query parameters whose values are shown in messages; other values are masked, because they may be secrets.
_SHOWN_PARAMETERS = frozenset({"d", "filepath", "fileuri", "page", "page_size", "project"})
#: What stands for a password where the user is a token, as in `https://TOKEN@host`.
_NO_PASSWORDS = frozenset({"", "x-oauth-basic"})
#: Users without a password that are no tokens.
_USUAL_USERS = frozenset({"admin", "anonymous", "default", "git", "postgres", "redis", "root", "user"})
#: Longest text of one URL in a message.
_MAX_SHOWN = 200
#: Ends a URL's host and port, and what can be a port.
_HOST_END = re.compile(r"[/?#\\]")
_PORT = re.compile(r"\d{1,5}")
_PORT_AND_PATH = re.compile(r"\d{1,5}/")
#: What is no user before a number that may be a port: a name with a dot, an address, this machine.
_CLEAR_HOST = re.compile(r"localhost|.*[.\]:].*", re.IGNORECASE)
#: A file's name after an `@`, as in `photo@2x.png`: such a URL has no login.
_FILE_AFTER_AT = re.compile(r"\d[\d.]*x(?:\.\w+)?(?=$|[?#\s'\"<>)])", re.IGNORECASE)
#: Schemes of URLs whose paths are often names of files, and whose logins are rarely given in the URL.
_WEB = ("http", "https")
_ENDS_WITH_WEB = re.compile(r"(?<![A-Za-z0-9+.-])https?\Z", re.IGNORECASE)
#: Characters that show whether a text ends with one of these schemes.
_LONGEST_WEB = len("https") + 1
#: What follows the scheme of a URL in a text. The values in its query end at a quote or bracket of the text.
_AFTER_SCHEME = re.compile(r"(?<=://)\S+")
_QUERY = re.compile(r"\?([^\s'\"<>)#]*)(#[^\s'\"<>)]*)?")


def without_login(url: str) -> str:
    """Return a URL without user and password."""
    scheme, slashes, rest = url.partition("//")
    return scheme + slashes + rest[_login_length(rest) :]


def page_url(url: str) -> str:
    """Return a URL without user, password, query and fragment."""
    return re.split("[?#]", without_login(url), maxsplit=1)[0]


def secrets_of(url: str) -> list[str]:
    """Return the secrets in a URL as it has them and decoded: the password, and values in the query whose names say so.

    Without a password, the user counts as a token. Some may be empty.
    """
    scheme, _, rest = url.partition("//")
    length = _shown_login_length(rest, is_web=_is_web(scheme))
    user, _, password = rest[: max(0, length - 1)].partition(":")
    secrets = [user if password in _NO_PASSWORDS and user not in _USUAL_USERS else password]
    query = rest[length:].partition("#")[0].partition("?")[2]
    pairs = (pair.partition("=") for pair in query.split("&"))
    secrets += [value for name, _, value in pairs if is_secret_name(name)]
    return [text for value in secrets for text in dict.fromkeys((value, unquote(value)))]


def mask(url: str) -> str:
    """Return `url` for a message: without login and possibly secret query values, at most 200 characters."""
    if url[:5].lower() == "data:":
        return f"{url[:40].split(',')[0]},… ({plural(len(url), 'character')})"
    scheme, slashes, rest = url.partition("//")
    shown = f"{scheme}{slashes}{_without_shown_login(rest, is_web=_is_web(scheme))}".partition("#")[0]
    head, question, query = shown.partition("?")
    if question:
        head = f"{head}?{_masked_query(query)}"
    head = "".join(character if character.isprintable() else "�" for character in head)
    return head if len(head) <= _MAX_SHOWN else head[: _MAX_SHOWN - 1] + "…"


def mask_in_text(text: str) -> str:
    """Return `text` with the logins and query values of the URLs in it masked. Such a login must have no blanks."""
    return _AFTER_SCHEME.sub(_masked_urls, text)


def _masked_urls(match: re.Match[str]) -> str:
    """Return what follows the scheme of a URL in a text, up to a blank: it may have further URLs."""
    end = match.start() - len("://")
    before = match.string[max(0, end - _LONGEST_WEB) : end]
    masked = []
    for rest in match[0].split("://"):
        is_web = _ENDS_WITH_WEB.search(before) is not None
        masked.append(_masked_rest(rest, is_web=is_web))
        before = rest[-_LONGEST_WEB:]
    return "://".join(masked)


def _masked_rest(rest: str, *, is_web: bool) -> str:
    """Return what follows a URL's scheme in a text, masked."""
    return _QUERY.sub(lambda match: f"?{_masked_query(match[1])}", _without_shown_login(rest, is_web=is_web))


def _is_web(scheme: str) -> bool:
    """Tell whether a scheme, with its colon, is one of web pages."""
    return scheme.removesuffix(":").lower() in _WEB


def _masked_query(query: str) -> str:
    pairs = [pair.partition("=") for pair in query.split("&")]
    shown = [
        f"{name}={mask_in_text(value) if name in _SHOWN_PARAMETERS else '…'}"
        for name, equals, value in pairs
        if equals
    ]
    return "&".join(shown) or ("…" if query else "")


def _without_shown_login(rest: str, *, is_web: bool) -> str:
    """Return what follows `//` in a URL with its login masked.

    An `@` in the path of a URL with a login counts as part of the password: nobody can tell them apart.
    """
    length = _shown_login_length(rest, is_web=is_web)
    if not length:
        return rest
    path = re.split("[?#]", rest[length:], maxsplit=1)[0]
    return f"…@{rest[length + path.rfind('@') + 1 :]}"


def _shown_login_length(rest: str, *, is_web: bool) -> int:
    """Return the length of what may be a login in `rest`, with its `@`: also with a password such as `123/4`.

    Not so if `is_web`, the scheme being http or https: there it is a port and a path.
    """
    if length := _login_length(rest):
        return length
    user, colon, password = rest.partition(":")
    if not colon or not user or _HOST_END.search(user) or _CLEAR_HOST.fullmatch(user):
        return 0
    before = re.split(r"[\s?]", password, maxsplit=1)[0]
    at = before.rfind("@")
    if is_web and _PORT_AND_PATH.match(before):
        return 0
    if at < 0 or not _PORT.match(before) or _FILE_AFTER_AT.match(before[at + 1 :]):
        return 0
    return len(user) + 1 + at + 1


def _login_length(rest: str) -> int:
    """Return the length of the login, with its `@`, that `rest` begins with: what follows `//` in a URL."""
    authority = _HOST_END.split(rest, maxsplit=1)[0]
    if "@" in authority:
        return authority.rfind("@") + 1
    host, colon, port = authority.rpartition(":")
    is_host = not colon or authority.endswith("]") or (host and _PORT.fullmatch(port))
    return 0 if is_host else rest.rfind("@") + 1
