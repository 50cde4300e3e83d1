"""HTTP client for a running backend, for `connect` and `doctor`."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from label_studio_ml.config.backend_login import authorization, refused_login_fix
from label_studio_ml.config.settings import DEFAULT_PORT, Settings
from label_studio_ml.connect.addresses import port_in
from label_studio_ml.connect.connection_answer import checked
from label_studio_ml.errors import BackendError
from label_studio_ml.storage.server_address import address, fingerprint
from label_studio_ml.support import pinned_requests
from label_studio_ml.support.server_urls import canonical
from label_studio_ml.support.texts import our_command

_TIMEOUT = 5.0

#: What to do if Label Studio does not trust the backend's certificate.
TRUST_CERTIFICATE = (
    "Start Label Studio with REQUESTS_CA_BUNDLE=FILE, where the file contains the certificate, or that of its "
    "authority, beside those of the system, or give the backend a certificate of a public authority"
)


class BackendDown(BackendError):
    """The backend does not answer, or answers with an error."""

    code = "LSML-E430"


@dataclass(slots=True)
class BackendView:
    """Client for a running backend, which uses the first of `urls` that answers, and the login of the settings."""

    urls: tuple[str, ...]
    settings: Settings

    def authorization(self) -> str:
        """Return the value of the Authorization header for the backend, empty if the backend needs no login."""
        return authorization(self.settings)

    def health(self) -> dict[str, Any]:
        """Return the response of /health. Raises BackendDown."""
        return self._get("/health")

    def ready(self) -> dict[str, Any]:
        """Return the response of /readyz. Raises BackendDown also when the server is not ready (503)."""
        return self._get("/readyz")

    def parts(self) -> dict[str, Any]:
        """Return the response of /readyz, with the state of each part, also when the server is not ready.

        Raises BackendDown.
        """
        return self._ask("GET", "/readyz", timeout=_TIMEOUT, accepted=(200, 503))

    def connection(self, project: int | str | None = None) -> dict[str, Any]:
        """Return the response of /connection, with the backend's record of `project` unless that is None.

        `project` is a uid, or an id, which may be ambiguous. The fields are those of `connection_answer`. Raises
        BackendDown, also if another program answers.
        """
        body = self._get("/connection", {"project": str(project)} if project is not None else {})
        try:
            return checked(body)
        except ValueError as error:
            raise BackendDown(
                f"{self.urls[0]}/connection does not answer as a backend of this package: {str(error)[:200]}",
                fix="Give the address of a backend that label-studio-ml of this release or a later one runs",
                field="--backend-url",
            ) from error

    def predict(self, body: dict[str, Any]) -> dict[str, Any]:
        """Return the response of /predict. Raises BackendDown with the cause that the backend reports."""
        return self._ask("POST", "/predict", json=body, timeout=100.0)

    def _get(self, path: str, params: dict[str, str] | None = None) -> dict[str, Any]:
        return self._ask("GET", path, params=params, timeout=_TIMEOUT)

    def _ask(
        self,
        method: str,
        path: str,
        *,
        timeout: float,
        accepted: Collection[int] = (200,),
        **arguments: Any,
    ) -> dict[str, Any]:
        import requests

        failure: BackendDown | None = None
        headers = {"Authorization": value} if (value := self.authorization()) else {}
        for url in self.urls:
            try:
                response = pinned_requests.request(
                    method,
                    url + path,
                    fingerprint=fingerprint(self.settings.model_dir, url),
                    headers=headers,
                    timeout=timeout,
                    **arguments,
                )
                body = response.json()
            except (requests.RequestException, ValueError) as error:
                failure = failure or self._unanswered(url, error)
                continue
            if response.status_code == 401:
                raise BackendDown(
                    f"The backend at {url} asks for another login",
                    fix=refused_login_fix(self.settings),
                    field="BASIC_AUTH_USER",
                )
            if response.status_code in accepted and isinstance(body, dict):
                self.urls = (url,)  # later calls use the URL that answered
                return body
            if method == "POST" and isinstance(body, dict) and body.get("detail"):
                raise BackendDown(f"{path} answers {response.status_code}: {body['detail']}")
            failure = failure or self._not_up(f"{url}{path} answers {response.status_code}")
        raise failure or self._not_up("it has no address")

    def _unanswered(self, url: str, error: Exception) -> BackendDown:
        """Return the error to raise if the request to `url` failed with `error`."""
        if reason := pinned_requests.distrust_reason(error):
            return BackendDown(
                pinned_requests.untrusted(url, reason), fix=pinned_requests.TRUST_ON_THIS_MACHINE
            )
        return self._not_up(f"no backend answers at {url} ({type(error).__name__})")

    def _not_up(self, reason: str) -> BackendDown:
        return BackendDown(
            f"The backend is not up: {reason}",
            fix=f"Start it with: {our_command('start', self.settings.backend_dir)}",
        )


def certificate_problem(url: str) -> str:
    """Return why the certificate of the https server at `url` is not trusted here; empty if it is, or is not reached.

    It is verified as Label Studio does it: by the authorities of this machine, or those of REQUESTS_CA_BUNDLE.
    """
    import requests

    try:
        requests.get(f"{url}/health", timeout=_TIMEOUT, allow_redirects=False)
    except requests.RequestException as error:
        return pinned_requests.distrust_reason(error)
    return ""


def view(settings: Settings, url: str, port: int) -> BackendView:
    """Return a client for the backend that Label Studio reaches at `url`.

    It tries `url`, then the address that the model folder's running server announced (if that has this `port`), then
    `port` on this machine.
    """
    local_urls = [f"http://127.0.0.1:{port}"]
    if (announced := address(settings.model_dir)) and port_in(announced) == port:
        local_urls.insert(0, announced)
    by_canonical_url = {canonical(each): each for each in (url, *local_urls)}
    if canonical(url) in map(canonical, local_urls):
        by_canonical_url = {canonical(each): each for each in local_urls}
    return BackendView(tuple(by_canonical_url.values()), settings)


def port_of(settings: Settings, requested: int | None) -> int:
    """Return the backend's port on this machine: `requested`, else that of its running server, else DEFAULT_PORT."""
    return requested or port_in(address(settings.model_dir)) or DEFAULT_PORT


def scheme_of(settings: Settings, port: int) -> str:
    """Return `https` if the backend on `port` of this machine answers HTTPS, else `http`."""
    announced = address(settings.model_dir)
    if announced and port_in(announced) == port:
        return announced.partition(":")[0]
    return "https" if settings.http.tls_cert is not None else "http"
