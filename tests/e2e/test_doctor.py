"""`label-studio-ml doctor`: faults planted one at a time between a real Label Studio and a real backend.

After each, what doctor names is mended as its advice says, and the next run finds only the next fault: so the advice
repaired it.
"""

import contextlib
import http.server
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from label_studio_ml.cli.main import main
from label_studio_ml.doctor import server
from redis_server import RedisServer

from .backend import CLI, Backend, clean_environment
from .conftest import MODELS, StartStudio
from .processes import free_port
from .studio import Studio

CONFIG = """<View><Text name="text" value="$text"/><Choices name="choice" toName="text"><Choice value="a"/>
<Choice value="b"/></Choices></View>"""
LOGIN = {"BASIC_AUTH_USER": "me", "BASIC_AUTH_PASS": "CANARY-password"}

#: Seconds that a worker has to start on a busy machine.
LIMIT = 120.0

#: What makes the score column show the predictions of a backend that is chosen by its title.
SCORES = {"ff_front_dev_1682_model_version_dropdown_070622_short": "true"}


@dataclass
class Ward:
    """A backend, its project, and the environment and options that doctor is called with."""

    studio: Studio
    backend: Backend
    project: int
    environ: dict[str, str]
    redis: RedisServer
    options: list[str] = field(default_factory=list)

    def doctor(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
        """Return the checks by name, and see that exit code and output are sound."""
        with monkeypatch.context() as patch:
            for name, value in self.environ.items():
                patch.setenv(name, value)
            patch.setattr(
                server, "WORKER_START", LIMIT
            )  # some faults start the backend again just before this
            capsys.readouterr()
            code = main(["doctor", *self.arguments(), "--json"])
        done = capsys.readouterr()
        assert "CANARY" not in done.out + done.err
        assert self.environ.get("LABEL_STUDIO_API_KEY", "?" * 9) not in done.out + done.err
        checks = {check["name"]: check for check in json.loads(done.out)}
        assert code == int(any(check["status"] == "fail" for check in checks.values()))
        return checks

    def arguments(self) -> list[str]:
        options = {"--url": self.studio.url, "--port": str(self.backend.port), "--project": str(self.project)}
        given = [word for pair in options.items() if pair[0] not in self.options for word in pair]
        return [str(self.backend.folder), *given, *self.options]

    def connect(self) -> None:
        """Run what most advice says."""
        done = subprocess.run(
            [*CLI, "connect", *self.arguments()],
            env=clean_environment(self.environ),
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def change_backend(self, **fields: Any) -> None:
        """Change the backend in Label Studio's own database, as nothing but an older state of things can."""
        entry = self.studio.backend(self.project)
        self.studio.call("PATCH", f"/api/ml/{entry['id']}", json={"project": self.project, **fields})

    def hook(self) -> dict[str, Any]:
        (hook,) = self.studio.webhooks(self.project)
        return hook

    def change_hook(self, **fields: Any) -> None:
        hook = self.hook()
        self.studio.call("PATCH", f"/api/webhooks/{hook['id']}/", json={**hook, **fields})


@pytest.fixture(scope="module")
def ward(start_studio: StartStudio, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ward]:
    folder = tmp_path_factory.mktemp("doctor")
    studio = start_studio(env=SCORES).wait()
    redis = RedisServer(folder / "redis", "--appendonly", "yes").start()
    environ = {**LOGIN, "LABEL_STUDIO_API_KEY": studio.token, "REDIS_URL": redis.url}
    subprocess.run(
        [*CLI, "init", "patient", "--script", str(MODELS / "patient.py")],
        cwd=folder,
        env=clean_environment(),
        capture_output=True,
        check=True,
    )
    backend = Backend(folder / "patient", folder / "patient.log", env={**LOGIN, "REDIS_URL": redis.url})
    backend.start()
    project = studio.create_project("doctor", CONFIG)
    studio.import_tasks(project, [{"text": "one"}])
    found = Ward(studio, backend, project, environ, redis)
    found.connect()
    studio.retrieve_predictions(project)
    yield found
    backend.stop()
    redis.stop()


Plant = Callable[[Ward], contextlib.AbstractContextManager[None]]


@dataclass
class Fault:
    """Something to plant; mended when the `with` block ends. `check` finds it, and its advice has `advice` in it."""

    check: str
    advice: str
    plant: Plant
    status: str = "fail"
    #: Checks that go wrong with it, as they must.
    also: tuple[str, ...] = ()


FAULTS: dict[str, Fault] = {}


def fault(
    check: str, advice: str, status: str = "fail", also: tuple[str, ...] = ()
) -> Callable[[Callable[[Ward], Iterator[None]]], None]:
    def register(function: Callable[[Ward], Iterator[None]]) -> None:
        FAULTS[function.__name__] = Fault(check, advice, contextlib.contextmanager(function), status, also)

    return register


@fault("model file", "Correct")
def model_file_with_a_mistake(ward: Ward) -> Iterator[None]:
    file = ward.backend.folder / "patient.py"
    text = file.read_text()
    file.write_text(text + "\nimport no_such_module\n")
    yield
    file.write_text(text)


@fault("label config", "Change the project's label config", also=("prediction", "backend"))
def label_config_for_another_class(ward: Ward) -> Iterator[None]:
    config = CONFIG.replace('name="choice"', 'name="sentiment"')
    other = ward.studio.create_project("other config", config)
    first, ward.project = ward.project, other
    ward.studio.import_tasks(other, [{"text": "one"}])
    yield
    ward.project = first


class Quiet(http.server.SimpleHTTPRequestHandler):
    """A server of something else."""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass


@fault("server", "Run: label-studio-ml start", also=("backend",))
def backend_that_is_down(ward: Ward) -> Iterator[None]:
    ward.backend.stop()
    yield
    ward.backend.start()


@fault("server", "Leave out --port", also=("backend",))
def port_that_something_else_has(ward: Ward) -> Iterator[None]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    ward.options = ["--port", str(server.server_address[1])]
    yield
    ward.options = []
    server.shutdown()
    server.server_close()


@fault("server", "BASIC_AUTH_PASS")
def other_login_here_than_at_the_backend(ward: Ward) -> Iterator[None]:
    ward.environ["BASIC_AUTH_PASS"] = "another"
    yield
    ward.environ["BASIC_AUTH_PASS"] = LOGIN["BASIC_AUTH_PASS"]


@fault("label studio", "Does Label Studio run there?")
def label_studio_that_does_not_answer(ward: Ward) -> Iterator[None]:
    ward.options = ["--url", f"http://localhost:{free_port()}"]
    yield
    ward.options = []


@fault("token", "Correct --url")
def address_of_something_else(ward: Ward) -> Iterator[None]:
    ward.options = ["--url", f"{ward.studio.url}/wrong/path"]
    yield
    ward.options = []


@fault("token", "No user of this Label Studio has this legacy token")
def wrong_token(ward: Ward) -> Iterator[None]:
    ward.environ["LABEL_STUDIO_API_KEY"] = "f" * 40
    yield
    ward.environ["LABEL_STUDIO_API_KEY"] = ward.studio.token


def switch_legacy_tokens(ward: Ward, personal: str, *, on: bool) -> None:
    """Switch the legacy tokens of the organization on or off, with a personal access token."""
    from label_studio_ml.studio.transport.api_client import ApiClient
    from label_studio_ml.studio.transport.http import Http

    api = ApiClient(Http(ward.studio.url, personal))
    settings = {"api_tokens_enabled": True, "api_token_ttl_days": 1000, "legacy_api_tokens_enabled": on}
    api.call("POST", "/api/jwt/settings", json=settings)
    api.close()


@fault("token", "Legacy tokens are switched off")
def legacy_tokens_switched_off(ward: Ward) -> Iterator[None]:
    personal = str(ward.studio.call("POST", "/api/token/")["token"])
    switch_legacy_tokens(ward, personal, on=False)
    yield
    # As advised: a personal access token. It switches the old ones on again for the other faults.
    switch_legacy_tokens(ward, personal, on=True)
    ward.environ["LABEL_STUDIO_API_KEY"] = personal


@fault("annotations", "a personal access token from", status="warn")
def trainings_whose_token_of_setup_is_refused(ward: Ward) -> Iterator[None]:
    personal = ward.environ["LABEL_STUDIO_API_KEY"]
    switch_legacy_tokens(ward, personal, on=False)
    yield
    ward.backend.env |= {"LABEL_STUDIO_URL": ward.studio.url, "LABEL_STUDIO_API_KEY": personal}
    ward.backend.stop()
    ward.backend.start()
    switch_legacy_tokens(ward, personal, on=True)


@fault("project", "Correct --project")
def project_that_is_not_there(ward: Ward) -> Iterator[None]:
    ward.options = ["--project", "999999"]
    yield
    ward.options = []


@fault("backend", "Run: label-studio-ml connect")
def backend_that_is_not_in_the_project(ward: Ward) -> Iterator[None]:
    ward.studio.call("DELETE", f"/api/ml/{ward.studio.backend(ward.project)['id']}")
    yield
    ward.connect()


@fault("backend", "Run: label-studio-ml connect", also=("webhook", "events"))
def backend_that_has_moved(ward: Ward) -> Iterator[None]:
    ward.backend.stop()
    ward.backend.port = free_port()
    ward.backend.url = f"http://localhost:{ward.backend.port}"
    ward.backend.start()
    yield
    ward.connect()


@fault("backend", "Remove 'first'")
def another_backend_that_comes_first(ward: Ward) -> Iterator[None]:
    mine = ward.studio.backend(ward.project)
    ward.studio.call("DELETE", f"/api/ml/{mine['id']}")
    other = Backend(ward.backend.folder, ward.backend.log.with_name("other.log"), env={"MODEL_DIR": "other"})
    other.start()
    first = ward.studio.add_backend(ward.project, other.url, "first")
    (hook,) = [one for one in ward.studio.webhooks(ward.project) if one["url"].startswith(other.url)]
    ward.studio.call("DELETE", f"/api/webhooks/{hook['id']}/")
    ward.connect()
    yield
    ward.studio.call("DELETE", f"/api/ml/{first}")
    other.stop()
    ward.connect()  # which chooses the backend for pre-labeling again


@fault("webhook", "Run: label-studio-ml connect", also=("events",))
def webhook_that_is_not_there(ward: Ward) -> Iterator[None]:
    ward.studio.call("DELETE", f"/api/webhooks/{ward.hook()['id']}/")
    yield
    ward.connect()


@fault("webhook", "Run: label-studio-ml connect", also=("events",))
def webhook_without_login(ward: Ward) -> Iterator[None]:
    ward.change_hook(headers={})
    yield
    ward.connect()


@fault("webhook", "Run: label-studio-ml connect", also=("events",))
def webhook_that_is_switched_off(ward: Ward) -> Iterator[None]:
    ward.change_hook(is_active=False)
    yield
    ward.connect()


@fault("webhook", "Run: label-studio-ml connect")
def webhook_that_leaves_events_out(ward: Ward) -> Iterator[None]:
    ward.change_hook(actions=["PROJECT_UPDATED"])
    yield
    ward.connect()


@fault("pre-labeling", "Run: label-studio-ml connect", status="warn")
def predictions_that_do_not_show(ward: Ward) -> Iterator[None]:
    ward.studio.call("PATCH", f"/api/projects/{ward.project}/", json={"model_version": ""})
    yield
    ward.connect()


@fault("files", "FILES_ALLOW_PRIVATE=127.0.0.1")
def task_file_at_a_private_address(ward: Ward) -> Iterator[None]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Quiet)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    first = ward.project
    (task,) = ward.studio.tasks(first)
    data = {"text": f"http://127.0.0.1:{server.server_address[1]}/"}
    ward.studio.call("PATCH", f"/api/tasks/{task['id']}/", json={"data": data})
    yield
    ward.environ["FILES_ALLOW_PRIVATE"] = "127.0.0.1"


@fault("prediction", "self.parsed_label_config", also=("invalid predictions",))
def prediction_for_a_tag_that_is_not_there(ward: Ward) -> Iterator[None]:
    (ward.backend.folder / "wrong-name").touch()
    yield
    (ward.backend.folder / "wrong-name").unlink()
    ward.backend.stop()  # it remembers them for as long as it runs
    ward.backend.start()


@fault("prediction", "logs/server.log")
def model_that_fails(ward: Ward) -> Iterator[None]:
    (ward.backend.folder / "fails").touch()
    yield
    (ward.backend.folder / "fails").unlink()


@fault("redis", "appendonly yes, maxmemory-policy noeviction", status="warn")
def redis_that_forgets(ward: Ward) -> Iterator[None]:
    settings = {"appendonly": "no", "maxmemory": "100mb", "maxmemory-policy": "allkeys-lru"}
    ward.redis.client().config_set("appendonly", "no")
    for name, value in settings.items():
        ward.redis.client().config_set(name, value)
    yield
    ward.redis.client().config_set("maxmemory-policy", "noeviction")
    ward.redis.client().config_set("appendonly", "yes")


@fault("disk", "MODEL_DIR", also=("settings", "webhook", "files"))
def model_folder_that_cannot_be_written(ward: Ward) -> Iterator[None]:
    (ward.backend.folder / "a file").touch()
    ward.environ["MODEL_DIR"] = "a file"
    yield
    del ward.environ["MODEL_DIR"]


def _wrong(checks: dict[str, Any]) -> dict[str, str]:
    return {name: check["status"] for name, check in checks.items() if check["status"] in {"fail", "warn"}}


@pytest.mark.usefixtures("clean_env")
def test_each_fault_is_found_and_its_advice_mends_it(
    ward: Ward, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(FAULTS) >= 15
    healthy = ward.doctor(monkeypatch, capsys)
    assert _wrong(healthy) == {}, healthy
    assert {check["status"] for check in healthy.values()} == {"ok"}, healthy
    problems: list[tuple[Any, ...]] = []
    for name, planted in FAULTS.items():
        with planted.plant(ward):
            checks = ward.doctor(monkeypatch, capsys)
        found = checks[planted.check]
        if found["status"] != planted.status or planted.advice not in found["fix"]:
            problems.append((name, "not found", found, _wrong(checks)))
        for other in _wrong(checks).keys() - {planted.check, *planted.also}:
            problems.append((name, "found beside it", checks[other]))
    assert problems == [], json.dumps(problems, indent=1)
    assert _wrong(ward.doctor(monkeypatch, capsys)) == {}


@pytest.mark.usefixtures("clean_env")
def test_table(ward: Ward, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name, value in ward.environ.items():
        monkeypatch.setenv(name, value)
    assert main(["doctor", *ward.arguments()]) == 0
    text = capsys.readouterr().out
    assert "model file" in text
    assert "\x1b" not in text
    assert text.rstrip().endswith("ok")


@pytest.mark.usefixtures("clean_env")
def test_private_addresses_that_label_studio_blocks(
    start_studio: StartStudio, ward: Ward, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    studio = start_studio(env={"ML_BLOCK_LOCAL_IP": "true", "SSRF_PROTECTION_ENABLED": "true"}).wait()
    project = studio.create_project("blocked", CONFIG)
    blocked = Ward(
        studio, ward.backend, project, {**ward.environ, "LABEL_STUDIO_API_KEY": studio.token}, ward.redis
    )
    (task,) = studio.import_tasks(project, [{"text": "one"}])
    prediction = {"task": task, "result": [], "score": 0.5, "model_version": "v1"}
    studio.call("POST", "/api/predictions/", json=prediction)
    checks = blocked.doctor(monkeypatch, capsys)
    assert checks["address"]["status"] == "fail"
    assert "ML_BLOCK_LOCAL_IP=false and SSRF_PROTECTION_ENABLED=false" in checks["address"]["fix"]
    assert studio.get_backends(project) == []
    assert studio.webhooks(project) == []

    # Label Studio's own default: the score column goes by the project's model version.
    assert checks["scores"]["status"] == "warn"
    assert "choose version v1" in checks["scores"]["fix"]
    studio.call("PATCH", f"/api/projects/{project}/", json={"model_version": "v1"})
    assert blocked.doctor(monkeypatch, capsys)["scores"]["status"] == "ok"
