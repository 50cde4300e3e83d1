"""HTTP requests to a server whose certificate is known by its fingerprint, such as a backend on this machine."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from requests import Response

#: What to do if a certificate is not trusted on this machine.
TRUST_ON_THIS_MACHINE = (
    "Set REQUESTS_CA_BUNDLE to a file that contains the certificate, or that of its authority, beside those of the "
    "system"
)


def request(method: str, url: str, *, fingerprint: str = "", **options: Any) -> "Response":
    """Send a request with `requests` and return the response. Raises the errors of `requests.request`.

    With the SHA-256 `fingerprint` (hexadecimal) of a certificate, exactly this certificate is accepted, whatever
    authority has signed it and whatever host name it is for; otherwise certificates are verified as usual. This also
    holds for the server behind a proxy, to which `requests` connects with a pool of its own.
    """
    import requests
    from requests.adapters import HTTPAdapter

    if not fingerprint:
        return requests.request(method, url, **options)  # noqa: S113 (the caller gives it)

    class Pinned(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **pool_options: Any) -> None:
            super().init_poolmanager(*args, **pool_options, assert_fingerprint=fingerprint)

        def proxy_manager_for(self, proxy: str, **pool_options: Any) -> Any:
            return super().proxy_manager_for(proxy, **pool_options, assert_fingerprint=fingerprint)

    with requests.Session() as session:
        session.mount("https://", Pinned())
        return session.request(method, url, verify=False, **options)


def distrust_reason(error: Exception) -> str:
    """Return why the error of a request says that the server's certificate is not trusted; empty for other errors.

    A connection that the server closes during the TLS handshake is such another error, although it has the same class.
    """
    import requests

    if not isinstance(error, requests.exceptions.SSLError):
        return ""
    _, failed, reason = str(error).partition("certificate verify failed: ")
    return reason.partition(" (_ssl.c")[0] if failed else ""


def untrusted(url: str, reason: str) -> str:
    """Return the message about a certificate that is not trusted on this machine, for the `reason` given."""
    return f"The certificate of {url} is not trusted on this machine ({reason})"
