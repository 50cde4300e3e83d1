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
        *("accesstoken", "authtoken", "apitoken", "secretkey", "privatekey", "aws_secretaccesskey", "APIkey"),
        *("tokens", "api_tokens", "ACCESSTOKENS", "apikeys", "dbpassword", "clientsecret", "awscredentials"),
        *("minio_token", "maxmind_token", "max_token_secret", "token"),
    ],
)
def test_a_word_of_it_says_so(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        *(
            "max_tokens",
            "tokenizer",
            "keypoints",
            "author",
            "monkey",
            "passes",
            "bypass",
            "learning_rate",
            "",
        ),
        *("maxTokens", "maxtokens", "max_new_tokens", "num_input_tokens_seen", "tokens_per_batch", "ntokens"),
        *("llm_token_budget", "pad_token_id", "special_tokens", "hotkeys", "keyword", "secretary"),
        *("KeyError", "InvalidTokenError", "builtins.KeyError"),
    ],
)
def test_no_word_of_it_says_so(name: str) -> None:
    assert not is_secret_name(name)
