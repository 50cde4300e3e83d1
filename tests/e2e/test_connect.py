"""`label-studio-ml connect` between a real Label Studio and a real backend."""

import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import requests

from .backend import CLI, Backend, clean_environment
from .conftest import MakeBackend, StartStudio
from .processes import free_port, wait_until
from .studio import Studio, choice

CONFIG = """<View><Text name="text" value="$text"/><Choices name="choice" toName="text"><Choice value="a"/>
<Choice value="b"/></Choices></View>"""
LOGIN = {"BASIC_AUTH_USER": "me", "BASIC_AUTH_PASS": "CANARY-password"}


def _connect(
    backend: Backend,
    studio: Studio,
    project: int,
    *arguments: str,
    env: dict[str, str] | None = None,
    token: str | None = None,
) -> "subprocess.CompletedProcess[str]":
    given = {"LABEL_STUDIO_API_KEY": studio.token if token is None else token, **(env or {})}
    options = ["--url", studio.url, "--project", str(project), "--port", str(backend.port)]
    return subprocess.run(
        [*CLI, "connect", backend.folder.name, *options, *arguments],
        cwd=backend.folder.parent,
        env=clean_environment({name: value for name, value in given.items() if value}),
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )


@pytest.fixture
def project(label_studio: Studio) -> int:
    number = label_studio.create_project("connect", CONFIG)
    label_studio.import_tasks(number, [{"text": "one"}, {"text": "two"}])
    return number


def _hook(studio: Studio, project: int) -> dict[str, Any]:
    (hook,) = studio.webhooks(project)
    return hook


def test_connect_and_again(label_studio: Studio, make_backend: MakeBackend, project: int) -> None:
    backend = make_backend("seed_class.py", env=LOGIN)
    done = _connect(backend, label_studio, project, "--title", "words", env=LOGIN)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Test prediction through Label Studio: 1 region," in done.stdout
    assert "Test event from Label Studio: arrived" in done.stdout
    assert "CANARY" not in done.stdout + done.stderr
    assert label_studio.token not in done.stdout + done.stderr

    made = label_studio.backend(project)
    assert made["url"] == backend.url
    assert made["title"] == "words"
    assert made["auth_method"] == "BASIC_AUTH"
    assert made["state"] == "CO"
    assert label_studio.project(project)["model_version"] == "words"
    hook = _hook(label_studio, project)
    assert hook["url"] == f"{backend.url}/webhook"
    assert hook["headers"]["Authorization"].startswith("Basic ")
    assert not hook["send_for_all_actions"]
    assert set(hook["actions"]) == {
        "ANNOTATION_CREATED",
        "ANNOTATIONS_CREATED",
        "ANNOTATION_UPDATED",
        "ANNOTATIONS_DELETED",
        "TASKS_DELETED",
        "PROJECT_UPDATED",
    }

    again = _connect(backend, label_studio, project, "--interactive", env=LOGIN)
    assert again.returncode == 0, again.stdout + again.stderr
    assert "/webhook: unchanged, " in again.stdout
    assert {**label_studio.backend(project), "updated_at": 0} == {
        **made,
        "updated_at": 0,
        "is_interactive": True,
    }
    assert _hook(label_studio, project)["id"] == hook["id"]

    # One annotation, one event: with two webhooks there would be two.
    (task, *_) = label_studio.tasks(project)
    label_studio.annotate(task["id"], choice("b"))
    log = backend.folder / "seen.jsonl"
    wait_until(lambda: log.exists() and log.read_text(), "the backend trains")
    assert len(log.read_text().splitlines()) == 1
    heard = requests.get(
        f"{backend.url}/connection?project={project}", auth=("me", LOGIN["BASIC_AUTH_PASS"]), timeout=60
    )
    assert heard.json()["project"]["heard"]["ANNOTATION_CREATED"]["authorized"]


def test_moved_backend(label_studio: Studio, make_backend: MakeBackend, project: int) -> None:
    """The backend answers at another port: it is changed in place, and its old webhook goes."""
    backend = make_backend("seed_class.py")
    assert _connect(backend, label_studio, project).returncode == 0
    stranger = {"project": project, "url": "http://localhost:1/webhook", "actions": ["TASKS_CREATED"]}
    label_studio.call("POST", "/api/webhooks/", json=stranger)
    before = label_studio.backend(project)
    backend.stop()
    backend.port = free_port()
    backend.url = f"http://localhost:{backend.port}"
    backend.start()
    done = _connect(backend, label_studio, project, "--no-prelabel")
    assert done.returncode == 0, done.stdout + done.stderr
    after = label_studio.backend(project)
    assert (after["id"], after["url"]) == (before["id"], backend.url)
    assert {hook["url"] for hook in label_studio.webhooks(project)} == {
        "http://localhost:1/webhook",
        f"{backend.url}/webhook",
    }
    assert label_studio.project(project)["model_version"] == ""


