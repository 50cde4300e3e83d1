"""The address of Redis in parts, as compose files of older backends set it, and the certificate for TLS."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, quote, urlencode, urlsplit

from label_studio_ml.config.setting_values import BOOLEAN, EXACT_TEXT, Kind, PathUse, integer, path_for
from label_studio_ml.config.variables import read, setting
from label_studio_ml.errors import SettingsError

SCHEMES = ("redis://", "rediss://", "unix://")


#: Options in a URL's query that are numbers, and what their texts look like. redis-py uses the first of equal options.
_NUMBERS = {
    **dict.fromkeys(("db", "max_connections", "health_check_interval"), r"\d{1,9}"),
    **dict.fromkeys(("socket_timeout", "socket_connect_timeout", "timeout"), r"\d{1,9}(\.\d*)?|\.\d+"),
}
#: A host name, an IPv4 address, or an IPv6 address in brackets.
_HOST = r"\[[0-9A-Fa-f:.%]+\]|[^\s/?#@:\[\]]+"


def check_url(name: str, url: str) -> str:
    """Return `url`, the value of the variable `name`. Raises SettingsError, without the URL, if it is wrong."""
    if problem := _problem(url):
        raise SettingsError(
            f"{name} {problem}",
            fix="Examples: redis://redis:6379/0 and unix:///run/redis.sock?db=0",
            field=name,
        )
    return url


def _problem(url: str) -> str:
    """Return what is wrong with the URL of a Redis, empty if nothing is."""
    if not url.startswith(SCHEMES):
        return "does not start with redis://, rediss:// or unix://"
    try:
        parts = urlsplit(url)
        options = parse_qs(parts.query)
        port = parts.port
    except ValueError as error:
        is_port = "port" in str(error).lower()
        return "has a port that is not a number from 1 to 65535" if is_port else "has no valid host"
    if port == 0:
        return "has a port that is not a number from 1 to 65535"
    if parts.scheme == "unix":
        if not parts.path:
            return "names no socket"
    elif not re.fullmatch(r"/*\d*/*", parts.path, re.ASCII):
        return "has a database that is not a number"
    for option, pattern in _NUMBERS.items():
        if option in options and not re.fullmatch(pattern, options[option][0], re.ASCII):
            return f"has an option {option} that is not a number"
    return ""


def _host(name: str, text: str) -> str:
    if not re.fullmatch(_HOST, text):
        raise SettingsError(
            f"{name}={text!r} is not a host name or address",
            fix="Give the host alone, an IPv6 address in brackets; its port is REDIS_PORT",
            field=name,
        )
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class RedisVariables:
    """Variables from which only the URL of Redis is built."""

    # fmt: off
    host: str = setting("REDIS_HOST", Kind(_host), "", "host of Redis, in place of `REDIS_URL`")
    port: int = setting("REDIS_PORT", integer(1, maximum=65535), 6379, "port, with `REDIS_HOST`")
    database: int = setting("REDIS_DB", integer(0), 0, "number of the database, with `REDIS_HOST`")
    username: str = setting("REDIS_USERNAME", EXACT_TEXT, "", "user, with `REDIS_HOST`")
    password: str = setting("REDIS_PASSWORD", EXACT_TEXT, "", "password, with `REDIS_HOST`", secret=True)
    tls: bool = setting("REDIS_SSL", BOOLEAN, False, "use TLS, with `REDIS_HOST`")
    ca_file: Path | None = setting("REDIS_CA_FILE", path_for(PathUse.FILE), None,
        "certificate of the authority that has signed the certificate of Redis", "the system's")
    # fmt: on

    def url(self) -> str:
        """Return the URL of this Redis, on this machine if no host is set."""
        user, password = quote(self.username, safe=""), quote(self.password, safe="")
        login = f"{user}:{password}@" if password else ""
        return f"{'rediss' if self.tls else 'redis'}://{login}{self.host or 'localhost'}:{self.port}/{self.database}"


def redis_url(env: Mapping[str, str], url: str, use: bool | None) -> str:
    """Return `url` (`REDIS_URL`) or one built from the parts, with the certificate; empty if neither is set.

    `use` is `USE_REDIS`: if it is False, the parts are ignored; if it is True, the host defaults to localhost. Parts
    that are not needed are not read: Kubernetes sets a `REDIS_PORT` that is not a number.
    Raises SettingsError if a part is invalid, or if the certificate cannot be read or is not used.
    """
    if not url and use is not False and (use or env.get("REDIS_HOST", "").strip()):
        url = RedisVariables(**read(RedisVariables, env)).url()
    ca_file = RedisVariables(**read(RedisVariables, env, "ca_file")).ca_file
    if not ca_file or not url or "ssl_ca_certs=" in url:
        return url
    if not url.startswith("rediss://"):
        raise SettingsError(
            "REDIS_CA_FILE is set, but the connection to Redis does not use TLS",
            fix="Begin REDIS_URL with rediss://, or set REDIS_SSL=true",
            field="REDIS_CA_FILE",
        )
    try:
        ca_file.open("rb").close()
    except OSError as error:
        raise SettingsError(
            f"REDIS_CA_FILE={ca_file} cannot be read: {error.strerror or error}",
            fix="Name a PEM file with the certificate of the authority",
            field="REDIS_CA_FILE",
        ) from None
    return f"{url}{'&' if '?' in url else '?'}{urlencode({'ssl_ca_certs': str(ca_file)})}"
