"""Read typed values from environment variables. All functions raise SettingsError, naming the variable, if invalid."""

import json
import math
from collections.abc import Mapping
from typing import Any, TypeVar

from label_studio_ml.errors import SettingsError

Default = TypeVar("Default")


def prefixed(name: str) -> tuple[str, str, str]:
    """Return `name` and its two prefixed forms that Label Studio's own tools accept."""
    return name, f"LABEL_STUDIO_{name}", f"HEARTEX_{name}"


def first(env: Mapping[str, str], *names: str) -> str:
    """Return the value of the first variable of `names` that is set and not empty; empty if there is none."""
    return next((env[name] for name in names if env.get(name)), "")


def boolean(env: Mapping[str, str], name: str, *, default: bool) -> bool:
    """Return a variable as a bool, `default` if it is not set."""
    text = env.get(name, "").strip().lower()
    if not text:
        return default
    if text in {"1", "true", "yes", "on"}:
        return True
    if text in {"0", "false", "no", "off"}:
        return False
    raise SettingsError(
        f"{name}={env[name]!r} is neither true nor false", fix="Use true or false", field=name
    )


def integer(env: Mapping[str, str], name: str, *, default: Default, least: int) -> int | Default:
    """Return a variable as a whole number of at least `least`, `default` if it is not set."""
    text = env.get(name, "").strip()
    if not text:
        return default
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if value < least:
        raise SettingsError(f"{name}={text!r} is not a whole number of at least {least}", field=name)
    return value


def seconds(
    env: Mapping[str, str], name: str, *, default: Default, least: float, unit: str = "seconds"
) -> float | Default:
    """Return a variable as a finite number of at least `least`, `default` if it is not set. `unit` is for the error."""
    text = env.get(name, "").strip()
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value < math.inf:
        raise SettingsError(f"{name}={text!r} is not a number of {unit} of at least {least:g}", field=name)
    return value


def choice(env: Mapping[str, str], name: str, *values: str) -> str:
    """Return a variable's value, which must be one of `values`; the first of them if it is not set."""
    value = env.get(name, "").strip().lower() or values[0]
    if value not in values:
        raise SettingsError(f"{name}={value!r} is unknown", fix=f"Use {' or '.join(values)}", field=name)
    return value


def optional_seconds(env: Mapping[str, str], name: str) -> float | None:
    """Return a variable as a number of seconds, None if it is not set."""
    return seconds(env, name, default=0.0, least=0.0) if env.get(name, "").strip() else None


def json_object(env: Mapping[str, str], name: str) -> dict[str, Any]:
    """Return the JSON object in a variable, an empty one if it is not set."""
    text = env.get(name, "").strip()
    if not text:
        return {}
    try:
        value = json.loads(text)
    except ValueError as error:
        raise SettingsError(f"{name} is not JSON: {error}", field=name) from None
    if not isinstance(value, dict):
        raise SettingsError(f"{name} must be a JSON object", field=name)
    return value
