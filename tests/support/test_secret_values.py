"""Texts and values without their secrets."""

from collections.abc import Callable

import pytest

from label_studio_ml.support.secret_values import mask_secrets, without_secrets
from time_growth import time_growth

PASSWORD = "hunter2"


@pytest.mark.parametrize(
    "text",
    [
        "password=hunter2",
        "--password=hunter2",
        "--password hunter2 --epochs 3",
        "db.password: hunter2, epochs: 3",
        "{'password': 'hunter2', 'epochs': 3}",
        '{"password": "a \\" hunter2"}',
        '{"body": "{\\"password\\": \\"hunter2\\", \\"epochs\\": 3}"}',
        "password=b'hunter2'",
        "password=SecretStr('hunter2')",
        "tokens=['a', 'hunter2']",
        'password="hunter2',
        "password='more hunter2'",
        "2password=hunter2",
        "ValueError: password=hunter2",
        'error="login refused: password=hunter2 at db"',
        "Authorization: Token hunter2",
        "sent with Bearer hunter2",
        "https://user:hunter2@host/path",
        "https://host/path?signature=hunter2",
    ],
)
def test_no_secret_stays_in_a_text(text: str) -> None:
    assert PASSWORD not in mask_secrets(text)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("epochs=3, password=hunter2, seed=4", "epochs=3, password=…, seed=4"),
        ('{"password": "hunter2", "epochs": 3}', '{"password": …, "epochs": 3}'),
        ("(token=hunter2) failed", "(token=…) failed"),
        ("the token='", "the token='"),
        ("max_tokens=512, tokenizer=bert", "max_tokens=512, tokenizer=bert"),
        ('error="login refused: password=hunter2"', 'error="login refused: password=…"'),
        ("KeyError: 'label'", "KeyError: 'label'"),
    ],
)
def test_the_rest_of_a_text_stays(text: str, masked: str) -> None:
    assert mask_secrets(text) == masked


@pytest.mark.parametrize(
    "pattern",
    [
        "a",
        "a.",
        "token=",
        'token="',
        "token=[",
        "token=\\",
        "\\",
        "http://a:b@",
        "--token ",
        "token='\"",
        "token=Token ",
    ],
)
def test_the_time_grows_with_the_length_of_a_text(pattern: str) -> None:
    def prepare(count: int) -> Callable[[], object]:
        text = "token=" + pattern * count
        return lambda: mask_secrets(text)

    assert time_growth(prepare, 1_000, 8_000) < 30


def test_entries_with_secret_names_are_left_out_at_any_depth() -> None:
    value = {"epochs": 3, "api_key": PASSWORD, "servers": [{"host": "a", "password": PASSWORD}]}
    assert without_secrets(value) == {"epochs": 3, "servers": [{"host": "a"}]}


def test_a_value_that_contains_itself_is_cut() -> None:
    value: list[object] = [1]
    value.append(value)
    assert without_secrets(value) == [1, "…"]
