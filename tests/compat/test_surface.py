"""Every name that both older generations offered: it is there, takes what it took, and does what it did.

The sections are those of the list of both generations: the model class, the other modules, `_wsgi.py`, the environment.
"""
# Authors do not annotate their models, and their methods are not the base's: that is what is tested here.
# mypy: disable-error-code="no-untyped-def, override, no-untyped-call"

import importlib
import inspect
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from label_studio_ml import model, server
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import SettingsError, Unsupported
from label_studio_ml.helpers import LabelStudioMLBaseHelper, LabelStudioMLChoices
from label_studio_ml.ls_io import download_ls_dataset
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_api import registered_functions
from label_studio_ml.model_calls.adapter import ModelSpec, build, version_name
from label_studio_ml.versions.state.key_values import MemoryState
from label_studio_ml.versions.state.project_state import Project
from live import CONFIG, TOKEN, FakeStudio

#: Module -> the names that one generation or both had there.
NAMES = {
    "label_studio_ml": "package_name __version__",
    "label_studio_ml.model": (
        "LabelStudioMLBase predict_fn update_fn CACHE ModelResponse LabelStudio "
        "get_all_classes_inherited_LabelStudioMLBase LabelStudioMLManager JobManager SimpleJobManager RQJobManager "
        "ModelWrapper LABEL_STUDIO_ML_BACKEND_V2_DEFAULT AUTO_UPDATE_DEFAULT logger"
    ),
    "label_studio_ml.api": "init_app _server _manager MODEL_CLASS BASIC_AUTH TRAIN_EVENTS safe_str_cmp",
    "label_studio_ml.response": "ModelResponse SingleTaskPredictions PredictionValue",
    "label_studio_ml.utils": (
        "DATA_UNDEFINED_NAME get_single_tag_keys is_skipped get_choice get_image_local_path get_image_size get_env "
        "get_local_path get_first_tag_keys InMemoryLRUDictCache match_labels is_valid_url is_preload_needed "
        "compare_nested_structures"
    ),
    "label_studio_ml.exceptions": "answer AnswerException exception_handler",
    "label_studio_ml.helpers": "LabelStudioMLBaseHelper LabelStudioMLChoices",
    "label_studio_ml.cache": "BaseCache SqliteCache create_cache",
    "label_studio_ml.ls_io": "download_ls_dataset",
    "label_studio_ml.wsgi": "run_ml_backend",
    "label_studio_ml.server": "main get_args create_dir start_server deploy_to_gcp special_match",
}

#: What a model has, by hand and built by a backend.
MEMBERS = (
    "setup predict fit process_event TRAIN_EVENTS INITIAL_MODEL_VERSION label_config parsed_label_config "
    "label_interface train_output hostname access_token project_id get set has extra_params set_extra_params "
    "model_version bump_model_version use_label_config get_local_path preload_task_data get_first_tag_occurence "
    "build_label_map get_label_studio_access_token get_label_studio_client _get_label_studio_client "
    "_label_studio_client"
)

