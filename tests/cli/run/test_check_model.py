"""`label-studio-ml start --check`: what it accepts, and what it says."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

WITHOUT = """
from label_studio_ml.model import LabelStudioMLBase

class Mine(LabelStudioMLBase):
    def fit(self, annotations, **kwargs):
        return {}
"""
WITH = f"{WITHOUT}\n    def predict(self, tasks, **kwargs):\n        return []\n"
REGISTERED = f"""
from label_studio_ml.model import predict_fn

@predict_fn
def predict(tasks, context, helper, **kwargs):
    return []
{WITHOUT}
"""


@pytest.mark.parametrize(
    ("code", "status", "text"),
    [
        (
            WITHOUT,
            1,
            "has no predict method: it cannot answer Label Studio. Define predict(self, tasks, **kwargs)",
        ),
        (WITH, 0, "OK: Mine of"),
        (REGISTERED, 0, "OK: Mine of"),
    ],
)
def test_a_class_needs_a_predict(tmp_path: Path, code: str, status: int, text: str) -> None:
    (tmp_path / "model.py").write_text(code)
    command = [sys.executable, "-m", "label_studio_ml", "start", str(tmp_path), "--check"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120, env=dict(os.environ)
    )
    assert (done.returncode, text in done.stdout + done.stderr) == (status, True), done.stderr


def test_it_ends_without_collecting_what_a_large_library_has_left(tmp_path: Path) -> None:
    at_exit = "import atexit, gc\natexit.register(lambda: print('frozen', gc.get_freeze_count() > 10_000))\n"
    (tmp_path / "model.py").write_text(at_exit + WITH)
    done = _start_check(tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "frozen True"


PARAMS = f"""
from label_studio_ml.params import Param
{WITH}
    params = {{"threshold": Param(0.5, "keep what is surer", ge=0, le=1), "api_key": Param("", secret=True)}}
"""


def _check(folder: Path, *words: str, **env: str) -> "subprocess.CompletedProcess[str]":
    (folder / "model.py").write_text(PARAMS)
    return _start_check(folder, *words, **env)


def _start_check(folder: Path, *words: str, **env: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "label_studio_ml", "start", str(folder), "--check", *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env={**os.environ, **env},
    )


def test_parameters_are_shown_with_their_values(tmp_path: Path) -> None:
    done = _check(tmp_path, "--with", "threshold=0.7", THRESHOLD="0.6", API_KEY="s3cret")
    assert done.returncode == 0, done.stderr
    heading, threshold, api_key, result = done.stdout.splitlines()
    assert heading == "Parameters, before any extra params in Label Studio:"
    assert threshold == (
        "  threshold = 0.7 (--with): a number from 0 to 1, default 0.5, variable THRESHOLD. keep what is surer"
    )
    assert (
        api_key == '  api_key = (secret) (environment variable API_KEY): text, default "", variable API_KEY'
    )
    assert result.startswith("OK: Mine of")


def test_a_wrong_parameter_is_said(tmp_path: Path) -> None:
    done = _check(tmp_path, THRESHOLD="high")
    assert (done.returncode, done.stdout) == (1, "")
    assert "threshold must be a number from 0 to 1, not the text 'high' (environment var" in done.stderr


PREDICTS = """
from label_studio_ml.model import LabelStudioMLBase

class Mine(LabelStudioMLBase):
    def setup(self):
        self.box = self.controls.first("RectangleLabels", on="Image")

    def predict(self, tasks, **kwargs):
        {body}
        value = {{"x": 90, "y": 10, "width": {width}, "height": 10, "rotation": 0, "rectanglelabels": ["First"]}}
        names = {{"from_name": self.box.name, "to_name": self.box.to_name, "type": "rectanglelabels"}}
        return [{{"result": [{{**names, "value": value}}]}} for _ in tasks]
"""


@pytest.mark.parametrize(
    ("body", "width", "status", "text"),
    [
        ("", "10", 0, "its prediction of a sample task of <RectangleLabels> on <Image> is valid"),
        (
            "",
            "30",
            1,
            "region 0 of 'label': it reaches out of the picture (x from 90 to 120, y from 10 to 20) (Clip",
        ),
        ("", "float('nan')", 1, "region 0 of 'label': its value has no 'width'"),
        ("raise OSError('no network')", "10", 0, "was not checked: OSError: no network"),
        ("return []", "10", 0, "it predicts nothing for a sample task of <RectangleLabels> on <Image>"),
    ],
)
def test_the_prediction_of_a_sample_task_is_checked(
    tmp_path: Path, body: str, width: str, status: int, text: str
) -> None:
    (tmp_path / "model.py").write_text(PREDICTS.format(body=body, width=width))
    command = [sys.executable, "-m", "label_studio_ml", "start", str(tmp_path), "--check"]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120, env=dict(os.environ)
    )
    assert (done.returncode, text in done.stdout + done.stderr) == (status, True), done.stdout + done.stderr
    assert "Traceback" not in done.stderr


SEVERAL = """
from label_studio_ml import regions
from label_studio_ml.model import LabelStudioMLBase

class Reader(LabelStudioMLBase):
    def setup(self):
        self.box = self.controls.first("Rectangle", on="Image")
        self.kind = self.controls.first("Labels", on="Image")
        self.text = self.controls.first("TextArea", per_region=True)

    def predict(self, tasks, **kwargs):
        box = regions.box(self.box, xyxy=(1, 1, 9, 9), size=(96, 64))
        label = self.kind.label_names[0]
        return [
            regions.prediction(box, regions.attach(box, self.kind, label), regions.attach(box, self.text, "a"))
            for task in tasks
        ]
