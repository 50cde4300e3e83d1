"""Declared settings: reading them from environment variables and writing them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.config import setting_values as kinds
from label_studio_ml.config.setting_values import Kind
from label_studio_ml.config.variables import Variable, declared, read, setting, written
from label_studio_ml.errors import SettingsError


@dataclass(frozen=True, kw_only=True)
class Example:
    size: int = setting("SIZE OLD_SIZE", kinds.integer(1, 1024), 2048, "size in KiB")
    password: str = setting("PASSWORD", kinds.EXACT_TEXT, "", "password", secret=True)
    limit: float | None = setting("LIMIT", kinds.number(0.0), None, "seconds")
    other: str = "no setting"


def test_the_first_variable_that_is_set_counts() -> None:
    assert read(Example, {"SIZE": "3", "OLD_SIZE": "4"}) == {"size": 3072}
    assert read(Example, {"SIZE": " ", "OLD_SIZE": "4"}) == {"size": 4096}
    assert read(Example, {}) == {}
    with pytest.raises(
        SettingsError, match="OLD_SIZE='x' is not a whole number from 1 to 1,000,000,000"
    ) as caught:
        read(Example, {"OLD_SIZE": "x"})
    assert caught.value.field == "OLD_SIZE"


def test_only_the_named_fields_are_read() -> None:
    assert read(Example, {"SIZE": "wrong", "LIMIT": "1"}, "limit") == {"limit": 1.0}


def test_blanks_belong_to_exact_text_only() -> None:
    assert read(Example, {"PASSWORD": " p ", "LIMIT": " 2 "}) == {"password": " p ", "limit": 2.0}


def test_what_is_not_set_is_not_written() -> None:
    assert written(Example()) == {"SIZE": "2"}
    assert written(Example(limit=0.0, password="p")) == {"SIZE": "2", "LIMIT": "0.0", "PASSWORD": "p"}


def test_secrets_are_not_shown() -> None:
    assert "CANARY" not in repr(Example(password="CANARY"))
    assert [name for name, variable in declared(Example) if variable.secret] == ["password"]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (kinds.BOOLEAN, False),
        (kinds.WORDS, ("a", "b c")),
        (kinds.FOLDERS, ("/a b", "/c")),
        (kinds.path_for(kinds.PathUse.FILE), Path("/a b ")),
        (kinds.JSON_OBJECT, {"a": [1, None], "b": "ü"}),
        (kinds.choice({"on": 1, "off": ""}), ""),
        (kinds.integer(0, kinds.MEGABYTE), 3 * kinds.MEGABYTE),
        (kinds.megabytes(), 104_857),
        (kinds.megabytes(), 1048),
        (kinds.number(0.0), 1234567.875),
    ],
)
def test_a_value_comes_back_from_its_text(kind: Kind, value: Any) -> None:
    assert Variable("NAME", kind, "").read({"NAME": kind.write(value)}) == value
