"""Explain Redis errors in one line, with a fix. The messages of redis-py may quote commands with whole events."""

import contextlib
import functools
import logging
import ssl
import threading
from collections.abc import Awaitable, Callable, Generator, Iterator
from inspect import iscoroutinefunction, isgeneratorfunction
from types import FunctionType
from typing import Any, TypeVar

import redis

from label_studio_ml.errors import BrokerError

logger = logging.getLogger(__name__)

T = TypeVar("T")

_UNREACHABLE = "Check REDIS_URL and that the server runs"


def explain(error: BaseException) -> BrokerError:
    """Return a BrokerError that says what is wrong and how to fix it."""
    text = " ".join(str(error).split())
    if isinstance(error, redis.exceptions.OutOfMemoryError) or "OOM command not allowed" in text:
        return BrokerError(
            "Redis is full (its maxmemory is reached) and takes no more events",
            fix="Raise maxmemory, or remove what else is in it",
        )
    if _refused_login(error):
        return BrokerError(
            "Redis refuses the login", fix="Check user and password in REDIS_URL, or REDIS_PASSWORD"
        )
    if isinstance(error, redis.exceptions.NoPermissionError) or "NOPERM" in text:
        return BrokerError(
            f"Redis does not let this user do what is needed ({_without_command(text)})",
            fix="Give the user: ~lsml:* ~rq:* &rq:* +@all -@dangerous +keys +info +client",
        )
    if _untrusted(error):
        return BrokerError(
            f"Redis's certificate is not trusted ({_tls_reason(text)})",
            fix="Name the authority's certificate in REDIS_CA_FILE",
        )
    if isinstance(error, redis.exceptions.ReadOnlyError):
        return BrokerError("This Redis is a replica and takes no writes", fix="Name the primary in REDIS_URL")
    if isinstance(error, redis.exceptions.BusyLoadingError):
        return BrokerError("Redis is still reading its data", fix="Try again in a moment")
    if isinstance(error, redis.exceptions.ConnectionError | redis.exceptions.TimeoutError | OSError):
        return BrokerError(f"Redis cannot be reached: {text}", fix=_UNREACHABLE)
    return BrokerError(f"Redis: {_without_command(text)}", fix=_UNREACHABLE)


def is_refusal(error: BaseException) -> bool:
    """Tell whether a retry cannot succeed, because the login, the user's rights or the certificate are wrong."""
    text = str(error)
    no_rights = isinstance(error, redis.exceptions.NoPermissionError) or "NOPERM" in text
    return _refused_login(error) or no_rights or _untrusted(error)


def wait_for(connection: Any, stopping: threading.Event) -> bool:
    """Wait until Redis answers, and return True; return False if `stopping` is set before.

    An error is logged when its kind changes, not for each of the tries, which are 1 s apart.
    """
    logged = ""
    while not stopping.is_set():
        try:
            connection.ping()
        except (redis.RedisError, OSError) as error:
            problem = explain(error)
            kind = problem.message.partition(":")[0]  # the rest may differ from try to try
            if kind != logged:
                logger.error("%s", problem)
                logged = kind
            stopping.wait(1.0)
        else:
            return True
    return False


def _refused_login(error: BaseException) -> bool:
    text = str(error)
    return (
        isinstance(error, redis.exceptions.AuthenticationError)
        or "WRONGPASS" in text
        or "NOAUTH" in text
        or "invalid password" in text
    )


def _untrusted(error: BaseException) -> bool:
    causes = (error, error.__cause__, error.__context__)
    return any(
        isinstance(cause, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in str(cause)
        for cause in causes
    )


def _tls_reason(text: str) -> str:
    _, marker, rest = text.partition("certificate verify failed: ")
    return rest.partition(" (_ssl")[0] if marker else "certificate verify failed"


def _without_command(text: str) -> str:
    """Return at most 200 characters of an error's text without the command in it, which may contain a whole event."""
    _, marker, rest = text.partition("of pipeline caused error: ")
    return (rest if marker else text)[:200]


@contextlib.contextmanager
def broker_errors() -> Iterator[None]:
    """Convert Redis errors in the block to BrokerError. `@broker_errors()` does so for a function."""
    try:
        yield
    except redis.RedisError as error:
        raise explain(error) from error


def raises_broker_errors(cls: type[T]) -> type[T]:
    """Class decorator: a Redis error that leaves a public method becomes BrokerError."""
    for name, method in list(vars(cls).items()):
        if not isinstance(method, FunctionType) or name.startswith("_"):
            continue
        if isgeneratorfunction(method):
            setattr(cls, name, _generator(method))
        elif iscoroutinefunction(method):
            setattr(cls, name, _coroutine(method))
        else:
            setattr(cls, name, broker_errors()(method))
    return cls


def _generator(method: Callable[..., Generator[Any, Any, Any]]) -> Callable[..., Any]:
    @functools.wraps(method)
    def generate(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        with broker_errors():
            yield from method(*args, **kwargs)

    return generate


def _coroutine(method: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
    @functools.wraps(method)
    async def call(*args: Any, **kwargs: Any) -> Any:
        with broker_errors():
            return await method(*args, **kwargs)

    return call
