"""Tell by its name whether a parameter is a secret."""

import re

#: A name that has one of these words is that of a secret.
_SECRET_WORDS = frozenset(
    {
        *("apikey", "auth", "authorization", "bearer", "cookie", "credential", "credentials", "dsn", "jwt"),
        *("key", "keys", "oauth", "pass", "passphrase", "passwd", "password", "passwords", "pwd", "sas"),
        *("secret", "secrets", "sig", "signature", "token"),
    }
)
#: A word of a name: `maxTokens`, `max_tokens` and `MAX-TOKENS` have two, `APIKey` has `API` and `Key`.
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def is_secret_name(name: str) -> bool:
    """Tell whether a whole word of `name` says that its value is a secret: `api_key` and `dbPwd`, not `max_tokens`."""
    return any(word.lower() in _SECRET_WORDS for word in _WORD.findall(name))