def test_backend_that_was_added_by_hand(
    label_studio: Studio, make_backend: MakeBackend, project: int, tmp_path: Path
) -> None:
    """Its webhook of all events without login becomes the right one."""
    backend = make_backend("seed_class.py", env=LOGIN)
    by_hand = backend.url.replace("localhost", "127.0.0.1")
    added = label_studio.add_backend(project, by_hand, "by hand", basic_auth=("me", LOGIN["BASIC_AUTH_PASS"]))
    assert _hook(label_studio, project)["send_for_all_actions"]
    (tmp_path / "key").write_text(f"{label_studio.token}\n")
    done = _connect(
        backend, label_studio, project, "--api-key-file", str(tmp_path / "key"), env=LOGIN, token=""
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert label_studio.backend(project)["id"] == added
    assert label_studio.backend(project)["title"] == "by hand"
    hook = _hook(label_studio, project)
    assert hook["headers"]["Authorization"].startswith("Basic ")
    assert not hook["send_for_all_actions"]
    assert label_studio.project(project)["model_version"] == "by hand"


_OTHER = {"BASIC_AUTH_USER": "me", "BASIC_AUTH_PASS": "other"}
_NO_FILE = {
    **dict.fromkeys(LOGIN, ""),
    "TOKENS_FILE": "/none/tokens",
    "LABEL_STUDIO_ML_TOKEN": "lsml_of_another_file",
}

#: Arguments, environment, token, and what is said.
WRONG: list[tuple[list[str], dict[str, str], str | None, str]] = [
    (["--api-key", "f" * 40], {}, "", "No user of this Label Studio has this legacy token"),
    ([], {}, "", "Give --api-key-file or set LABEL_STUDIO_API_KEY"),
    (["--project", "999999"], {}, None, "404 at"),
    (["--backend-url", "ftp://x"], {}, None, "is not an http(s) address"),
    (["--backend-url", "http://localhost:9"], {}, None, "Label Studio cannot reach the backend"),
    ([], _OTHER, None, "asks for another login"),
    ([], _NO_FILE, None, "the same settings: TOKENS_FILE: there is no file /none/tokens. Make it with"),
    (["--url", "http://localhost:9"], {}, None, "cannot be reached"),
]


def test_what_is_wrong_is_said(label_studio: Studio, make_backend: MakeBackend, project: int) -> None:
    backend = make_backend("dummy.py", env=LOGIN)
    for arguments, env, token, says in WRONG:
        done = _connect(backend, label_studio, project, *arguments, env={**LOGIN, **env}, token=token)
        assert done.returncode == 1, done.stdout + done.stderr
        assert says in done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        assert "f" * 40 not in done.stdout + done.stderr
        assert ("see --api-key" in done.stderr) == ("--api-key" in arguments)
    assert label_studio.get_backends(project) == []
    assert label_studio.webhooks(project) == []


def test_label_studio_that_refuses_private_addresses(
    start_studio: StartStudio, make_backend: MakeBackend
) -> None:
    studio = start_studio(env={"ML_BLOCK_LOCAL_IP": "true", "SSRF_PROTECTION_ENABLED": "true"}).wait()
    project = studio.create_project("blocked", CONFIG)
    done = _connect(make_backend("dummy.py"), studio, project)
    assert done.returncode == 1
    assert "ML_BLOCK_LOCAL_IP=false and SSRF_PROTECTION_ENABLED=false" in done.stdout


def test_backend_that_is_down(label_studio: Studio, make_backend: MakeBackend, project: int) -> None:
    backend = make_backend("dummy.py")
    backend.stop()
    done = _connect(backend, label_studio, project)
    assert done.returncode == 1
    assert f"Start it with: label-studio-ml start {shlex.quote(str(backend.folder))}" in done.stdout


def test_model_that_fails(label_studio: Studio, make_backend: MakeBackend, project: int) -> None:
    """Label Studio does not say why a prediction failed: the backend is asked."""
    backend = make_backend("patient.py")
    (backend.folder / "fails").touch()
    done = _connect(backend, label_studio, project)
    assert done.returncode == 1
    assert "the model fails as it was told" in done.stdout
