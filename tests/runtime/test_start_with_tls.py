"""A backend that answers HTTPS with a self-made certificate, and the commands that reach it."""

import asyncio
import subprocess
from pathlib import Path

import pytest
import requests

from certificates import make
from e2e.backend import CLI, clean_environment
from e2e.processes import Program, free_port, wait_until
from label_studio_ml.config.settings import Settings
from label_studio_ml.connect.backend_client import BackendDown, BackendView, scheme_of, view
from label_studio_ml.projects.running_backend import BackendGone, BackendSource
from label_studio_ml.storage.server_address import address, fingerprint
from label_studio_ml.versions.state.project_state import Project
from live import CONFIG


def test_commands_accept_its_certificate_and_no_other(tmp_path: Path) -> None:
    files = make(tmp_path / "tls")
    environment = clean_environment()
    subprocess.run([*CLI, "init", "made"], cwd=tmp_path, env=environment, check=True, capture_output=True)
    port = free_port()
    tls = ["--tls-cert", str(files.certificate), "--tls-key", str(files.key)]
    command = [*CLI, "start", "made", "--host", "127.0.0.1", "--port", str(port), *tls]
    program = Program(command, cwd=tmp_path, env=environment, log=tmp_path / "start.log")
    model_dir = tmp_path / "made" / "data"
    settings = Settings(backend_dir=tmp_path / "made", model_dir=model_dir)
    url = f"https://127.0.0.1:{port}"
    try:
        wait_until(lambda: address(model_dir) == url or not program.running, "it serves")
        assert program.running, program.output()
        assert scheme_of(settings, port) == "https"
        assert view(settings, f"https://localhost:{port}", port).health()["status"] == "UP"
        # Not by its file alone: it is not for 127.0.0.1.
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(f"{url}/health", timeout=60, verify=str(files.certificate))
        assert requests.get(f"https://localhost:{port}/health", timeout=60, verify=str(files.certificate)).ok
        project = Project(uid="1.1", label_config=CONFIG)
        known = fingerprint(model_dir, url)
        assert asyncio.run(BackendSource(url, project, fingerprint=known).start())
        with pytest.raises(BackendGone):
            asyncio.run(BackendSource(url, project, fingerprint="00" * 32).start())
        elsewhere = Settings(backend_dir=tmp_path, model_dir=tmp_path / "elsewhere")
        with pytest.raises(BackendDown):
            BackendView((url,), elsewhere).health()
        doctor = subprocess.run(
            [*CLI, "doctor", "made"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert f"on port {port}, label-studio-ml" in doctor.stdout
        assert f"on {url}" in program.output()
    finally:
        assert program.stop() == []


def test_a_certificate_that_cannot_be_used_is_said_at_the_start(tmp_path: Path) -> None:
    environment = clean_environment({"TLS_KEY": "key.pem"})
    subprocess.run([*CLI, "init", "made"], cwd=tmp_path, env=environment, check=True, capture_output=True)

    def start(*options: str) -> str:
        command = [*CLI, "start", "made", *options]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 1, done.stderr
        return done.stderr

    assert "TLS_KEY is set but TLS_CERT is not" in start()
    assert "TLS_CERT: none.pem cannot be read" in start("--tls-cert", "none.pem")
