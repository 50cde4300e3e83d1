"""HTTP requests to a server whose certificate is known by its fingerprint, such as a backend on this machine."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from requests import Response


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
