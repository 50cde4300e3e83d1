"""Which names are those of secrets."""

import pytest

from label_studio_ml.support.secret_names import is_secret_name


@pytest.mark.parametrize(
    "name",
    [
        *(
            "api_key",
            "apiKey",
            "APIKey",
            "API_KEY",
            "openai-api-key",
            "apikey",
            "key2",
            "hf_token",
            "password",
        ),
        *("passwd", "db_pwd", "dsn", "DATABASE_DSN", "auth", "basic_auth", "secretKey", "credentials"),
    ],
)
def test_a_word_of_it_says_so(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    ["max_tokens", "tokenizer", "keypoints", "author", "monkey", "passes", "bypass", "learning_rate", ""],
)
def test_no_word_of_it_says_so(name: str) -> None:
    assert not is_secret_name(name)
