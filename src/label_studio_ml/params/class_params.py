"""The parameters that a model class declares in `params`, and the values that its models get.

A value comes from the first of these sources that has one: the backend's extra params in Label Studio, `--with` (and
config.json, and the arguments of `init_app`), the parameter's environment variable, the default.
"""

import difflib
import inspect
import keyword
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from label_studio_ml.config.settings import setting_names, user_variables
from label_studio_ml.errors import ModelFileError, ParamsError
from label_studio_ml.params.declared_params import (
    Declaration,
    Parameter,
    ParamTable,
    PydanticParams,
    is_pydantic_model,
)
from label_studio_ml.params.param import Param
from label_studio_ml.support.arguments import described

#: The sources of values, as messages name them.
EXTRA_PARAMS, ARGUMENTS, DEFAULT = "extra params in Label Studio", "--with", "default"

#: What `unknown_params` of a class may be: what follows from a name in the extra params that it does not declare.
_UNKNOWN = ("warn", "error", "ignore")

#: Names that are no parameters: constructor arguments of the base class, and methods of `Params`.
_RESERVED = frozenset(
    {"project_id", "label_config", "train_output", "hostname", "access_token", "model_version"}
    | {"get", "items", "keys", "values"}
)
#: Variables that systems and shells set for other purposes: their values would be taken by accident.
_SYSTEM_VARIABLES = """
    COLUMNS DISPLAY EDITOR HOME HOST HOSTNAME HOSTTYPE IFS LANG LANGUAGE LINES LOGNAME MACHTYPE MAIL NAME OLDPWD OSTYPE
    PAGER PATH PPID PS1 PWD RANDOM SECONDS SHELL SHLVL TEMP TERM TMP TMPDIR TZ UID USER USERNAME VISUAL
"""