"""
OTHER_CONFIG = """<View><Image name="i" value="$i"/><Rectangle name="b" toName="i"/><Labels name="k" toName="i">
<Label value="Grüße"/></Labels><TextArea name="t" toName="i" {attributes}/></View>"""


def _check_several(folder: Path, *words: str, code: str = SEVERAL) -> tuple[int, str]:
    (folder / "model.py").write_text(code)
    done = subprocess.run(
        [sys.executable, "-m", "label_studio_ml", "start", str(folder), *words],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=dict(os.environ),
    )
    return done.returncode, done.stdout + done.stderr


def test_a_class_that_needs_several_controls_is_checked_with_all_of_them(tmp_path: Path) -> None:
    status, output = _check_several(tmp_path, "--check")
    assert status == 0, output
    assert output.endswith(
        "for <Rectangle>, <Labels>, <TextArea> on <Image>; its prediction of a sample task of <Rectangle>, <Labels>, "
        "<TextArea> on <Image> is valid\n"
    )


def test_a_class_is_checked_with_the_label_config_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "labels.xml"
    path.write_text(OTHER_CONFIG.format(attributes='perRegion="true"'), encoding="utf-8")
    status, output = _check_several(tmp_path, "--check", "--label-config", str(path))
    assert status == 0, output
    assert output.endswith("can be built for this label config; its prediction of a sample task is valid\n")

    path.write_text(OTHER_CONFIG.format(attributes=""), encoding="utf-8")
    status, output = _check_several(tmp_path, "--check", "--label-config", str(path))
    assert status == 1
    assert "Reader cannot be built: This model needs a <TextArea>" in output


def test_a_sample_that_does_not_fit_the_class_is_not_taken_for_a_project(tmp_path: Path) -> None:
    named = SEVERAL.replace('self.controls.first("Labels", on="Image")', 'self.controls["kind"]')
    status, output = _check_several(tmp_path, "--check", code=named)
    assert status == 1
    assert "cannot be built for a label config made up of <Rectangle>, <TextArea> on <Image>: " in output
    assert "Add --label-config FILE with the label config of your project\n" in output


def test_the_label_config_of_the_folder_is_taken(tmp_path: Path) -> None:
    named = SEVERAL.replace('self.controls.first("Labels", on="Image")', 'self.controls["kind"]')
    own = OTHER_CONFIG.format(attributes='perRegion="true"')
    (tmp_path / "label_config.xml").write_text(own, encoding="utf-8")
    status, output = _check_several(tmp_path, "--check", code=SEVERAL)
    assert status == 0, output
    assert "can be built for its label_config.xml; its prediction of a sample task is valid" in output

    status, output = _check_several(tmp_path, "--check", code=named)
    assert status == 1
    assert "(with label_config.xml)" in output
    assert "or add --label-config FILE with your project's label config" in output

    (tmp_path / "label_config.xml").write_bytes(b"\xff")
    status, output = _check_several(tmp_path, "--check", code=SEVERAL)
    assert status == 1
    assert "label_config.xml cannot be read" in output


def test_a_mistyped_parameter_is_refused(tmp_path: Path) -> None:
    code = "from label_studio_ml.params import Param\n" + SEVERAL.replace(
        "    def setup(self):", "    params = {'neighbours': Param(5)}\n\n    def setup(self):", 1
    )
    status, output = _check_several(tmp_path, "--check", "--with", "neighbors=3", code=code)
    assert status == 1
    assert "has no parameter neighbors (is neighbours meant?) (--with)" in output


def test_a_label_config_without_a_check_is_refused(tmp_path: Path) -> None:
    status, output = _check_several(tmp_path, "--label-config", "labels.xml")
    assert (status, "--label-config is for --check" in output) == (1, True), output


PICTURES = """<View><Image name="i" value="$i"/><RectangleLabels name="b" toName="i"><Label value="First"/>
</RectangleLabels></View>"""


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ("return 1 / 0", 1, "predict fails for a sample task: ZeroDivisionError: division by zero"),
        ("return 5", 1, "predict fails for a sample task: "),
        ("raise RuntimeError('no endpoint is set')", 0, "was not checked: RuntimeError: no endpoint is set"),
        ("open('/no/such/weights')", 0, "was not checked: FileNotFoundError"),
        ("raise type('NotFittedError', (AttributeError,), {})", 0, "was not checked: NotFittedError"),
    ],
)
def test_a_predict_that_fails_for_a_given_label_config_is_an_error(
    tmp_path: Path, body: str, status: int, text: str
) -> None:
    (tmp_path / "label_config.xml").write_text(PICTURES)
    (tmp_path / "model.py").write_text(PREDICTS.format(body=body, width="10"))
    done = _start_check(tmp_path)
    assert (done.returncode, text in done.stdout + done.stderr) == (status, True), done.stdout + done.stderr
    assert ("LSML-E330" in done.stderr, "OK: " in done.stdout) == (bool(status), not status)


def test_it_says_if_no_prediction_was_tried(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(WITH)
    done = _start_check(tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("can be built; no prediction was tried: give --label-config FILE\n")