#: Function -> its parameters, in their order, as one generation or both called them.
PARAMETERS = {
    "model.LabelStudioMLBase.predict": "tasks context kwargs",
    "model.LabelStudioMLBase.process_event": "event data job_id additional_params",
    "model.LabelStudioMLBase.get_local_path": ("url project_dir ls_host ls_access_token task_id args kwargs"),
    "model.LabelStudioMLBase.preload_task_data": "task value read_file",
    "model.LabelStudioMLBase.get_first_tag_occurence": "control_type object_type name_filter to_name_filter",
    "model.LabelStudioMLBase.build_label_map": "tag_name names",
    "model.LabelStudioMLBase.use_label_config": "label_config",
    "model.LabelStudioMLBase.set_extra_params": "extra_params",
    "model.ModelWrapper": "model model_version is_training",
    "model.LabelStudioMLManager.predict": "tasks project label_config force_reload try_fetch kwargs",
    "model.LabelStudioMLManager.fetch": "project label_config force_reload kwargs",
    "model.LabelStudioMLManager.get_or_create": (
        "project label_config force_reload train_output version kwargs"
    ),
    "model.LabelStudioMLManager.train": "tasks project label_config kwargs",
    "model.LabelStudioMLManager.webhook": "event data",
    "model.LabelStudioMLManager.is_training": "project",
    "model.LabelStudioMLManager.job_status": "job_id",
    "api.init_app": "model_class basic_auth_user basic_auth_pass kwargs",
    "utils.get_single_tag_keys": "parsed_label_config control_type object_type",
    "utils.get_image_local_path": "url image_cache_dir project_dir image_dir",
    "utils.get_local_path": (
        "url cache_dir project_dir hostname image_dir access_token download_resources task_id"
    ),
    "utils.compare_nested_structures": "a b path rel abs",
    "exceptions.answer": "status msg result",
    "cache.create_cache": "cache_type path kwargs",
    "ls_io.download_ls_dataset": "api_url api_token project_id",
    "wsgi.run_ml_backend": "port host debug",
    "server.create_dir": "args",
    "server.start_server": "args subprocess_params",
    "server.deploy_to_gcp": "args",
    "helpers.LabelStudioMLBaseHelper.prepare_tasks": "tasks workdir kwargs",
    "helpers.LabelStudioMLBaseHelper.fit": "completions workdir kwargs",
}


@pytest.fixture(autouse=True)
def _no_functions() -> Iterator[None]:
    yield
    registered_functions.functions.predict = registered_functions.functions.update = None


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(backend_dir=tmp_path, model_dir=tmp_path / "data")


# All names


@pytest.mark.parametrize("module", NAMES)
def test_every_name_is_there(module: str) -> None:
    found = importlib.import_module(module)
    missing = [name for name in NAMES[module].split() if not hasattr(found, name)]
    assert missing == []


@pytest.mark.parametrize("name", PARAMETERS)
def test_every_function_takes_what_it_took(name: str) -> None:
    path, _, rest = name.partition(".")
    found: Any = importlib.import_module(f"label_studio_ml.{path}")
    for part in rest.split("."):
        found = getattr(found, part)
    names = [parameter for parameter in inspect.signature(found).parameters if parameter != "self"]
    assert names == PARAMETERS[name].split()


def test_a_model_has_every_member(settings: Settings) -> None:
    by_hand = LabelStudioMLBase(label_config=CONFIG)
    built = build(
        LabelStudioMLBase, ModelSpec(project=Project(uid="1.5", label_config=CONFIG)), settings, MemoryState()
    )
    for made in (by_hand, built):
        assert [name for name in MEMBERS.split() if not hasattr(made, name)] == []