@dataclass(frozen=True, slots=True)
class Given:
    """A value that a source has for a parameter. `source` is the source's name in messages."""

    value: Any
    source: str


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with the parameter `name`: `text` goes on after the name. `source` is where its value is from."""

    name: str
    text: str
    source: str


@dataclass(frozen=True, slots=True)
class Resolved:
    """The values for models of a class: `values` is `self.params`, `sources` says by name where each is from.

    `unknown` says which names in the extra params are not declared; empty if there are none.
    """

    declaration: Declaration
    values: Any
    sources: Mapping[str, str]
    unknown: str = ""

    def summaries(self) -> dict[str, str]:
        """Return a text with value and source for each parameter, such as `threshold = 0.7 (--with)`."""
        return {
            name: f"{name} = {self.declaration.shown(self.values, name)} ({self.sources[name]})"
            for name in self.declaration.parameters
        }

    def lines(self) -> list[str]:
        """Return a line for each parameter: value, source, what it may be, default, environment variable, doc."""
        summaries = self.summaries()
        lines = []
        for name, parameter in self.declaration.parameters.items():
            variable = f", variable {parameter.variable}" if parameter.variable else ""
            variable += ", not in Label Studio" if parameter.operator_only else ""
            doc = f". {parameter.doc}" if parameter.doc else ""
            lines.append(
                f"{summaries[name]}: {parameter.expected}, default {parameter.default}{variable}{doc}"
            )
        return lines


def declaration_of(cls: type) -> Declaration | None:
    """Return the parameters that `cls` declares; None if it has no `params`, or something else of this name.

    Raises ModelFileError, naming the parameter, if the declaration is wrong.
    """
    table = inspect.getattr_static(cls, "params", None)
    if isinstance(table, dict) and any(isinstance(param, Param) for param in table.values()):
        for name, param in table.items():
            if not isinstance(param, Param):
                raise _wrong(cls, f"params[{name!r}] is {described(param)}", f"Write {name!r}: Param(…)")
        declaration: Declaration = ParamTable(table)
    elif is_pydantic_model(table):
        declaration = PydanticParams(table)
    else:
        return None
    _check_names(cls, declaration.parameters)
    _consequence(cls, declaration)
    return declaration


def _consequence(cls: type, declaration: Declaration) -> str:
    """Return what follows from an undeclared name in the extra params. Raises ModelFileError if the class errs."""
    choice: str = getattr(cls, "unknown_params", declaration.unknown or "warn")
    if choice not in _UNKNOWN:
        fix = f"Use one of {', '.join(map(repr, _UNKNOWN))}"
        raise ModelFileError(f"{cls.__name__}.unknown_params is {choice!r}", fix=fix, field="unknown_params")
    return choice


def merged_params(classes: Iterable[type]) -> dict[str, Param]:
    """Return the `Param`s that several classes declare; of two of one name, the first. Pydantic models are left out."""
    tables = [inspect.getattr_static(cls, "params", None) for cls in classes]
    merged: dict[str, Param] = {}
    for table in tables:
        if isinstance(table, dict):
            merged |= {
                name: param
                for name, param in table.items()
                if isinstance(param, Param) and name not in merged
            }
    return merged


def own_extra_params(cls: type, others: Iterable[type], extra_params: Any) -> Any:
    """Return the extra params for `cls`, one of several classes that share them.

    If `cls` refuses names that it does not declare, those that only the `others` declare are left out.
    """
    declaration = declaration_of(cls)
    if declaration is None or not isinstance(extra_params, Mapping):
        return extra_params
    if _consequence(cls, declaration) != "error":
        return extra_params
    foreign = [other for other in map(declaration_of, others) if other is not None]
    return {
        key: value
        for key, value in extra_params.items()
        if declaration.name_of(str(key)) or not any(other.name_of(str(key)) for other in foreign)
    }


def _check_names(cls: type, parameters: Mapping[str, Parameter]) -> None:
    """Raise ModelFileError for a name that cannot be an attribute, and a variable that means something else."""
    seen: dict[str, str] = {}
    for name, parameter in parameters.items():
        if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name):
            raise _wrong(cls, f"The parameter {name!r} has no name that Python can use", "Rename it")
        if name in _RESERVED or name.startswith("_"):
            raise _wrong(cls, f"No parameter can have the name {name!r}", "Rename it")
        variable = parameter.variable
        if not variable:
            continue
        owner = "a setting of the backend" if variable in setting_names() else ""
        owner = owner or ("a variable of the system" if variable in _SYSTEM_VARIABLES.split() else "")
        owner = owner or (f"the variable of {seen[variable]!r}" if variable in seen else "")
        if owner:
            raise _wrong(
                cls,
                f"The parameter {name!r} would be read from the environment variable {variable}, which is {owner}",
                f'Rename the parameter, or name another variable (env="MY_{variable}") or none (env=None)',
            )
        seen[variable] = name


def _wrong(cls: type, what: str, fix: str) -> ModelFileError:
    return ModelFileError(f"{cls.__name__}.params: {what}", fix=fix, field="params")


def resolve(cls: type, extra_params: Any, arguments: Mapping[str, Any]) -> Resolved | None:
    """Return the values of the parameters of `cls`; None if it declares none.

    `extra_params` are the parsed extra params from Label Studio, `arguments` the constructor's further arguments.
    Raises ParamsError, naming each wrong value with its source, and ModelFileError if the declaration is wrong.
    """
    declaration = declaration_of(cls)
    if declaration is None:
        return None
    extra, unknown = _extra_values(cls, declaration, extra_params)
    given = _given(declaration, extra, arguments)
    _refuse_operator_only(declaration, given)
    values, wrong = declaration.values({name: value.value for name, value in given.items()})
    if wrong:
        raise _error(
            [Fault(name, text, given[name].source if name in given else DEFAULT) for name, text in wrong]
        )
    sources = {name: given[name].source if name in given else DEFAULT for name in declaration.parameters}
    return Resolved(declaration, values, sources, unknown)


def shown_params(cls: type, values: Any) -> dict[str, str]:
    """Return the texts of the parameters of a model of `cls` with the `params` `values`.

    Empty if the class declares none, or the model has changed them.
    """
    declaration = declaration_of(cls)
    if declaration is None:
        return {}
    try:
        return {name: declaration.shown(values, name) for name in declaration.parameters}
    except (AttributeError, KeyError, TypeError, ValueError):
        return {}


def _extra_values(cls: type, declaration: Declaration, extra_params: Any) -> tuple[Mapping[str, Any], str]:
    """Return the values in the extra params, and a sentence about names that are not declared. Raises ParamsError."""
    choice = _consequence(cls, declaration)
    if extra_params is None or (choice == "ignore" and not isinstance(extra_params, Mapping)):
        return {}, ""
    if not isinstance(extra_params, Mapping):
        example = next(iter(declaration.parameters.values()))
        raise ParamsError(
            f"The extra params must be a JSON object, not {described(extra_params)}",
            fix=f'Write them in Label Studio as {{"{example.name}": {example.default}}}',
            field="extra_params",
        )
    names = [name for name in extra_params if declaration.name_of(str(name)) is None]
    if not names or choice == "ignore":
        return extra_params, ""
    text = _not_declared(cls, declaration, names)
    if choice == "error":
        fix = f"Correct the extra params in Label Studio; there are {', '.join(declaration.parameters)}"
        raise ParamsError(text, fix=fix, field="extra_params")
    return extra_params, f"The extra params in Label Studio: {text}"


def _given(
    declaration: Declaration, extra: Mapping[str, Any], arguments: Mapping[str, Any]
) -> dict[str, Given]:
    """Return the value of each parameter that has one besides its default, from its first source."""
    parameters = declaration.parameters
    variables = user_variables(parameter.variable for parameter in parameters.values())
    named = ((declaration.name_of(str(key)), value) for key, value in extra.items())
    given = {name: Given(value, EXTRA_PARAMS) for name, value in named if name is not None}
    for name, parameter in parameters.items():
        if name in given:
            continue
        if name in arguments:
            value = arguments[name]
            if isinstance(value, int) and not isinstance(value, bool) and declaration.is_text(name):
                value = str(value)  # `--with code=7` was parsed as a number
            given[name] = Given(declaration.read(name, value) if isinstance(value, str) else value, ARGUMENTS)
        elif text := variables.get(parameter.variable, ""):
            source = f"environment variable {parameter.variable}"
            given[name] = Given(declaration.read(name, text), source)
    return given


def refuse_undeclared_arguments(cls: type, base: type, arguments: Mapping[str, Any]) -> None:
    """Raise ParamsError for an argument (`--with`, config.json, `init_app`) that a class with parameters does not have.

    Arguments of the constructors between `cls` and `base` are no parameters, but known. Nothing is refused if one of
    those takes any arguments (`**kwargs`), or if `unknown_params` of the class is "ignore".
    """
    declaration = declaration_of(cls)
    if declaration is None or _consequence(cls, declaration) == "ignore":
        return
    known = set(_RESERVED)
    for ancestor in cls.__mro__[: cls.__mro__.index(base)]:
        if "__init__" in vars(ancestor):
            constructor = inspect.signature(vars(ancestor)["__init__"]).parameters.values()
            if any(parameter.kind is inspect.Parameter.VAR_KEYWORD for parameter in constructor):
                return
            known.update(parameter.name for parameter in constructor)
    undeclared = [name for name in arguments if name not in known and not declaration.name_of(name)]
    if undeclared:
        names = ", ".join(declaration.parameters)
        raise ParamsError(
            f"{_not_declared(cls, declaration, undeclared)} ({ARGUMENTS})",
            fix=f"Correct --with, config.json or the argument of init_app; there are {names}",
            field=undeclared[0],
        )


def _not_declared(cls: type, declaration: Declaration, names: Sequence[Any]) -> str:
    """Return a sentence about names that `cls` does not declare, with the one that the first may stand for."""
    similar = difflib.get_close_matches(str(names[0]), declaration.parameters, n=1)
    meant = f" (is {similar[0]} meant?)" if similar else ""
    return f"{cls.__name__} has no parameter {', '.join(map(str, names))}{meant}"


def _refuse_operator_only(declaration: Declaration, given: Mapping[str, Given]) -> None:
    """Raise ParamsError if the extra params have a value of a parameter that is set where the backend runs."""
    faults = []
    for name, value in given.items():
        parameter = declaration.parameters.get(name)
        if value.source == EXTRA_PARAMS and parameter is not None and parameter.operator_only:
            variable = f" or the variable {parameter.variable}" if parameter.variable else ""
            text = f"can be set only where the backend runs, by --with{variable}"
            faults.append(Fault(name, text, EXTRA_PARAMS))
    if faults:
        raise _error(faults)


def _error(faults: list[Fault]) -> ParamsError:
    """Return the error for wrong values, with the advice for the first one's source."""
    text = "; ".join(f"{fault.name or 'params'} {fault.text} ({fault.source})" for fault in faults)
    source = faults[0].source
    fix = {
        EXTRA_PARAMS: "Correct the extra params of the backend in Label Studio",
        ARGUMENTS: "Correct --with, config.json or the argument of init_app",
        DEFAULT: "Set it in the extra params of the backend in Label Studio, or by --with",
    }.get(source, f"Correct the {source} and start the backend again")
    return ParamsError(text, fix=fix, field=faults[0].name)
