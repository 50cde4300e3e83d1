"""Every environment variable, there and back."""

from dataclasses import fields, replace
from pathlib import Path
from urllib.parse import quote

import pytest

from label_studio_ml.config.file_settings import FileSettings
from label_studio_ml.config.http_settings import HttpSettings
from label_studio_ml.config.setting_values import InvalidPredictions
from label_studio_ml.config.settings import DEFAULT_MAX_BODY, Settings
from label_studio_ml.config.tracker_settings import TrackerSettings
from label_studio_ml.errors import SettingsError


def _read(tmp_path: Path, **environ: str) -> Settings:
    return Settings.from_env(environ, backend_dir=tmp_path)


def test_an_empty_environment(tmp_path: Path) -> None:
    assert _read(tmp_path) == Settings(
        backend_dir=tmp_path,
        model_dir=tmp_path / "data",
        log_dir=tmp_path / "logs",
        max_body=DEFAULT_MAX_BODY,
    )


@pytest.mark.parametrize(
    ("variable", "text", "name", "value"),
    [
        ("LABEL_STUDIO_ML_SCRIPT", "model.py", "script", Path("model.py")),
        ("LABEL_STUDIO_ML_CLASS", "Mine", "class_name", "Mine"),
        ("LABEL_STUDIO_ML_INIT", '{"a": [1, null]}', "init_kwargs", {"a": [1, None]}),
        ("MODEL_DIR", "here", "user_model_dir", Path("here")),
        ("MODEL_ROOT", "there", "model_root", Path("there")),
        ("REDIS_URL", "redis://:p%40ss@host:1/2", "redis_url", "redis://:p%40ss@host:1/2"),
        ("REDIS_URL", "unix:///tmp/x?db=0", "redis_url", "unix:///tmp/x?db=0"),
        ("REDIS_HOST", "redis", "redis_url", "redis://redis:6379/0"),
        ("RQ_QUEUE_NAME", "mine", "queue", "mine"),
        ("LABEL_STUDIO_URL", "http://ls:8080/sub/", "studio_url", "http://ls:8080/sub"),
        ("LABEL_STUDIO_HOST", "http://ls:8080", "studio_url", "http://ls:8080"),
        ("LABEL_STUDIO_API_KEY", "key", "studio_api_key", "key"),
        ("LABEL_STUDIO_ACCESS_TOKEN", "key", "studio_api_key", "key"),
        ("VERIFY_SSL", "0", "studio_verify_tls", False),
        ("VERIFY_SSL", "False", "studio_verify_tls", False),
        ("VERIFY_SSL", "on", "studio_verify_tls", True),
        ("LOCAL_FILES_DOCUMENT_ROOT", "/files", "document_root", Path("/files")),
        ("LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT", "/files", "document_root", Path("/files")),
        ("HEARTEX_LOCAL_FILES_DOCUMENT_ROOT", "/files", "document_root", Path("/files")),
        ("LOG_LEVEL", "debug", "log_level", "DEBUG"),
        ("LOG_LEVEL", "", "log_level", "INFO"),
        ("LABEL_STUDIO_ML_MAX_BODY", "2048", "max_body", 2048),
        ("LABEL_STUDIO_ML_LEASE", "2.5", "lease", 2.5),
        ("LABEL_STUDIO_ML_SWEEP", "0.5", "sweep", 0.5),
        ("LABEL_STUDIO_ML_WORKERS", "3", "workers", 3),
        ("LABEL_STUDIO_ML_LINGER", "5", "linger", 5.0),
        ("LABEL_STUDIO_ML_DRAIN", "20", "drain", 20.0),
        ("LABEL_STUDIO_ML_TRAINING_GRACE", "600", "grace", 600.0),
        ("LOG_FORMAT", "JSON", "log_json", True),
        ("LABEL_STUDIO_ML_ISOLATION", "off", "separate", False),
        ("LABEL_STUDIO_ML_ISOLATION", "label-config", "separate", True),
        ("LABEL_STUDIO_ML_MAX_LABEL_CONFIGS", "2", "max_label_configs", 2),
        ("FIT_TIMEOUT", "0.5", "fit_timeout", 0.5),
        ("FIT_TIMEOUT", "0", "fit_timeout", 0.0),
        ("CANCEL_GRACE", "0", "cancel_grace", 0.0),
        ("TRAIN_EVERY", "0", "train_every", 0),
        ("QUIET_PERIOD", "0", "quiet_period", 0.0),
        ("QUIET_PERIOD", "", "quiet_period", None),
        ("MIN_ANNOTATIONS", "20", "min_annotations", 20),
        ("PREDICT_AFTER_TRAINING", "off", "predict_after_training", ""),
        ("PREDICT_AFTER_TRAINING", "unlabelled", "predict_after_training", "unlabelled"),
    ],
)
def test_a_variable(tmp_path: Path, variable: str, text: str, name: str, value: object) -> None:
    settings = _read(tmp_path, **{variable: text})
    assert getattr(settings, name) == value
    assert Settings.from_env(settings.to_env()) == settings


