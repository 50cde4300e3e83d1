"""Settings of the HTTP server: accepted host names, memory limit and tokens."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from label_studio_ml.config.setting_values import integer
from label_studio_ml.errors import SettingsError

#: The most bytes of request bodies in memory: of requests being received and of requests not yet answered.
DEFAULT_MAX_IN_FLIGHT = 2 << 30

#: A host name, `.example.com` or `*.example.com` for all names below it, or `*` for any name.
_NAME = re.compile(r"\*|(\*?\.)?[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """Settings of the HTTP server.

    `allowed_hosts` are the accepted host names, besides IP addresses and the machine's own names (empty: any name,
    unless the server listens on a loopback address). `max_in_flight` is in bytes. `tokens_file` is the access tokens
    file, relative to the backend's folder. `token` is the token that this package's own commands send.
    """

    allowed_hosts: tuple[str, ...] = ()
    max_in_flight: int = DEFAULT_MAX_IN_FLIGHT
    tokens_file: Path | None = None
    token: str = field(default="", repr=False)

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "HttpSettings":
        """Read the settings from `env`. Raises SettingsError, naming the variable, if a value is invalid."""
        return cls(
            allowed_hosts=_allowed_hosts(env),
            max_in_flight=integer(
                env, "LABEL_STUDIO_ML_MAX_IN_FLIGHT", default=DEFAULT_MAX_IN_FLIGHT, least=1024
            ),
            tokens_file=Path(env["TOKENS_FILE"]) if env.get("TOKENS_FILE", "").strip() else None,
            token=env.get("LABEL_STUDIO_ML_TOKEN", "").strip(),
        )

    def to_env(self) -> dict[str, object]:
        """Return the environment variables from which `from_env` reads these settings."""
        return {
            "ALLOWED_HOSTS": ",".join(self.allowed_hosts),
            "LABEL_STUDIO_ML_MAX_IN_FLIGHT": self.max_in_flight,
            "TOKENS_FILE": self.tokens_file or "",
            "LABEL_STUDIO_ML_TOKEN": self.token,
        }


def _allowed_hosts(env: Mapping[str, str]) -> tuple[str, ...]:
    """Return the host names in ALLOWED_HOSTS, separated by commas, without ports. Raises SettingsError."""
    names = []
    for entry in env.get("ALLOWED_HOSTS", "").lower().split(","):
        if not (name := entry.strip()):
            continue
        name = re.sub(r":\d+$", "", name)
        if not _NAME.fullmatch(name):
            raise SettingsError(
                f"ALLOWED_HOSTS: {entry.strip()!r} is not a host name",
                fix="Give names without scheme and path, comma separated: ml.example.com,.internal.example.com",
                field="ALLOWED_HOSTS",
            )
        names.append(name)
    return tuple(names)
