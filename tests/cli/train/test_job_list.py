"""The list of jobs: nothing that people copy is cut, in a narrow terminal or in a file."""

from dataclasses import replace

import pytest

from label_studio_ml.cli.shared.tables import table_lines
from label_studio_ml.cli.train.follow import outcome
from label_studio_ml.cli.train.job_list import COLUMNS, row
from label_studio_ml.trackers.gaps import record_of
from label_studio_ml.trackers.messages import Gap
from label_studio_ml.training.records.job_record import Job

CAUSE = (
    "ValueError: the weights of this model are for 3 labels, but the project's label config has 17 of them, "
    "see https://example.com/a/very/long/address/that/is/not/broken/anywhere/as/people/copy/it.html (model.py, line 7)"
)
FAILED = Job(
    id="20261128-124517-da121d",
    project="7.1767225600",
    state="failed",
    created="2026-11-28T12:45:17.000+00:00",
    started="2026-11-28T12:45:18.000+00:00",
    ended="2026-11-28T13:47:19.000+00:00",
    error=CAUSE,
    events=3,
)
FINISHED = Job(
    id="20261128-120000-000001",
    project="1234.1767225600",
    state="finished",
    created="2026-11-28T12:00:00.000+00:00",
    started="2026-11-28T12:00:00.000+00:00",
    ended="2026-11-28T12:00:09.000+00:00",
    version="20261128-120000-9f3a",
    annotations=1,
    asked_by="token ci",
    metrics={"accuracy": 0.5625, "loss": 1.5, "epochs": 3},
    comparison="measured against version v1 on the same 16 tasks: accuracy 0.5625 (before: 0.5)",
)


def lines(jobs: list[Job], width: int | None) -> list[str]:
    return [line.plain for line in table_lines(COLUMNS, [row(job) for job in jobs], width)]


def test_eighty_columns() -> None:
    shown = lines([FAILED, FINISHED], 80)
    assert shown[0].split() == ["JOB", "PROJECT", "STATE", "BEGAN", "TOOK"]
    head = shown[1].split()
    assert (head[:3], head[-1]) == (["20261128-124517-da121d", "7", "failed"], "1:02:01")
    first = shown.index(next(line for line in shown if line.startswith(FINISHED.id)))
    assert shown[2] == "  3 events"
    assert " ".join(" ".join(shown[3:first]).split()) == CAUSE
    address = next(word for word in CAUSE.split() if word.startswith("https"))
    assert f"  {address}" in shown, "what is longer than a line is not broken"
    assert shown[first + 1 : first + 4] == [
        "  1 labelled task, asked for by token ci",
        "  version 20261128-120000-9f3a",
        "  accuracy 0.5625 loss 1.5 epochs 3",
    ]
    assert FINISHED.comparison in " ".join(" ".join(shown[first:]).split())
    assert all(len(line) <= 80 for line in shown if address not in line)


def test_without_a_terminal_each_job_is_one_line() -> None:
    head, failed, finished = lines([FAILED, FINISHED], None)
    assert head.split() == [
        "JOB",
        "PROJECT",
        "STATE",
        "BEGAN",
        "TOOK",
        "EVENTS",
        "TASKS",
        "VERSION",
        "METRICS",
        "ASKED",
        "BY",
        "TRACKED",
        "WHAT",
    ]
    assert failed.startswith("20261128-124517-da121d  7        failed    2026-11-28 ")
    assert failed.endswith(CAUSE)
    assert "  accuracy 0.5625 loss 1.5 epochs 3  token ci           measured against" in finished
    assert head.index("VERSION") == finished.index("20261128-120000-9f3a")


