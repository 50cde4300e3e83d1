"""A class that hangs, ends its process or cannot be built twice is named with its task, its call and its line."""

from pathlib import Path

import pytest

from label_studio_ml.test_kit.check_catalogue import CHECKS
from label_studio_ml.test_kit.child_runner import Limits
from label_studio_ml.test_kit.class_check import CheckOptions
from label_studio_ml.test_kit.report import Failure, Report

from .hang_limits import HANGS, HangLimits
from .reports import MODELS, report_on

TEXT = '            text = str(task["data"].get(self.control.field) or "")\n'
LOOP = "        predictions = []\n"
SETUP = "    def setup(self):\n"
FIT = "        weights = {}\n"
KILLED = "__import__('signal').raise_signal(11)"


def report_with(folder: Path, old: str, new: str, *checks: str, limits: Limits | None = None) -> Report:
    """Run these checks on the text model with one place changed; those before them run, too."""
    code = (MODELS / "text_model.py").read_text()
    assert code.count(old) == 1
    (folder / "model.py").write_text(code.replace(old, new))
    skipped = {check: "not of this test" for check in CHECKS if check not in checks}
    return report_on(folder, CheckOptions(limits=limits or Limits(), skipped=skipped, quick=True))


def only(report: Report) -> Failure:
    assert len(report.failures) == 1, str(report)
    return report.failures[0]


def line_of(folder: Path, part: str) -> int:
    lines = (folder / "model.py").read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if part in line)


def test_a_segmentation_fault_is_found_with_its_task(tmp_path: Path) -> None:
    dies = f"{TEXT}            if task['id'] == 4: {KILLED}\n"
    failure = only(report_with(tmp_path, TEXT, dies, "predict"))
    assert failure.check == "predict"
    assert failure.task == "4"
    assert failure.message.endswith("the process was killed by SIGSEGV in predict for task 4")
    assert failure.line == line_of(tmp_path, "raise_signal")


def test_a_segmentation_fault_for_the_batch_alone_names_the_batch(tmp_path: Path) -> None:
    failure = only(report_with(tmp_path, LOOP, f"        len(tasks) > 1 and {KILLED}\n{LOOP}", "predict"))
    assert failure.task == ""
    assert "SIGSEGV in predict for a batch of 6 tasks (1, 2, 3, 4, 5, 6)" in failure.message


def test_a_predict_that_hangs_is_found_with_its_task_and_the_true_wait(tmp_path: Path) -> None:
    hangs = f"{TEXT}            if task['id'] == 2: {HANGS}\n            while task['id'] == 2: pass\n"
    failure = only(report_with(tmp_path, TEXT, hangs, "predict", limits=HangLimits(folder=tmp_path)))
    assert failure.task == "2"
    assert failure.message.endswith("did not return from predict for task 2 within 0.5 s")
    assert "Label Studio gives up a request for predictions after 100 s" in failure.fix
    assert failure.line == line_of(tmp_path, "while task")


def test_a_fit_that_hangs_has_a_limit_of_its_own(tmp_path: Path) -> None:
    hangs = f"        while True: pass\n{FIT}"
    failure = only(report_with(tmp_path, FIT, hangs, "fit", limits=Limits(timeout=600.0, fit_timeout=1.0)))
    assert failure.check == "fit"
    assert failure.message.endswith("did not return from fit within 1 s")
    assert "--fit-timeout" in failure.fix
    assert "100 s" not in failure.fix
    assert failure.line == line_of(tmp_path, "while True")


def test_a_class_that_cannot_be_built_twice_is_found(tmp_path: Path) -> None:
    once = f"""{SETUP}        if getattr(TextModel, "port", None):
            raise RuntimeError("port 80 is in use")
        TextModel.port = 80
"""
    failure = only(report_with(tmp_path, SETUP, once, "fit"))
    assert failure.check == "fit"
    assert "TextModel cannot be built: RuntimeError: port 80 is in use" in failure.message
    assert "builds one for each project and version" in failure.fix
    assert failure.line == line_of(tmp_path, "raise RuntimeError")


def test_the_error_that_ends_the_process_is_told(tmp_path: Path) -> None:
    raises = f"""{SETUP}        class Stop(BaseException):
            pass
        if getattr(TextModel, "built", None):
            raise Stop("built twice")
        TextModel.built = True
"""
    failure = only(report_with(tmp_path, SETUP, raises, "fit"))
    assert "ended with status 1 in the constructor and setup()" not in failure.message
    assert "Stop: built twice" in failure.message


def test_a_required_argument_of_the_constructor_is_named(tmp_path: Path) -> None:
    required = "    def __init__(self, weights, **kwargs):\n        super().__init__(**kwargs)\n\n" + SETUP
    failure = only(report_with(tmp_path, SETUP, required, "import"))
    assert failure.check == "build"
    assert failure.message == "TextModel cannot be built: its constructor requires weights"
    assert failure.field == "weights"
    assert "--with weights=VALUE" in failure.fix
    assert failure.line == line_of(tmp_path, "def __init__")


ASKS = "            if job.cancelled:\n                return {}\n"
#: Never returns from the training that is cancelled, whose folder has this name.
SLEEPS = f"            while workdir.endswith('-cancelled'): {HANGS}; __import__('time').sleep(0.1)\n"
#: Trainings that do not ask in each epoch whether they are cancelled.
DEAF = {
    "asks once, at its beginning": ASKS.replace("job.cancelled", "not weights and job.cancelled") + SLEEPS,
    "only reports": "            job.progress(0.5)\n" + SLEEPS,
}


@pytest.mark.parametrize("name", DEAF)
def test_a_training_is_cancelled_in_its_middle(name: str, tmp_path: Path) -> None:
    report = report_with(
        tmp_path, ASKS, DEAF[name], "fit", "fit-output", "fit-cancel", limits=HangLimits(folder=tmp_path)
    )
    failure = only(report)
    assert failure.check == "fit-cancel"
    assert failure.message.endswith("did not return from a cancelled fit within 0.5 s")
    assert "job.cancelled" in failure.fix


def test_what_a_cancelled_training_has_written_is_no_version(tmp_path: Path) -> None:
    code = (MODELS / "text_model.py").read_text()
    code = code.replace(
        ASKS,
        "            if job.cancelled:\n"
        "                (Path(workdir).parent / 'newest.json').write_text('{\"the\": 0}')\n"
        "                return {}\n",
    )
    code = code.replace(
        '        name = self.train_output.get("weights_file")\n',
        '        name = self.train_output.get("weights_file")\n'
        "        if name and (Path(name).parents[1] / 'newest.json').exists():\n"
        "            name = Path(name).parents[1] / 'newest.json'\n",
    )
    (tmp_path / "model.py").write_text(code)
    wanted = ("fit", "fit-output", "fit-folder", "fit-cancel")
    skipped = {check: "not of this test" for check in CHECKS if check not in (*wanted, "repeat")}
    failure = only(report_on(tmp_path, CheckOptions(skipped=skipped, quick=True)))
    assert failure.check == "fit-cancel"
    assert "a model of the version before it predicts otherwise" in failure.message
    assert "self.train_output" in failure.fix
