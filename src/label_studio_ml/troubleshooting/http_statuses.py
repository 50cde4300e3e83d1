"""Recognize statuses of HTTP in a text, such as `500` or `503 Service Unavailable`, and say what they mean."""

import re
from dataclasses import dataclass
from http import HTTPStatus

#: A text that begins with a status as people type it and as clients print it: a number alone, or with what follows it.
_TEXT = re.compile(
    r"\W*(?:HTTP(?:/\d(?:\.\d)?)?\W+)?(?:(?:error|status)\b\W*)?(?:code\b\W*)?(?P<number>[45]\d\d)\b(?P<rest>[^\n]*)",
    re.IGNORECASE,
)
_NAMED = re.compile(r"\b(?:HTTP|error|status)\b", re.IGNORECASE)
_OF_REQUESTS = re.compile(r"\W*(?:client|server) error\b", re.IGNORECASE)

#: Phrases of a status in other releases of Python and other servers.
_OTHER_PHRASES = {413: ("request entity too large", "content too large", "payload too large")}

#: The step that finds the cause of any status.
_SEE_ANSWER = "The answer's `detail` and `code` say what is wrong: label-studio-ml explain CODE says more."


@dataclass(frozen=True, slots=True)
class _Advice:
    """Who answers a status and why, what to do, and the codes of this package that a backend answers with it."""

    meaning: str
    advice: str
    codes: tuple[str, ...] = ()


_LOG = "The cause is at the end of the log, with a traceback if code failed: logs/server.log in the backend's folder."

_ADVICE = {
    400: _Advice(
        "The request has a wrong field or body.",
        _SEE_ANSWER,
        ("LSML-E100", "LSML-E322"),
    ),
    401: _Advice(
        "The login or token of the backend or of Label Studio is missing or wrong.",
        "Set BASIC_AUTH_USER and BASIC_AUTH_PASS for the backend, LABEL_STUDIO_API_KEY for Label Studio.",
        ("LSML-E120", "LSML-E710"),
    ),
    403: _Advice(
        "The login may not do this, or the request comes from a page or under a host name that is not accepted.",
        _SEE_ANSWER,
        ("LSML-E121", "LSML-E103"),
    ),
    404: _Advice(
        "Nothing is at this address: the path is wrong, or the project, version, job or file does not exist.",
        "Check the URL, with the path of a proxy if there is one: label-studio-ml doctor my_backend does.",
        ("LSML-E110", "LSML-E111", "LSML-E112", "LSML-E751"),
    ),
    409: _Advice(
        "Something else works on the project, or the state has changed meanwhile.",
        _SEE_ANSWER,
        ("LSML-E116",),
    ),
    413: _Advice(
        "The request is larger than the backend, or a proxy before it, accepts.",
        "Raise the proxy's limit, in nginx with `client_max_body_size 100m;`, or send fewer tasks at once.",
        ("LSML-E101",),
    ),
    415: _Advice(
        "The body is not sent as JSON.", "Send the header Content-Type: application/json.", ("LSML-E102",)
    ),
    421: _Advice(
        "The backend is not known under this host name.", "Add the name to ALLOWED_HOSTS.", ("LSML-E104",)
    ),
    500: _Advice(
        "An error in the program that answers. Of a backend it is, as a rule, an exception of the model's predict; of "
        "Label Studio, see its own log.",
        _LOG,
        ("LSML-E330", "LSML-E320", "LSML-E400"),
    ),
    502: _Advice(
        "A proxy got no valid answer from the backend: it is not running, ended, or listens at another address.",
        "Check that it runs: label-studio-ml doctor my_backend. Then compare its address and port with the proxy's.",
        ("LSML-E430",),
    ),
    503: _Advice(
        "The backend has too much to do, is starting, or lacks a service such as Redis.",
        _SEE_ANSWER,
        ("LSML-E420", "LSML-E600"),
    ),
    504: _Advice(
        "A proxy waited too long for the backend's answer.",
        "Raise the proxy's time limit, in nginx with `proxy_read_timeout 190s;`, or make predict faster.",
        ("LSML-E421",),
    ),
}


@dataclass(frozen=True, slots=True)
class Status:
    """A status of HTTP from 400 to 599 with its reason phrase."""

    number: int
    phrase: str

    @property
    def codes(self) -> tuple[str, ...]:
        """The codes of this package that are often behind the status."""
        advice = _ADVICE.get(self.number)
        return advice.codes if advice else ()

    @property
    def explanation(self) -> str:
        """What the status means and what to do, in a few lines."""
        advice = _ADVICE.get(self.number)
        lines = [
            f"HTTP status {self.number} ({self.phrase}) is no code of this package: a server answers it."
        ]
        if advice is not None:
            lines += [advice.meaning, advice.advice]
        else:
            lines += [_SEE_ANSWER if self.number < 500 else _LOG]
        return "\n".join(lines)


def http_status(text: str) -> Status | None:
    """Return the status of HTTP that a text is or begins with, None if there is none.

    A number counts alone, after a word such as HTTP, and before its reason phrase or what the library requests writes.
    """
    match = _TEXT.match(text)
    if match is None:
        return None
    try:
        status = HTTPStatus(int(match["number"]))
    except ValueError:
        return None
    rest = match["rest"].strip(" .:").lower()
    phrases = (status.phrase.lower(), *_OTHER_PHRASES.get(status.value, ()))
    is_named = bool(_NAMED.search(text[: match.start("number")]))
    if rest and not is_named and not rest.startswith(phrases) and not _OF_REQUESTS.match(rest):
        return None
    return Status(status.value, status.phrase)