def test_importing_all_of_it_writes_nothing_and_loads_nothing_heavy(tmp_path: Path) -> None:
    """The event generation opened `cache.db` when its model module was imported."""
    quick = [name for name in NAMES if name.rpartition(".")[2] not in ("response", "api", "wsgi")]
    code = (
        f"import importlib, sys\nfor name in {quick!r}: importlib.import_module(name)\n"
        "names = {'torch', 'pandas', 'numpy', 'label_studio_sdk', 'rq', 'redis', 'flask', 'requests'}\n"
        "heavy = names & set(sys.modules)\n"
        f"assert not heavy, heavy\nfor name in {list(NAMES)!r}: importlib.import_module(name)\n"
        "from label_studio_ml.model import CACHE\nassert CACHE.file.name == 'cache.db'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


# 2.1 The model class


def test_the_cache_is_a_file_in_model_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_DIR", str(tmp_path))
    monkeypatch.delitem(vars(model), "CACHE", raising=False)
    cache = model.CACHE
    assert cache is model.CACHE
    assert not list(tmp_path.iterdir())
    cache["7", "key"] = "value"
    assert (cache["7", "key"], ("7", "key") in cache, ("8", "key") in cache) == ("value", True, False)
    assert [path.name for path in tmp_path.glob("*.db")] == ["cache.db"]
    monkeypatch.delitem(vars(model), "CACHE")
    monkeypatch.setenv("CACHE_TYPE", "redis")
    with pytest.raises(SettingsError, match=r"CACHE_TYPE='redis'.*sqlite"):
        _ = model.CACHE


def test_the_base_can_be_built_and_asked() -> None:
    made = LabelStudioMLBase()
    assert made.predict([{"id": 1}]) is None
    assert made.fit("ANNOTATION_CREATED", {}) is None


@pytest.mark.parametrize(
    ("members", "name"),
    [
        ({"predict": lambda self, tasks, context=None, **kwargs: []}, "0.0.1"),
        ({"predict": lambda self, tasks, **kwargs: [], "setup": lambda self: None}, "0.0.1"),
        (
            {"predict": lambda self, tasks, **kwargs: [], "fit": lambda self, event, data, **kwargs: None},
            "0.0.1",
        ),
        ({"predict": lambda self, tasks, **kwargs: []}, None),
        ({"predict": lambda self, tasks, **kwargs: [], "fit": lambda self, annotations, **kwargs: {}}, None),
        ({"predict": lambda self, tasks, **kwargs: [], "INITIAL_MODEL_VERSION": "mine"}, "mine"),
    ],
)
def test_the_version_before_any_training(
    settings: Settings, members: dict[str, Any], name: str | None
) -> None:
    cls = type("Made", (LabelStudioMLBase,), members)
    spec = ModelSpec(project=Project(uid="1.5"))
    built = build(cls, spec, settings, MemoryState())
    assert version_name(built, spec) == (name or "INITIAL")
    for made in (built, cls()):
        assert (made.model_version, made.get("model_version"), made.has("model_version")) == (
            name,
            name,
            bool(name),
        )


def test_the_events_of_both_generations_train() -> None:
    assert {"ANNOTATION_CREATED", "ANNOTATION_UPDATED", "ANNOTATION_DELETED", "START_TRAINING"} <= set(
        LabelStudioMLBase.TRAIN_EVENTS
    )
    assert LabelStudioMLBase.INITIAL_MODEL_VERSION == "0.0.1"


def test_the_names_of_the_classes_in_a_file(tmp_path: Path) -> None:
    script = tmp_path / "mine.py"
    script.write_text(
        "from label_studio_ml.model import LabelStudioMLBase\nclass A(LabelStudioMLBase): ...\nclass B: ...\n"
    )
    assert model.get_all_classes_inherited_LabelStudioMLBase(str(script)) == ["A"]


@pytest.mark.parametrize("name", ["JobManager", "SimpleJobManager", "RQJobManager"])
def test_job_managers_may_be_inherited_and_say_why_they_do_nothing(name: str) -> None:
    inherited = type("Mine", (getattr(model, name),), {})
    with pytest.raises(Unsupported, match=r"Mine does nothing in this release.*REDIS_URL"):
        inherited(model_dir=".")


# 2.2 The other modules


def test_download_ls_dataset() -> None:
    studio = FakeStudio()
    try:
        studio.add(4, 41, 42)
        tasks = download_ls_dataset(studio.url, TOKEN, 4)
    finally:
        studio.stop()
    assert [task["id"] for task in tasks] == [41, 42]
    assert tasks[0]["annotations"][0]["result"][0]["value"] == {"choices": ["good"]}


class Choices(LabelStudioMLChoices):
    """A classifier as the oldest examples have it."""

    def predict2(self, X, y=None, **kwargs):
        return [["good"] for _ in X], [0.5 for _ in X]

    def fit2(self, X, y, **kwargs):
        return {"X": X, "y": y, "workdir": bool(kwargs.get("workdir"))}


@pytest.mark.parametrize("key", ["annotations", "completions"])
def test_the_oldest_base_classes(key: str) -> None:
    made = Choices(label_config=CONFIG)
    assert (made.from_name, made.to_name, made.value) == ("label", "text", "text")
    (prediction,) = made.predict([{"data": {"text": "x"}}])
    region = {"from_name": "label", "to_name": "text", "type": "choices", "value": {"choices": ["good"]}}
    assert prediction == {"result": [region], "score": 0.5}
    done = {"data": {"text": "x"}, key: [{"result": [region]}]}
    assert made.fit([done, {"data": {"text": "y"}}]) == {
        "X": ["x", "y"],
        "y": [["good"], None],
        "workdir": False,
    }
    assert not made._has_annotation({"data": {}})


def test_the_oldest_base_class_for_other_label_configs() -> None:
    with pytest.raises(ValueError, match="<Choices>"):
        Choices(label_config="<View><Text name='t' value='$t'/><Labels name='l' toName='t'/></View>")

    class Own(LabelStudioMLBaseHelper):
        def prepare_tasks(self, tasks, workdir=None, **kwargs):
            return [task["id"] for task in tasks], None

        def predict2(self, X, y=None, **kwargs):
            return X

        def convert_predictions(self, predictions, **kwargs):
            return [{"result": [], "score": float(number)} for number in predictions]

        def fit2(self, X, y, **kwargs):
            return {}

    assert Own().predict([{"id": 3}]) == [{"result": [], "score": 3.0}]


def test_deploy_to_gcp_says_what_to_run() -> None:
    args = SimpleNamespace(project_name="My_backend", root_dir="a b", gcp_region=None, gcp_project="p")
    with pytest.raises(
        Unsupported, match=r"gcloud run deploy my-backend .*--source 'a b/My_backend' .*us-central1"
    ):
        server.deploy_to_gcp(args)


def test_special_match() -> None:
    assert [server.special_match(text) for text in ("my-backend", "my_backend", "Mine", "")] == [
        False,
        True,
        True,
        False,
    ]


# 2.4 The environment, and 2.5 what a class may assign


def test_what_was_a_plain_attribute_may_be_assigned() -> None:
    class First(LabelStudioMLBase):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.model_version = "mine"
            self.parsed_label_config = {"a": {}}
            self.extra_params = {"b": 1}
            self.label_config = CONFIG

    made = First()
    assert (made.model_version, made.extra_params, made.label_config) == ("mine", {"b": 1}, CONFIG)


def test_the_key_value_pairs_are_text() -> None:
    made = LabelStudioMLBase(project_id="7", label_config=CONFIG)
    made.set("key", "value")
    assert (made.get("key"), made.has("key"), made.has("other")) == ("value", True, False)
    assert made.get("label_config") == CONFIG
    assert list(json.loads(made.get("parsed_label_config") or "")) == ["label"]
    with pytest.raises(ValueError, match="text"):
        made.set("key", {"a": 1})  # type: ignore[arg-type]


# label_studio_tools, a distribution that the first generation depended on

#: What the model files of that generation import from it.
TOOLS = """
from label_studio_tools.core.label_config import parse_config
from label_studio_tools.core.utils.io import get_data_dir, get_cache_dir, get_local_path
from label_studio_tools.core.utils.params import get_bool_env, get_env
"""


def _tools_backend(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "model.py").write_text(
        f"{TOOLS}from label_studio_ml.model import LabelStudioMLBase\nimport label_studio_tools.core.utils.io as io\n"
        "class Mine(LabelStudioMLBase):\n    where = io.__file__\n    parse = staticmethod(parse_config)\n"
        "    get_local_path = staticmethod(get_local_path)\n"
    )
    return folder


def _python(code: str, cwd: Path) -> list[str]:
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, cwd=cwd, timeout=120, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


LOAD = (
    "import sys\nfrom pathlib import Path\n"
    "from label_studio_ml.user_code.import_scan import missing_modules\n"
    "from label_studio_ml.user_code.loading import load_class\n"
    "from label_studio_ml.user_code.model_source import locate\n"
    "source = locate(Path('.'))\nmissing = missing_modules(source.script)\n"
    "early = 'label_studio_tools' in sys.modules or 'label_studio_sdk' in sys.modules\n"
    "cls = load_class(source)\n"
)


def test_user_code_gets_the_sdks_label_studio_tools(tmp_path: Path) -> None:
    folder = _tools_backend(tmp_path / "be")
    code = (
        f"{LOAD}print(cls.where)\nprint(missing, early)\nprint(cls.parse({CONFIG!r})['label']['to_name'])\n"
        "try: cls.get_local_path('/data/local-files/?d=etc/hostname', hostname='http://127.0.0.1:9')\n"
        "except Exception: print('refused')\n"
        "from label_studio_ml.user_code.import_scan import required_distributions\n"
        "print(required_distributions(source.script))\n"
    )
    where, *rest = _python(code, folder)
    assert where.endswith("label_studio_sdk/_extensions/label_studio_tools/core/utils/io.py")
    assert rest == ["[] False", "['text']", "refused", "[]"]


def test_it_is_there_below_gunicorn_and_in_a_prompt(tmp_path: Path) -> None:
    code = "import label_studio_ml.model, sys\nassert 'label_studio_sdk' not in sys.modules\n"
    assert _python(f"{code}{TOOLS}print(get_env('NOTHING_HERE', 'x'))", tmp_path) == ["x"]


def test_an_installed_label_studio_tools_wins(tmp_path: Path) -> None:
    folder = _tools_backend(tmp_path / "be")
    utils = tmp_path / "installed" / "label_studio_tools" / "core" / "utils"
    utils.mkdir(parents=True)
    for place in (utils, utils.parent, utils.parent.parent):
        (place / "__init__.py").write_text("")
    (utils.parent / "label_config.py").write_text("parse_config = str.upper\n")
    (utils / "io.py").write_text("get_local_path = get_data_dir = get_cache_dir = None\n")
    (utils / "params.py").write_text("get_bool_env = get_env = None\n")
    code = f"import sys; sys.path.append({str(tmp_path / 'installed')!r})\n{LOAD}print(cls.where, cls.parse('a'))\n"
    code += "try: import label_studio_tools.postprocessing\nexcept ImportError: print('not there')\n"
    code += "from label_studio_ml.user_code.import_scan import required_distributions\n"
    code += "print(required_distributions(source.script))\n"
    assert _python(code, folder) == [f"{utils / 'io.py'} A", "not there", "['label-studio-tools']"]


def test_without_our_package_loaded_nothing_is_offered(tmp_path: Path) -> None:
    code = (
        "import sys, label_studio_ml, label_studio_ml.config.settings, label_studio_ml.cli.main\n"
        "try: import label_studio_tools\nexcept ModuleNotFoundError as error: print(error)\n"
    )
    assert _python(code, tmp_path) == ["No module named 'label_studio_tools'"]


def test_objects_of_the_sdk_are_where_model_files_of_2024_look_for_them(tmp_path: Path) -> None:
    (tmp_path / "model.py").write_text(
        "from label_studio_sdk.objects import PredictionValue\nfrom label_studio_ml.model import LabelStudioMLBase\n"
        "class Mine(LabelStudioMLBase):\n    prediction = PredictionValue\n"
    )
    code = (
        f"{LOAD}from label_studio_sdk.label_interface.objects import PredictionValue\n"
        "print(missing, cls.prediction is PredictionValue)\n"
        "try: from label_studio_sdk.objects import Other\nexcept ImportError: print('not there')\n"
    )
    assert _python(code, tmp_path) == ["[] True", "not there"]
