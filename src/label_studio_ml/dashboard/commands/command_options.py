"""Options of commands that are started from the dashboard: kinds, checks of values, words for the command line."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from label_studio_ml.errors import RequestError, SettingsError
from label_studio_ml.studio.resources import task_filters

#: The longest text, and the most conditions.
MAX_TEXT, MAX_CONDITIONS = 200, 20


@dataclass(frozen=True, slots=True)
class Option:
    """An option: its `name` in requests, and how its value is checked and written as words of the command line.

    `flag` is the option of the command line, `kind` says what the page shows: `text`, `number`, `share`, `flag`,
    `choice` or `conditions`. `choices` are a choice's values with their titles; the first one is the default. Numbers
    are from `least` to `most`.
    """

    name: str
    title: str
    help: str
    flag: str
    kind: str
    choices: tuple[tuple[str, str], ...] = ()
    least: int = 1
    most: int = 1_000_000
    placeholder: str = ""
    #: Words for the values of a choice, if they are not `--flag=VALUE`.
    words: Mapping[str, tuple[str, ...]] | None = None

    def describe(self) -> dict[str, Any]:
        """Return what the page needs to show the option, as JSON values."""
        described: dict[str, Any] = {
            "name": self.name,
            "title": self.title,
            "help": self.help,
            "kind": self.kind,
            "placeholder": self.placeholder,
        }
        if self.kind == "choice":
            described["choices"] = [{"value": value, "title": title} for value, title in self.choices]
        if self.kind == "number":
            described |= {"least": self.least, "most": self.most}
        return described

    def arguments(self, value: Any) -> list[str]:
        """Return the words for a value from a request. Raises RequestError, which names the option."""
        return _WRITERS[self.kind](self, value)


def arguments(options: Sequence[Option], values: Mapping[str, Any]) -> list[str]:
    """Return the words for all values from a request; those that are null or empty stand for the default.

    Raises RequestError for an unknown option or a wrong value.
    """
    by_name = {option.name: option for option in options}
    if unknown := sorted(set(values) - set(by_name)):
        raise RequestError(
            f"options has {unknown[0]!r}, which is no option of this command",
            fix=f"Use some of {', '.join(by_name) or 'none'}",
            field=f"options.{unknown[0]}",
        )
    return [
        word
        for name, option in by_name.items()
        if (value := values.get(name)) not in (None, "", [])
        for word in option.arguments(value)
    ]


def _refuse(option: Option, expected: str) -> RequestError:
    return RequestError(f"{option.name} must be {expected}", field=f"options.{option.name}")


def _text(option: Option, value: Any) -> list[str]:
    if not isinstance(value, str) or len(value) > MAX_TEXT or not value.isprintable():
        raise _refuse(option, f"a text of at most {MAX_TEXT} characters")
    return [f"{option.flag}={value}"]


def _number(option: Option, value: Any) -> list[str]:
    if type(value) is not int or not option.least <= value <= option.most:
        raise _refuse(option, f"a whole number from {option.least:,} to {option.most:,}")
    return [f"{option.flag}={value}"]


def _share(option: Option, value: Any) -> list[str]:
    if type(value) not in (int, float) or not 0 < value < 1:
        raise _refuse(option, "a number between 0 and 1, such as 0.2")
    return [f"{option.flag}={value}"]


def _flag(option: Option, value: Any) -> list[str]:
    if not isinstance(value, bool):
        raise _refuse(option, "true or false")
    return [option.flag] if value else []


def _choice(option: Option, value: Any) -> list[str]:
    values = [choice for choice, _ in option.choices]
    if value not in values:
        raise _refuse(option, f"one of {', '.join(values)}")
    return [*option.words[value]] if option.words is not None else [f"{option.flag}={value}"]


def _conditions(option: Option, value: Any) -> list[str]:
    texts = value if isinstance(value, list) else [value]
    if len(texts) > MAX_CONDITIONS:
        raise _refuse(option, f"at most {MAX_CONDITIONS} conditions")
    words = []
    for text in texts:
        words += _text(option, text)
        try:
            task_filters.parse(text)
        except SettingsError as error:
            raise RequestError(error.message, fix=error.fix, field=f"options.{option.name}") from None
    return words


_WRITERS: dict[str, Callable[[Option, Any], list[str]]] = {
    "text": _text,
    "number": _number,
    "share": _share,
    "flag": _flag,
    "choice": _choice,
    "conditions": _conditions,
}