def test_the_end_says_what_was_compared(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(FINISHED) == 0
    assert f"It was {FINISHED.comparison}\n" in capsys.readouterr().out
    assert outcome(replace(FINISHED, held_back="accuracy is 0.5")) == 0
    assert FINISHED.comparison not in capsys.readouterr().out


def test_the_end_of_a_job_without_version_says_whether_it_trained(capsys: pytest.CaptureFixture[str]) -> None:
    assert outcome(replace(FINISHED, version="", events=2)) == 0
    assert "fit changed nothing" in capsys.readouterr().out
    assert outcome(replace(FINISHED, version="")) == 0
    assert "an earlier job had its event" in capsys.readouterr().out


@pytest.mark.parametrize("width", [80, None])
def test_what_a_terminal_would_act_on_is_shown_as_an_escape(width: int | None) -> None:
    """Names and causes come from user code, tasks and callers."""
    odd = replace(
        FAILED,
        project="7\x1b]0;title\x07.1",
        error="ValueError: \x1b[2J\x00 and\x9b31m \u202etxt",
        version="v\x1b",
    )
    shown = "\n".join(lines([odd], width))
    assert "\x1b" not in shown
    assert not [character for character in shown if not character.isprintable() and character != "\n"]
    assert r"ValueError: \x1b[2J\x00 and\x9b31m \u202etxt" in " ".join(shown.split())


def test_so_is_what_is_said_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    outcome(replace(FAILED, error="bad\x1b[2J"))
    outcome(replace(FINISHED, version="v\x1b[2J"))
    printed = capsys.readouterr()
    assert r"bad\x1b[2J" in printed.err
    assert r"v\x1b[2J" in printed.out


def test_a_job_whose_events_run_again_is_not_shown_as_failed(capsys: pytest.CaptureFixture[str]) -> None:
    job = replace(FAILED, state="interrupted", error="the worker was stopped", error_code="LSML-E651")
    assert lines([job], 80)[1].split()[2] == "interrupted"
    assert outcome(job) == 1
    assert capsys.readouterr().err == (
        "label-studio-ml: the training was interrupted: the worker was stopped; a later job gets its events\n"
        "More: label-studio-ml explain LSML-E651\n"
    )


def test_an_interrupted_job_and_its_repeat_name_each_other() -> None:
    job = replace(FAILED, state="interrupted", error="the worker was stopped", retried_by=FINISHED.id)
    repeat = replace(FINISHED, retry_of=FAILED.id)
    interrupted, repeated = lines([job, repeat], None)[1:]
    assert f"the worker was stopped; job {FINISHED.id} has its events" in interrupted
    assert f"repeats job {FAILED.id}; measured against" in repeated


def test_the_code_of_an_error_can_be_explained(capsys: pytest.CaptureFixture[str]) -> None:
    job = replace(FAILED, error="it is wrong", error_code="LSML-E340")
    assert lines([job], None)[1].endswith("it is wrong. More: label-studio-ml explain LSML-E340")
    outcome(job)
    assert capsys.readouterr().err == (
        "label-studio-ml: the training failed: it is wrong\nMore: label-studio-ml explain LSML-E340\n"
    )


def test_a_narrow_list_says_once_which_job_is_repeated() -> None:
    shown = " ".join(" ".join(lines([replace(FINISHED, retry_of=FAILED.id)], 80)).split())
    assert shown.count(f"repeats job {FAILED.id}") == 1


def test_what_a_tracker_lacks_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    gap = Gap(problem="it refused a value " * 12)
    trackers = {
        "tensorboard": record_of("tensorboard", {"place": "/logs"}, Gap()),
        "mlflow": record_of("mlflow", {}, Gap(problem="Connection refused", fix="Check it")),
        "wandb": record_of("wandb", {"place": "/w"}, gap),
    }
    job = replace(FINISHED, trackers=trackers)
    head, listed = lines([job], None)
    tracked = listed[head.index("TRACKED") : head.index("WHAT")]
    assert tracked == "TensorBoard: /logs; Weights & Biases: /w  "
    lacks = "MLflow lacks this training: Connection refused. Check it."
    for text in (listed[head.index("WHAT") :], " ".join(" ".join(lines([job], 80)).split())):
        assert text.count(lacks) == 1
        assert text.count("Weights & Biases lacks a part of this training: it refused a value") == 1
    assert lines([job], 260)[0].split()[-1] == "WHAT", "the columns stay side by side"
    outcome(job)
    assert "Tracker MLflow lacks this training: Connection refused" in capsys.readouterr().out
