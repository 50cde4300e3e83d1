"""Tell by its name whether a parameter is a secret."""

import re

#: A name that has one of these words is that of a secret.
_SECRET_WORDS = frozenset(
    {
        *("auth", "authorization", "bearer", "cookie", "cookies", "dsn", "jwt", "oauth", "pass", "sas"),
        *("sig", "signature"),
    }
)
#: So is a name that has a word with one of these endings, such as `accesstoken`.
_SECRET_ENDING = re.compile(r".*(credential|key|passphrase|passwd|password|pwd|secret|token)s?")
#: Words with such an ending that have no such meaning.
_OTHER_WORDS = frozenset(
    f"{word}{plural}"
    for word in ("donkey", "hockey", "hotkey", "jockey", "monkey", "turkey", "whiskey")
    for plural in ("", "s")
)
#: With one of these words, also before `tokens` without a separator, tokens are parts of a text.
_TEXT_WORDS = frozenset(
    {
        *("bos", "budget", "cls", "completion", "count", "eos", "limit", "mask", "max", "maxnew", "min"),
        *("minnew", "n", "num", "pad", "per", "prompt", "sep", "special", "start", "stop", "sub"),
        *("suppress", "total", "unk"),
    }
)
#: A name with one of these words at its end is that of an error, such as `KeyError`.
_ERROR_WORDS = frozenset({"error", "exception", "warning"})
_TOKEN = re.compile("(.*?)tokens?")
#: A word of a name: `maxTokens`, `max_tokens` and `MAX-TOKENS` have two, `APIKey` has `API` and `Key`.
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def is_secret_name(name: str) -> bool:
    """Tell whether a word of `name`, or its ending, says that its value is a secret.

    `api_key`, `dbPwd` and `accesstoken` do, `tokenizer`, `max_tokens` and `KeyError` do not.
    """
    words = [word.lower() for word in _WORD.findall(name)]
    if not _ERROR_WORDS.isdisjoint(words[-1:]):
        return False
    others = {match[1] if (match := _TOKEN.fullmatch(word)) else word for word in words}
    has_text_tokens = not _TEXT_WORDS.isdisjoint(others)
    return any(_is_secret_word(word) for word in words if not (has_text_tokens and _TOKEN.fullmatch(word)))


def _is_secret_word(word: str) -> bool:
    return word in _SECRET_WORDS or (word not in _OTHER_WORDS and bool(_SECRET_ENDING.fullmatch(word)))