def test_folders_are_seen_from_the_backend(tmp_path: Path) -> None:
    settings = _read(tmp_path, MODEL_DIR="m", LABEL_STUDIO_ML_LOG_DIR="l")
    assert (settings.model_dir, settings.log_dir) == (tmp_path / "m", tmp_path / "l")
    assert _read(tmp_path, MODEL_DIR="/elsewhere").model_dir == Path("/elsewhere")
    assert Settings.from_env({"LABEL_STUDIO_ML_DIR": str(tmp_path)}).backend_dir == tmp_path


@pytest.mark.parametrize("prefix", ["BASIC_AUTH", "ML_SERVER_BASIC_AUTH"])
def test_login(tmp_path: Path, prefix: str) -> None:
    settings = _read(tmp_path, **{f"{prefix}_USER": "u", f"{prefix}_PASS": "p"})
    assert (settings.basic_auth_user, settings.basic_auth_pass) == ("u", "p")


def test_the_parts_of_a_redis_address(tmp_path: Path) -> None:
    settings = _read(tmp_path, REDIS_HOST="h", REDIS_PORT="7", REDIS_PASSWORD="p@/ss")
    assert settings.redis_url == "redis://:p%40%2Fss@h:7/0"
    assert _read(tmp_path, REDIS_HOST="h", REDIS_URL="redis://other").redis_url == "redis://other"


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("LABEL_STUDIO_ML_INIT", "{"),
        ("LABEL_STUDIO_ML_INIT", "[1]"),
        ("REDIS_URL", "host:6379"),
        ("VERIFY_SSL", "maybe"),
        ("LOG_LEVEL", "loud"),
        ("LABEL_STUDIO_ML_MAX_BODY", "much"),
        ("LABEL_STUDIO_ML_MAX_BODY", "-1"),
        ("LABEL_STUDIO_ML_LEASE", "0"),
        ("LABEL_STUDIO_ML_LEASE", "nan"),
        ("LABEL_STUDIO_ML_SWEEP", "inf"),
        ("LABEL_STUDIO_ML_SWEEP", "often"),
        ("LABEL_STUDIO_ML_ISOLATION", "project"),
        ("LABEL_STUDIO_ML_MAX_LABEL_CONFIGS", "0"),
        ("PROMOTE_IF", "accuracy is good"),
        ("KEEP_VERSIONS", "-1"),
        ("KEEP_VERSIONS", "all"),
        ("LABEL_STUDIO_ML_KEEP_JOB_LOGS", "-1"),
        ("PREDICT_AFTER_TRAINING", "some"),
        ("PREDICT_AFTER_TRAINING_RATE", "-1"),
    ],
)
def test_a_bad_value_names_the_variable(tmp_path: Path, variable: str, text: str) -> None:
    with pytest.raises(SettingsError) as caught:
        _read(tmp_path, **{variable: text})
    assert variable in str(caught.value)
    assert caught.value.field == variable


def test_a_blank_value_counts_as_none(tmp_path: Path) -> None:
    names = (
        "KEEP_VERSIONS",
        "LOG_FORMAT",
        "LABEL_STUDIO_ML_ISOLATION",
        "PREDICT_AFTER_TRAINING",
        "TRAIN_EVERY",
    )
    assert _read(tmp_path, **dict.fromkeys(names, " ")) == _read(tmp_path)


def test_a_bad_port(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="REDIS_PORT"):
        _read(tmp_path, REDIS_HOST="h", REDIS_PORT="x")


@pytest.mark.parametrize(("given", "missing"), [("USER", "PASS"), ("PASS", "USER")])
def test_half_a_login(tmp_path: Path, given: str, missing: str) -> None:
    with pytest.raises(SettingsError) as caught:
        _read(tmp_path, **{f"BASIC_AUTH_{given}": "x"})
    assert caught.value.field == f"BASIC_AUTH_{missing}"


