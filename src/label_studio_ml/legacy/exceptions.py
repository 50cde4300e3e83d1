"""Responses and errors for Flask views in users' own `_wsgi.py` files.

A client gets type and text of an error in one line. The traceback is only logged, for the backend's operator.
"""

import functools
import json
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ParamSpec

if TYPE_CHECKING:
    from flask import Response

logger = logging.getLogger(__name__)

P = ParamSpec("P")


def answer(status: int = 0, msg: str = "", result: Any = None) -> "Response":
    """Return a JSON response `{"status", "detail", "request", "result"?}` with HTTP status `status`.

    `request` holds the query parameters of the current Flask request, `{}` outside of a request. Without arguments,
    the status is 500 and the detail "nothing happened".
    """
    from flask import Response, has_request_context, request

    if not status:
        status, msg = 500, msg or "nothing happened"
    body: dict[str, Any] = {
        "status": status,
        "detail": msg or ("ok" if status == 200 else ""),
        "request": request.args.to_dict() if has_request_context() else {},
    }
    if result is not None:
        body["result"] = result
    return Response(json.dumps(body, default=str), status=status, mimetype="application/json")


class AnswerException(Exception):
    """Raised in a view to send a response; the arguments are those of `answer`."""

    def __init__(self, status: int, msg: str = "", result: Any = None) -> None:
        super().__init__(msg)
        self.status = status
        self.msg = msg
        self.result = result

    @property
    def answer(self) -> "Response":
        """The response that is sent to the client."""
        return answer(self.status, self.msg, self.result)


def exception_handler(view: Callable[P, Any]) -> Callable[P, Any]:
    """Wrap a view: AnswerException becomes its response, any other exception a response with status 500."""

    @functools.wraps(view)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> Any:
        try:
            return view(*args, **kwargs)
        except AnswerException as error:
            logger.exception("%s answered with %s", view.__name__, error.status)
            return error.answer
        except Exception as error:
            logger.exception("%s failed", view.__name__)
            return answer(500, f"{type(error).__name__}: {' '.join(str(error).split())}")

    return wrapped
