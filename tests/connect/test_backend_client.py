"""Whether the certificate of a backend is trusted, as Label Studio verifies it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from certificates import Certificate, https_server, make
from label_studio_ml.config.settings import Settings
from label_studio_ml.connect.backend_client import BackendDown, BackendView, certificate_problem


@pytest.fixture
def certificate(tmp_path: Path) -> Certificate:
    return make(tmp_path / "tls")


@pytest.fixture
def url(certificate: Certificate, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)
    with https_server(certificate) as url:
        yield url


def test_a_certificate_that_nobody_vouches_for(
    url: str, certificate: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert certificate_problem(url) == "self-signed certificate"
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.certificate))
    assert certificate_problem(url) == ""


def test_a_server_that_is_not_reached_has_no_problem() -> None:
    assert certificate_problem("https://localhost:1") == ""


def test_an_untrusted_certificate_is_not_reported_as_a_backend_that_is_down(url: str, tmp_path: Path) -> None:
    settings = Settings(backend_dir=tmp_path, model_dir=tmp_path)
    with pytest.raises(BackendDown) as raised:
        BackendView((url, "http://localhost:1"), settings).health()
    trust = f"The certificate of {url} is not trusted on this machine (self-signed certificate)"
    assert raised.value.message == trust
    assert "REQUESTS_CA_BUNDLE" in raised.value.fix
    with pytest.raises(
        BackendDown, match=r"not up: no backend answers at http://localhost:1 .*Start it with"
    ):
        BackendView(("http://localhost:1", url), settings).health()
