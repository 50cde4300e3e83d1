"""The whole log of a training, from its file and from Redis."""

from pathlib import Path

from label_studio_ml.training.overview import full_log as module
from label_studio_ml.training.overview.full_log import FullLog, full_log
from label_studio_ml.training.overview.live_training import LIVE_LINES, last_lines
from label_studio_ml.training.records.job_pages import write_progress
from label_studio_ml.training.records.job_store import JobStore
from live import uid

TRACEBACK = [
    "Traceback (most recent call last):",
    '  File "/home/me/model.py", line 3, in fit',
    "    secret_code()",
    "ValueError: no",
]


def _job(job_store: JobStore, lines: list[str], first: int = 0) -> str:
    job = job_store.new_job(uid(1))
    write_progress(job_store, job, {}, points=None, first=first, lines=lines)
    return job


def _lines(log: FullLog) -> list[str | None]:
    return [line for _, line in log.numbered()]


def test_lines_come_from_the_file_and_the_newest_from_redis(job_store: JobStore, tmp_path: Path) -> None:
    job = _job(job_store, ["3", "4", "5"], first=3)
    (tmp_path / f"{job}.log").write_text("0\n1\n2\n3\n4\nunfinished")
    log = full_log(job_store, tmp_path, job, tracebacks=False)
    assert _lines(log) == ["0", "1", "2", "3", "4", "5"]
    assert log.part(1, 2) == {"lines": [(1, "1"), (2, "2")], "next": 3, "end": 6, "complete": True}
    assert log.part(5, 9) == {"lines": [(5, "5")], "next": 6, "end": 6, "complete": True}
    assert log.text() == "0\n1\n2\n3\n4\n5\n"


def test_without_the_file_only_the_lines_in_redis_are_known(job_store: JobStore, tmp_path: Path) -> None:
    job = _job(job_store, ["a", "b"], first=7)
    log = full_log(job_store, tmp_path, job, tracebacks=False)
    assert list(log.numbered()) == [(7, "a"), (8, "b")]
    assert not log.complete


def test_once_redis_has_forgotten_the_lines_the_file_has_them_all(
    job_store: JobStore, tmp_path: Path
) -> None:
    job = job_store.new_job(uid(1))
    (tmp_path / f"{job}.log").write_text("0\n1\n")
    assert _lines(full_log(job_store, tmp_path, job, tracebacks=False)) == ["0", "1"]


def test_tracebacks_are_for_operators(job_store: JobStore, tmp_path: Path) -> None:
    job = _job(job_store, ["begin", *TRACEBACK])
    for present in (False, True):
        if present:
            (tmp_path / f"{job}.log").write_text("".join(f"{line}\n" for line in ["begin", *TRACEBACK]))
        shown = full_log(job_store, tmp_path, job, tracebacks=False)
        assert _lines(shown) == [
            "begin",
            f"(traceback: see logs/jobs/{job}.log)",
            None,
            None,
            "ValueError: no",
        ]
        assert "secret_code" not in shown.text()
        assert shown.matches("SECRET_code")["matches"] == []
        assert _lines(full_log(job_store, tmp_path, job, tracebacks=True)) == ["begin", *TRACEBACK]


def test_search_finds_lines_in_upper_and_lower_case(job_store: JobStore, tmp_path: Path) -> None:
    job = _job(job_store, ["Epoch 1", "loss", "EPOCH 2"])
    log = full_log(job_store, tmp_path, job, tracebacks=False)
    assert log.matches("epoch") == {
        "matches": [(0, "Epoch 1"), (2, "EPOCH 2")],
        "more": False,
        "complete": True,
    }


def test_a_search_returns_so_many_lines(monkeypatch: object) -> None:
    log = FullLog(["x"] * (module.MAX_MATCHES + 1), [], 0, complete=True)
    found = log.matches("x")
    assert (len(found["matches"]), found["more"]) == (module.MAX_MATCHES, True)


def test_a_part_has_so_many_characters() -> None:
    long = "x" * (module.MAX_CHARACTERS // 2)
    log = FullLog([long, long, long], [], 0, complete=True)
    assert [number for number, _ in log.part(0, 100)["lines"]] == [0, 1]
    huge = FullLog([long * 3, "y"], [], 0, complete=True)
    assert huge.part(0, 100)["next"] == 1


def test_no_file_is_read_for_a_name_that_is_no_jobs_id(job_store: JobStore, tmp_path: Path) -> None:
    (tmp_path / "server.log").write_text("secret\n")
    for name in ("../server", "server", "x/../server"):
        assert _lines(full_log(job_store, tmp_path / "jobs", name, tracebacks=True)) == []


def test_the_last_lines_hide_tracebacks_that_began_before_them() -> None:
    frames = [line for _ in range(LIVE_LINES // 2) for line in TRACEBACK[1:3]]
    lines = [TRACEBACK[0], *frames, "ValueError: no", "end"]
    shown = last_lines(lines, len(lines), "", "job")
    assert shown["lines"] == [*[None] * (LIVE_LINES - 2), "ValueError: no", "end"]
    assert (shown["first"], shown["next"]) == (len(lines) - LIVE_LINES, len(lines))


def test_long_lines_are_sent_in_small_number() -> None:
    shown = last_lines(["x" * 4096] * 100, 100, "bar", "job")
    assert len(shown["lines"]) == 7
    assert (shown["first"], shown["next"], shown["current"]) == (93, 100, "bar")
