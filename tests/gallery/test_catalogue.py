"""The gallery's models are described completely, and each fits its own label config."""

import ast
import json
import re
import sys
from pathlib import Path

import msgspec
import pytest

from label_studio_ml.errors import SettingsError
from label_studio_ml.gallery import catalogue
from label_studio_ml.gallery.catalogue import GalleryModel, model_named, models
from label_studio_ml.gallery.fitting_models import match
from label_studio_ml.model_calls.adapter import MAX_BATCH
from label_studio_ml.protocol.control_tags import CONTROL_TAGS

#: Seconds of a call of `predict` after which Label Studio soon gives up the request (at 100).
_LONGEST_CALL = 80

#: What `make gallery` measured last.
_RESULTS = Path(__file__).resolve().parents[2] / "docs" / "gallery" / "results.json"

#: Lines of a model file that are neither blank nor comments nor docstrings may be this many; the aim is 100.
_LONGEST_MODEL = 130

#: Licences that let a user do anything, as SPDX expressions combine them.
_PERMISSIVE = {"Apache-2.0", "MIT", "BSD-2-Clause", "BSD-3-Clause", "HPND", "ISC", "MPL-2.0", "0BSD", "Zlib"}

#: Packages that import onnxruntime, whose import begins to report its use, and writes a database for that.
_ONNX_USERS = {"onnxruntime", "faster-whisper"}
_NO_REPORTS = 'os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")'

each_model = pytest.mark.parametrize("model", models(), ids=lambda model: model.name)


@each_model
def test_a_model_has_its_files(model: GalleryModel) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", model.name)
    for file in ("model.py", "requirements.txt", "label_config.xml", "notes.md"):
        assert model.text(file).strip()
    assert model.fills
    assert set(re.split(r" AND | OR |[()]", model.licence)) - {""} <= _PERMISSIVE
    for fill in model.fills:
        assert set(fill.control) <= set(CONTROL_TAGS)
        assert 0 < fill.rank <= 100


@each_model
def test_weights_are_pinned(model: GalleryModel) -> None:
    requirements = model.text("requirements.txt")
    if (model.folder / "requirements-weights.txt").exists():
        requirements += model.text("requirements-weights.txt")
    for weights in model.weights:
        assert f"{weights.package}=={weights.version}" in requirements
        assert weights.licence in _PERMISSIVE
        assert all(re.fullmatch(r"[0-9a-f]{64}", digest) for digest in weights.files.values())


@each_model
def test_a_model_that_installs_pillow_names_its_licence(model: GalleryModel) -> None:
    requirements = re.findall(r"^[\w-]+", model.text("requirements.txt"), re.MULTILINE)
    assert "pillow" not in requirements or "HPND" in model.licence


@each_model
def test_onnxruntime_reports_nothing(model: GalleryModel) -> None:
    """That it then writes and sends nothing is tested with the real package, in tests/e2e/gallery/test_bad_data.py."""
    requirements = set(re.findall(r"^[\w-]+", model.text("requirements.txt"), re.MULTILINE))
    if requirements & _ONNX_USERS:
        code = model.text("model.py")
        first = next(
            match.start()
            for match in re.finditer(r"^(?:import|from) (\w+)", code, re.MULTILINE)
            if match[1] not in sys.stdlib_module_names
        )
        assert _NO_REPORTS in code[:first], "set it before the first import of a package"


@each_model
def test_a_model_fits_its_own_label_config(model: GalleryModel) -> None:
    fits, _ = match(model.text("label_config.xml"), [model])
    assert fits


@each_model
def test_the_largest_batch_ends_in_time(model: GalleryModel) -> None:
    found = re.search(r"^    max_batch_size = (\d+)", model.text("model.py"), re.MULTILINE)
    batch = int(found[1]) if found else MAX_BATCH
    measured = json.loads(_RESULTS.read_text()).get(model.name, {}).get("tasks_per_second")
    for speed in filter(None, (model.tasks_per_second, measured)):
        assert batch / speed <= _LONGEST_CALL, f"set max_batch_size: {batch} tasks take {batch / speed:.0f} s"


@each_model
def test_a_model_file_is_short(model: GalleryModel) -> None:
    code = re.sub(r'""".*?"""', "", model.text("model.py"), flags=re.DOTALL)
    lines = [line for line in code.splitlines() if line.strip() and not line.strip().startswith("#")]
    assert len(lines) <= _LONGEST_MODEL


@pytest.mark.parametrize("model", [model for model in models() if model.trains], ids=lambda model: model.name)
def test_a_training_asks_whether_it_is_cancelled(model: GalleryModel) -> None:
    """That it then ends early is tested with the model's data, in tests/e2e/gallery/test_bad_data.py."""
    (fit,) = [
        node
        for node in ast.walk(ast.parse(model.text("model.py")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == "fit"
    ]
    assert "job" in {argument.arg for argument in fit.args.args}
    asked = {
        ast.unparse(node)
        for loop in ast.walk(fit)
        if isinstance(loop, ast.For | ast.While | ast.FunctionDef) and loop is not fit
        for node in ast.walk(loop)
        if isinstance(node, ast.Attribute)
    }
    assert "job.cancelled" in asked, "ask job.cancelled in each step of fit, and return if it is true"


def test_an_unknown_name_gets_the_most_similar_one() -> None:
    with pytest.raises(SettingsError, match=r"no model 'tabula'\. Did you mean tabular\?"):
        model_named("tabula")
    with pytest.raises(SettingsError, match="label-studio-ml examples lists all"):
        model_named("xyz")


def test_a_field_that_is_not_known_is_an_error() -> None:
    with pytest.raises(msgspec.ValidationError, match="colour"):
        msgspec.toml.decode('colour = "red"', type=catalogue.GalleryModel)
