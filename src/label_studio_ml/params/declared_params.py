"""Two ways to declare the parameters of a model class: a dict of `Param`, or a pydantic model class.

Pydantic is not imported here: a class that uses it has imported it.
"""

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from label_studio_ml.params.param import Param, Params


@dataclass(frozen=True, slots=True)
class Parameter:
    """A declared parameter: what it may be, its default as text, its environment variable (empty: none).

    An `operator_only` parameter has no value from the extra params of a project.
    """

    name: str
    expected: str
    default: str
    doc: str
    variable: str
    operator_only: bool = False


class Declaration(Protocol):
    """The parameters that a class declares, by name, and how values are checked.

    `unknown` is what follows from other names in the extra params, where the declaration itself says so; else empty.
    """

    parameters: dict[str, Parameter]
    unknown: str

    def name_of(self, key: str) -> str | None:
        """Return the name of the parameter that `key` of the extra params gives a value; None if there is none."""

    def read(self, name: str, text: str) -> Any:
        """Return the value that a text from an environment variable or `--with` stands for."""

    def is_text(self, name: str) -> bool:
        """Tell whether the parameter's values are texts."""

    def values(self, given: Mapping[str, Any]) -> tuple[Any, list[tuple[str, str]]]:
        """Return what becomes `self.params`, and the name and fault of each wrong value in `given`."""

    def shown(self, values: Any, name: str) -> str:
        """Return the text that stands for a parameter's value in what `values` returned."""


class ParamTable:
    """The declaration as a dict of `Param`."""

    unknown = ""

    def __init__(self, table: Mapping[str, Param]) -> None:
        self._table = table
        self.parameters = {
            name: Parameter(
                name=name,
                expected=param.expected,
                default=param.shown(param.default),
                doc=param.doc,
                variable=_variable(name, param.env),
                operator_only=param.operator_only,
            )
            for name, param in table.items()
        }

    def name_of(self, key: str) -> str | None:
        """Return `key` if it is a parameter's name."""
        return key if key in self._table else None

    def read(self, name: str, text: str) -> Any:
        """Return the value that `text` stands for; `text` itself if it stands for none."""
        return self._table[name].read(text)

    def is_text(self, name: str) -> bool:
        """Tell whether the parameter's values are texts."""
        return self._table[name].kind is str

    def values(self, given: Mapping[str, Any]) -> tuple[Params, list[tuple[str, str]]]:
        """Return the values as `Params`, and the name and fault of each wrong one."""
        values, faults = {}, []
        for name, param in self._table.items():
            try:
                values[name] = param.checked(given.get(name, param.default))
            except ValueError as error:
                faults.append((name, str(error)))
        return Params(values), faults

    def shown(self, values: Params, name: str) -> str:
        """Return the text that stands for a value."""
        return self._table[name].shown(values[name])


class PydanticParams:
    """The declaration as a class of pydantic 2, which decides what values are valid.

    In extra params and arguments, a field has its name or its alias. `Field(json_schema_extra={"env": …})` names its
    environment variable, and `"operator_only": True` keeps it out of extra params.
    """

    def __init__(self, model: Any) -> None:
        self._model = model
        extra = model.model_config.get("extra")
        self._takes_all = extra == "allow"
        self.unknown = {"forbid": "error", "allow": "ignore"}.get(extra, "")
        self._keys = {name: _keys(name, field) for name, field in model.model_fields.items()}
        self.parameters = {name: _parameter(name, field) for name, field in model.model_fields.items()}

    def name_of(self, key: str) -> str | None:
        """Return the name of the field with this name or alias; `key` itself if the model takes all names."""
        matches = (name for name, keys in self._keys.items() if key in keys)
        return next(matches, key if self._takes_all else None)

    def read(self, name: str, text: str) -> Any:
        """Return the value of JSON text with brackets, else `text`, which pydantic converts."""
        if text.strip()[:1] in ("[", "{"):
            try:
                return json.loads(text)
            except ValueError:
                return text
        return text

    def is_text(self, name: str) -> bool:
        """Tell whether the field is a `str`, or that or None."""
        return self._model.model_fields[name].annotation in (str, str | None)

    def values(self, given: Mapping[str, Any]) -> tuple[Any, list[tuple[str, str]]]:
        """Return an instance of the model, and the name and fault of each wrong value."""
        by_key = {self._keys.get(name, (name,))[0]: value for name, value in given.items()}
        try:
            return self._model.model_validate(by_key), []
        except ValueError as error:
            if not hasattr(error, "errors"):
                raise
            faults = error.errors(include_url=False, include_context=False)
            return None, [self._fault(fault) for fault in faults]

    def _fault(self, fault: Mapping[str, Any]) -> tuple[str, str]:
        name = self.name_of(str(fault["loc"][0])) if fault["loc"] else None
        if fault["type"] == "missing":
            return name or "", "is missing, and has no default"
        place = "".join(f"[{part!r}]" for part in fault["loc"][1:])
        return name or "", f"is wrong{' at ' if place else ''}{place}: {fault['msg']}"

    def shown(self, values: Any, name: str) -> str:
        """Return the text that stands for a value."""
        return _text(getattr(values, name))


def is_pydantic_model(value: Any) -> bool:
    """Tell whether `value` is a class of pydantic 2, which is imported then."""
    base = getattr(sys.modules.get("pydantic"), "BaseModel", None)
    if base is None or not isinstance(value, type):
        return False
    return issubclass(value, base) and hasattr(value, "model_fields")


def _keys(name: str, field: Any) -> tuple[str, ...]:
    """Return the keys that give a field its value, the one that pydantic reads first."""
    alias = field.validation_alias
    choices = getattr(alias, "choices", [alias])
    return (*(key for key in choices if isinstance(key, str)), name)


def _parameter(name: str, field: Any) -> Parameter:
    kind = getattr(field.annotation, "__name__", "")
    if not kind or hasattr(field.annotation, "__args__"):
        kind = str(field.annotation).replace("typing.", "")
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    return Parameter(
        name=name,
        expected=", ".join([kind, *map(str, field.metadata)]),
        default="none" if field.is_required() else _text(field.get_default(call_default_factory=True)),
        doc=field.description or "",
        variable=_variable(name, extra.get("env", "")),
        operator_only=extra.get("operator_only") is True,
    )


def _variable(name: str, env: str | None) -> str:
    """Return a parameter's environment variable: `env`, or the name in upper case if that is empty; none for None."""
    return str(name).upper() if env == "" else env or ""


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