def test_the_password_of_a_bad_redis_address_is_not_shown(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        _read(tmp_path, REDIS_URL="http://:CANARY@host")
    assert "CANARY" not in str(caught.value)


#: Groups of settings, each of which has another value than its default.
FILES = FileSettings(
    cache_bytes=3 << 20,
    max_bytes=1 << 19,
    timeout=2.5,
    private=("10.0.0.0/8", "images"),
    cloud_roots=("s3://bucket/prefix", "gs://other"),
)
HTTP = HttpSettings(allowed_hosts=("ml.example.com", ".internal"), max_in_flight=3 << 20)
TRACKERS = TrackerSettings(
    names=("mlflow", "tensorboard"),
    experiment="boats",
    artifact_bytes=0,
    mlflow_page="https://mlflow.example.com",
    tensorboard_page="http://localhost:6006",
    tensorboard_dir=Path("events"),
)


def _all_set(tmp_path: Path) -> Settings:
    return Settings(
        backend_dir=tmp_path,
        script=tmp_path / "m.py",
        class_name="C",
        init_kwargs={"a": 1, "b": "ü"},
        model_dir=tmp_path / "m",
        user_model_dir=Path("m"),
        model_root=Path("r"),
        log_dir=tmp_path / "l",
        redis_url="redis://:CANARY@h",
        queue="q",
        basic_auth_user="u",
        basic_auth_pass="CANARY",
        studio_url="http://ls",
        studio_api_key="CANARY",
        studio_verify_tls=False,
        document_root=Path("/files"),
        files=FILES,
        http=HTTP,
        trackers=TRACKERS,
        log_level="ERROR",
        max_body=4096,
        lease=1.5,
        sweep=0.25,
        fit_timeout=60.0,
        cancel_grace=1.5,
        model_workers=3,
        drain_first=True,
        separate=False,
        max_label_configs=3,
        workers=3,
        linger=1.5,
        drain=20.0,
        grace=60.0,
        log_json=True,
        devices=("0", "GPU-1"),
        promote_if="accuracy >= current",
        keep_job_logs=7,
        keep_versions=0,
        model_version="v 1",
        store_url="s3://bucket/prefix",
        model_cache_bytes=3 << 20,
        train_every=0,
        quiet_period=0.5,
        min_annotations=7,
        once_cache_bytes=5 << 20,
        once_memory_bytes=6 << 20,
        prewarm=3,
        invalid_predictions=InvalidPredictions.SEND,
        predict_after_training="all",
        predict_rate=2.5,
        python="python3.12",
        python_path=("/a b", "/c"),
        threads=3,
        use_redis=True,
        spool_events=7,
        spool_bytes=3 << 20,
    )


def test_model_dir_is_absolute_for_user_code(tmp_path: Path) -> None:
    settings = _read(tmp_path, MODEL_DIR="here")
    assert settings.child_env()["MODEL_DIR"] == str(tmp_path / "here")
    assert Settings.from_env(settings.child_env()).model_dir == settings.model_dir
    assert "MODEL_DIR" not in _read(tmp_path).child_env()


def test_every_setting_goes_there_and_back(tmp_path: Path) -> None:
    settings = _all_set(tmp_path)
    default = Settings(backend_dir=Path())
    unset = [
        one.name for one in fields(settings) if getattr(settings, one.name) == getattr(default, one.name)
    ]
    assert unset == [], "a new setting needs a value here"
    assert Settings.from_env(settings.to_env()) == settings


def test_secrets_are_not_shown(tmp_path: Path) -> None:
    assert "CANARY" not in repr(_all_set(tmp_path))


def test_a_child_gets_our_environment_with_the_settings_over_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "somewhere")
    monkeypatch.setenv("LOG_LEVEL", "INFO")
    env = replace(_all_set(tmp_path), log_level="DEBUG").child_env()
    assert env["HOME"] == "somewhere"
    assert env["LOG_LEVEL"] == "DEBUG"


def test_a_setting_that_was_emptied_is_not_inherited_by_a_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    aliases = {"LABEL_STUDIO_HOST": "http://ls", "ML_SERVER_BASIC_AUTH_PASS": "p", "REDIS_HOST": "h"}
    for name, value in {**_all_set(tmp_path).to_env(), **aliases, "LABEL_STUDIO_USE_REDIS": "true"}.items():
        monkeypatch.setenv(name, value)
    empty = Settings(backend_dir=tmp_path, model_dir=tmp_path / "data", log_dir=tmp_path / "logs")
    child = Settings.from_env(empty.child_env())
    assert replace(child, files=replace(child.files, cloud=empty.files.cloud)) == empty
    without_store = replace(_all_set(tmp_path), store_url="", redis_url="", user_model_dir=None).child_env()
    assert not {"MODEL_DIR", "REDIS_URL", "REDIS_HOST", "USE_REDIS"} & without_store.keys()


