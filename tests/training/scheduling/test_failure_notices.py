"""What the server says of trainings that fail: in its terminal and in its log, once, with the command for more."""

import logging
import shlex
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from e2e.backend import CLI
from e2e.processes import wait_until
from label_studio_ml.config.settings import Settings
from label_studio_ml.studio.transport.api_tokens import Token
from label_studio_ml.training.records.job_record import JobFailure
from label_studio_ml.training.scheduling import failure_notices
from label_studio_ml.training.scheduling.failure_notices import Notice, Notices, read_notice
from live import Live, created, start_training
from studio.fake import Reply

Launch = Callable[..., Live]


def said_by(folder: Path, stopping: bool = False) -> tuple[Notices, list[str]]:
    said: list[str] = []
    event = threading.Event()
    if stopping:
        event.set()
    return Notices(Settings(backend_dir=folder), event, lambda text, level: said.append(text)), said


def test_a_failed_job_is_one_line_with_a_command_that_can_be_pasted() -> None:
    notice, said = said_by(Path("/my backends/be"))
    notice.failed(JobFailure("7.1767225600", "20261128-1", "ValueError: no\nlabels " + "x" * 1000))
    (line,) = said
    assert line.startswith("Project 7: training job 20261128-1 failed: ValueError: no labels xxx")
    assert line.endswith("label-studio-ml jobs '/my backends/be' --follow 20261128-1")
    assert len(line) < 600
    assert "\n" not in line


def test_a_notice_names_the_code_and_tells_an_interrupted_job_from_a_failed_one() -> None:
    notice, said = said_by(Path("/be"))
    notice.failed(JobFailure("7", "1", "it crashed", "LSML-E650", is_interrupted=True))
    (line,) = said
    assert line == (
        "Project 7: training job 1 was interrupted, and a later job tries again: it crashed | "
        "More: label-studio-ml explain LSML-E650 | See its log: label-studio-ml jobs /be --follow 1"
    )


def test_a_refused_token_is_said_once_until_it_is_taken_again() -> None:
    notice, said = said_by(Path("/be"))
    for job in ("1", "2", "3"):
        notice.login("7", job, "Label Studio refused the token: 401", trained=False)
        notice.failed(
            JobFailure("7", job, "The annotations cannot be read: Label Studio refused the token: 401")
        )
    notice.login("8", "4", "Label Studio refused the token: 401", trained=False)
    assert [line.partition(" |")[0] for line in said] == [
        "Project 7: job 1: Label Studio refused the token: 401",
        "Project 8: job 4: Label Studio refused the token: 401",
    ]
    notice.login("7", "5", "", trained=False)
    notice.failed(JobFailure("7", "5", "no memory"))
    notice.login("7", "6", "Label Studio refused the token: 401", trained=False)
    assert [line.partition(" |")[0] for line in said[2:]] == [
        "Project 7: training job 5 failed: no memory",
        "Project 7: job 6: Label Studio refused the token: 401",
    ]


@pytest.mark.parametrize(("trained", "level"), [(True, logging.WARNING), (False, logging.ERROR)])
def test_a_refused_token_is_a_warning_where_the_run_has_trained(trained: bool, level: int) -> None:
    said: list[int] = []
    notice = Notices(
        Settings(backend_dir=Path("/be")), threading.Event(), lambda text, level: said.append(level)
    )
    notice.login("7", "1", "only annotations from webhooks are trained on", trained)
    assert said == [level]


def test_a_run_that_crashes_after_one_whose_token_was_refused_is_said() -> None:
    notice, said = said_by(Path("/be"))
    notice.login("7", "1", "Label Studio refused the token: 401", trained=False)
    notice.failed(JobFailure("7", "2", "the training process was killed by SIGKILL"))
    assert [line.partition(" |")[0] for line in said[1:]] == [
        "Project 7: training job 2 failed: the training process was killed by SIGKILL"
    ]


def test_what_to_do_about_a_refused_token_is_said_whole() -> None:
    notice, said = said_by(Path("/be"))
    refused = (
        "only annotations from webhooks are trained on, because Label Studio refused the token: 401 at "
        "http://label-studio.example:8080/api/projects/1234/ (Authentication token no longer valid: legacy token "
        "authentication has been disabled for this organization). "
    ) + Token("0123456789abcdef0123456789abcdef01234567").advice("legacy … disabled")
    notice.login("7.1767225600", "20261128-135030-8a5454", refused, trained=False)
    assert "set LABEL_STUDIO_API_KEY to a personal access token, to be made in" in said[0]
    assert "account settings | See its log: label-studio-ml jobs /be --follow" in said[0]


def test_a_long_notice_reaches_the_server_whole(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    text = "é" * 600
    failure_notices.send_notice(text)
    assert read_notice(capfdbinary.readouterr().out) == Notice(text)


def test_what_ends_with_the_worker_is_no_news() -> None:
    notice, said = said_by(Path("/be"), stopping=True)
    notice.failed(JobFailure("7", "1", "the worker was stopped"))
    assert said == []


def test_a_notice_is_one_line_of_the_workers_output(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    failure_notices.send_notice("Zürich\nis down", logging.WARNING)
    line = capfdbinary.readouterr().out
    assert read_notice(line) == Notice("Zürich\nis down", logging.WARNING)
    assert line.count(b"\n") == 1
    assert read_notice(b"[12:00] an ordinary line\n") is None
    assert read_notice(failure_notices.PREFIX + b"{\n") is None


def told(live: Live) -> list[str]:
    """Return the lines that both the terminal and the log have of trainings."""
    log = (live.folder / "logs" / "server.log").read_text()
    lines = [line for line in live.backend.output().splitlines() if " --follow " in line]
    return [line for line in lines if line in log]


def test_it_is_in_the_terminal_of_start_and_in_its_log(launch: Launch) -> None:
    live = launch()
    live.studio.add(1, 11)
    live.setup(1)
    live.control(1).do("raise")
    job = live.send(start_training(1))
    assert live.wait(job)["job_status"] == "failed"
    wait_until(lambda: told(live), "it is said")
    (line,) = told(live)
    assert "ERROR" in line
    assert f"Project 1: training job {job} failed: ValueError: this fit was told to fail" in line
    command = line.partition("See its log: ")[2]
    words = shlex.split(command)
    assert words[:2] == ["label-studio-ml", "jobs"]
    done = subprocess.run(
        [*CLI, *words[1:]],
        env=live.backend.env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "this fit was told to fail" in done.stdout + done.stderr
    assert "Traceback" in done.stdout
    assert "notice" not in (live.folder / "logs" / "rq.log").read_text(), "the worker's own words are there"


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (401, "Label Studio refused the token: 401"),
        pytest.param(404, "404 at ", marks=pytest.mark.soak),
        pytest.param(503, "503 at ", marks=pytest.mark.soak),
    ],
)
def test_a_training_without_label_studios_annotations_is_said_once(
    launch: Launch, status: int, why: str
) -> None:
    """What webhooks brought may be one of a thousand tasks."""
    live = launch()
    live.studio.add(1, 11)
    live.setup(1)
    live.studio.on("/api/tasks/", Reply.of({"detail": "Invalid token."}, status))
    for number in (11, 12):
        live.wait(live.send(created(1, number)))
    wait_until(lambda: told(live), "it is said")
    (line,) = told(live)
    assert "WARNING" in line
    assert "Project 1: job " in line
    assert "only annotations from webhooks are trained on, because " in line
    assert why in line
    live.studio.add(1, 11)
    assert live.wait(live.send(created(1, 14)))["job_status"] == "finished"
    assert len(told(live)) == 1
