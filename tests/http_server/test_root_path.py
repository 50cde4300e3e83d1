import ipaddress
from pathlib import Path
from urllib.parse import urljoin

import pytest

from helpers import run
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import BackendError
from label_studio_ml.http_server.messages import Call
from label_studio_ml.http_server.root_path import RootPath
from label_studio_ml.monitoring.counters import Counts
from label_studio_ml.web.routes.failure_responses import FailureResponses
from label_studio_ml.web.routes.problem import reference
from label_studio_ml.web.security.login_check import Login
from wire import site

from .proxies import program, proxy

PROXY = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1"))


@pytest.mark.parametrize(
    ("path", "inner"),
    [
        ("/ml/predict", "/predict"),
        ("/predict", "/predict"),
        ("/ml", "/"),
        ("/ml/", "/"),
        ("/mlx/predict", "/mlx/predict"),
        ("/ml/ml/predict", "/ml/predict"),
    ],
)
def test_requests_may_come_with_it_or_without(path: str, inner: str) -> None:
    assert RootPath("/ml").strip(path, "192.0.2.1", {}) == inner
    assert RootPath("", PROXY).strip(path, "127.0.0.1", {"x-forwarded-prefix": "/ml/"}) == inner


@pytest.mark.parametrize(
    ("peer", "trusted"),
    [
        ("127.0.0.1", True),
        ("::ffff:127.0.0.1", True),
        ("::1", True),
        ("10.0.0.1", False),
        ("fe80::1%eth0", False),
        ("", False),
    ],
)
def test_the_header_counts_only_from_a_trusted_proxy(peer: str, trusted: bool) -> None:
    headers = {"x-forwarded-prefix": "/x"}
    assert RootPath("", PROXY).strip("/x/metrics", peer, headers) == ("/metrics" if trusted else "/x/metrics")
    assert RootPath("").strip("/x/metrics", peer, headers) == "/x/metrics"


def test_the_path_is_known_before_the_request_is_admitted() -> None:
    async def test() -> None:
        async with site(root_path=RootPath("/ml")) as it:
            for path in (b"/ml/secret", b"/secret"):
                wire = await it.connect(b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n" % path)
                assert (await wire.answer())[0] == 401
            wire = await it.connect(b"GET http://x/ml/a?b=/ml/c HTTP/1.1\r\nHost: x\r\n\r\n")
            assert (await wire.answer())[0] == 200
            assert it.endpoints.asked == [("GET", "/a", "b=/ml/c", b"")]
            assert it.endpoints.requested_path == "/ml/a"

    run(test())


@pytest.mark.parametrize("path", ["/ml", "/ml/", "/ml/predict", "/ml/versions/promote"])
def test_redirects_stay_below_it(path: str) -> None:
    """They are relative to the path that the client has asked for."""
    inner = RootPath("/ml").strip(path, "", {})
    target = urljoin(f"http://studio{path}", reference(inner, 500, "out of memory", path))
    assert target == "http://studio/ml/problem/500/out-of-memory"


@pytest.mark.parametrize("requested", ["/ml", "/ml/"])
def test_a_failure_of_the_path_itself_redirects_below_it(requested: str, tmp_path: Path) -> None:
    settings = Settings(
        backend_dir=tmp_path, script=tmp_path / "model.py", model_dir=tmp_path, log_dir=tmp_path
    )
    failures = FailureResponses(Counts(), Login(settings))
    call = Call("POST", "/", headers={"user-agent": "heartex/1"}, requested_path=requested)
    location = failures.response(BackendError("out of memory"), call).headers["Location"]
    assert urljoin(f"http://studio{requested}", location).startswith("http://studio/ml/problem/")


def test_a_proxy_that_does_not_set_the_header_passes_on_a_clients_own(tmp_path: Path) -> None:
    """So documentation asks for a proxy that sets it for every request: here a client disguises a path."""
    program("nginx")

    async def test() -> None:
        async with site(root_path=RootPath("", PROXY)) as it, proxy("nginx", it.port, tmp_path) as port:
            it.port = port
            wire = await it.connect(b"GET /x/a HTTP/1.1\r\nHost: x\r\nX-Forwarded-Prefix: /x\r\n\r\n")
            assert (await wire.answer())[0] == 200
            assert it.endpoints.asked == [("GET", "/a", "", b"")]

    run(test())


def test_behind_nginx(tmp_path: Path) -> None:
    program("nginx")

    async def test() -> None:
        header = "proxy_set_header X-Forwarded-Prefix /ml;"
        async with (
            site(root_path=RootPath("", PROXY)) as it,
            proxy("nginx", it.port, tmp_path, header) as port,
        ):
            it.port = port
            wire = await it.connect(b"GET /ml/a HTTP/1.1\r\nHost: x\r\nX-Forwarded-Prefix: /ml/a\r\n\r\n")
            assert (await wire.answer())[0] == 200
            assert it.endpoints.asked == [("GET", "/a", "", b"")]

    run(test())
