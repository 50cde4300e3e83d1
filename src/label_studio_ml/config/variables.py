"""Declare settings: a setting is a dataclass field that carries its environment variables as metadata.

    @dataclass
    class Settings:
        workers: int = setting("LABEL_STUDIO_ML_WORKERS", integer(1), 1, "processes that train")

`read` and `written` convert between environment variables and fields. `scripts/settings_tables` writes the tables of
the documentation from the same declarations.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypeVar

from label_studio_ml.config.setting_values import Kind

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Default = TypeVar("Default")

#: Key of a field's metadata.
VARIABLE = "variable"


@dataclass(frozen=True, slots=True)
class Variable:
    """The environment variables of a setting.

    `names` are separated by blanks: settings are written to the first one; the others are names of older releases and
    of Label Studio's own tools, and the first one that is not empty is read. `meaning` is the line in the
    documentation, and `unset` says there what applies without a value. A `secret` may also be given as NAME_FILE, the
    path of a file with it.
    """

    names: str
    kind: Kind
    meaning: str
    unset: str = "none"
    secret: bool = False

    def read(self, env: Mapping[str, str]) -> Any:
        """Return the value in `env`, None if it is not set. Raises SettingsError, naming the variable."""
        for name in self.names.split():
            text = env.get(name, "")
            if text := (text if self.kind.verbatim else text.strip()):
                return self.kind.parse(name, text)
        return None


def setting(
    names: str, kind: Kind, default: Default, meaning: str, unset: str = "none", *, secret: bool = False
) -> Default:
    """Return a dataclass field for a setting: see `Variable`. Secrets are left out of the `repr`."""
    metadata = {VARIABLE: Variable(names, kind, meaning, unset, secret)}
    declared_field: Default = field(default=default, repr=not secret, metadata=metadata)
    return declared_field


def prefixed(name: str) -> str:
    """Return `name` and its two prefixed forms that Label Studio's own tools accept, separated by blanks."""
    return f"{name} LABEL_STUDIO_{name} HEARTEX_{name}"


def declared(cls: "type[DataclassInstance]") -> Iterator[tuple[str, Variable]]:
    """Yield name and variable of each field of `cls` that is declared with a variable."""
    return ((item.name, item.metadata[VARIABLE]) for item in fields(cls) if VARIABLE in item.metadata)


def read(cls: "type[DataclassInstance]", env: Mapping[str, str], *names: str) -> dict[str, Any]:
    """Return the fields of `cls` that are set in `env`, of the fields `names` only if there are any.

    Raises SettingsError, naming the variable, if a value is invalid.
    """
    values = {name: variable.read(env) for name, variable in declared(cls) if not names or name in names}
    return {name: value for name, value in values.items() if value is not None}


def written(settings: "DataclassInstance") -> dict[str, str]:
    """Return the environment variables from which `read` reads the fields of `settings`."""
    texts = {
        variable.names.split()[0]: variable.kind.write(value)
        for name, variable in declared(type(settings))
        if (value := getattr(settings, name)) is not None
    }
    return {name: text for name, text in texts.items() if text}
