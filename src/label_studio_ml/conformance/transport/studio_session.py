"""Session of `requests` that behaves as Label Studio's, with limits where that one reads or waits without any."""

import time
from typing import TYPE_CHECKING, Any

import requests
from requests.adapters import HTTPAdapter
from requests.exceptions import ChunkedEncodingError, ContentDecodingError
from urllib3.util import Retry

from label_studio_ml.conformance.transport.bounded_call import MAX_BYTES, read_body

if TYPE_CHECKING:
    from urllib3.response import BaseHTTPResponse

#: The longest wait in seconds that an answer may ask for by Retry-After, and is waited for.
_LONGEST_WAIT = 3.0


class LongWait(Exception):
    """An answer to a GET asks by Retry-After for a wait that is too long. The text is the answer, with the wait."""


class _Retries(Retry):
    """The retries of Label Studio's client, which waits as long as Retry-After says."""

    def sleep_for_retry(self, response: "BaseHTTPResponse") -> bool:
        """Wait before the next try. Raises LongWait."""
        wait = self.get_retry_after(response)
        if wait is not None and wait > _LONGEST_WAIT:
            raise LongWait(f"{response.status} {response.reason or ''} with Retry-After: {wait:.0f} s")
        return super().sleep_for_retry(response)


class StudioSession(requests.Session):
    """A session that tries `retries` times again, and gives up the body of a redirect `seconds` after its beginning.

    `targets` are the addresses of the redirects so far, as the server wrote them.
    """

    def __init__(self, retries: int, seconds: float, max_bytes: int = MAX_BYTES) -> None:
        super().__init__()
        self.targets: list[str] = []
        self._deadline, self._max_bytes = time.monotonic() + seconds, max_bytes
        if retries:
            for scheme in ("http://", "https://"):
                self.mount(scheme, HTTPAdapter(max_retries=_Retries(retries)))

    def get_redirect_target(self, resp: Any) -> str | None:
        """Return the address that a response redirects to, None for another response. Raises Endless.

        `requests` reads the whole body of a redirect, whatever its size.
        """
        target = super().get_redirect_target(resp)
        if target is not None:
            self.targets.append(target)
            try:
                resp._content = read_body(resp, self._deadline, self._max_bytes)
            except (ChunkedEncodingError, ContentDecodingError):
                resp.close()
                resp._content = b""
        return target