def test_what_a_child_inherits_though_the_settings_do_not_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("CUDA_VISIBLE_DEVICES", ""), ("CACHE_DIR", "/cache"), ("REDIS_HOST", "h")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("USE_REDIS", "false")
    child = Settings.from_env(backend_dir=tmp_path).child_env()
    assert child["CUDA_VISIBLE_DEVICES"] == "", "CUDA offers no GPU then"
    assert child["CACHE_DIR"] == "/cache", "without a store, it belongs to the user's code"
    assert (child["REDIS_HOST"], child["USE_REDIS"]) == ("h", "false")


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("REDIS_URL", "redis_url"),
        ("BASIC_AUTH_PASS", "basic_auth_pass"),
        ("LABEL_STUDIO_API_KEY", "studio_api_key"),
    ],
)
def test_a_secret_may_lie_in_a_file(
    tmp_path: Path, name: str, field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    value = "redis://:p@host:1/2"
    (tmp_path / "secret").write_text(f"{value}\n")
    env = {f"{name}_FILE": str(tmp_path / "secret"), "BASIC_AUTH_USER": "u", "BASIC_AUTH_PASS": "p"}
    env.pop(name, None)
    settings = _read(tmp_path, **env)
    assert getattr(settings, field) == value
    monkeypatch.setenv(f"{name}_FILE", env[f"{name}_FILE"])
    child = settings.child_env()
    assert child[name] == value
    assert f"{name}_FILE" not in child, "a child would find it set twice"
    with pytest.raises(SettingsError, match=f"{name} and {name}_FILE are both set"):
        _read(tmp_path, **env, **{name: "x"})


def test_a_secret_whose_file_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="REDIS_URL_FILE cannot be read") as error:
        _read(tmp_path, REDIS_URL_FILE=str(tmp_path / "missing"))
    assert error.value.field == "REDIS_URL_FILE"


def test_the_parts_of_a_redis(tmp_path: Path) -> None:
    ca = tmp_path / "ca.crt"
    ca.touch()
    parts = {
        "REDIS_HOST": "h",
        "REDIS_PORT": "1",
        "REDIS_DB": "3",
        "REDIS_USERNAME": "u",
        "REDIS_PASSWORD": "a/b",
    }
    assert _read(tmp_path, **parts).redis_url == "redis://u:a%2Fb@h:1/3"
    tls = _read(tmp_path, **parts, REDIS_SSL="true", REDIS_CA_FILE=str(ca))
    assert tls.redis_url == f"rediss://u:a%2Fb@h:1/3?ssl_ca_certs={quote(str(ca), safe='')}"
    assert Settings.from_env(tls.to_env()) == tls
    with pytest.raises(SettingsError, match="does not use TLS"):
        _read(tmp_path, **parts, REDIS_CA_FILE=str(ca))
    with pytest.raises(SettingsError, match="cannot be read"):
        _read(tmp_path, **parts, REDIS_SSL="true", REDIS_CA_FILE=str(tmp_path / "missing"))


def test_the_parts_of_a_redis_address_are_not_read_in_vain(tmp_path: Path) -> None:
    kubernetes = {"REDIS_PORT": "tcp://10.0.0.1:6379"}
    assert _read(tmp_path, **kubernetes).redis_url == ""
    assert _read(tmp_path, **kubernetes, REDIS_URL="redis://h").redis_url == "redis://h"
    assert _read(tmp_path, **kubernetes, REDIS_HOST="h", USE_REDIS="false").redis_url == ""


def test_sizes_of_files_go_there_and_back(tmp_path: Path) -> None:
    files = FileSettings(cache_bytes=104_857, max_bytes=(1 << 40) + 1, timeout=12_345.75)
    settings = replace(_read(tmp_path), files=files)
    assert Settings.from_env(settings.to_env()).files == files


def test_the_rate_of_predictions_is_not_in_seconds(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="'-1' is not a number of tasks per second from 0 to 1,000,000"):
        _read(tmp_path, PREDICT_AFTER_TRAINING_RATE="-1")
