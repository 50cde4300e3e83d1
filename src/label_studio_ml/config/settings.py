"""All settings of a backend. Environment variables are read here and nowhere else.

The parent process reads its settings once and passes them to its child processes as environment variables:
`Settings.from_env(settings.to_env())` equals `settings`. Variable names of older backends are accepted as well.
"""

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from label_studio_ml.config.file_settings import FileSettings
from label_studio_ml.config.http_settings import HttpSettings
from label_studio_ml.config.login_rules import check_logins
from label_studio_ml.config.metric_gate import parse_gate
from label_studio_ml.config.redis_variables import RedisVariables, check_url, redis_url
from label_studio_ml.config.setting_values import (
    BOOLEAN,
    BYTES,
    DAY,
    EXACT_TEXT,
    FOLDERS,
    JSON_OBJECT,
    MAX_LABEL_CONFIGS,
    MAX_MEGABYTES,
    MAX_PROCESSES,
    MAX_THREADS,
    MEGABYTE,
    PROGRAM,
    TEXT,
    URL,
    WORDS,
    InvalidPredictions,
    Kind,
    PathUse,
    choice,
    integer,
    number,
    path_for,
)
from label_studio_ml.config.tracker_settings import TrackerSettings
from label_studio_ml.config.variables import VARIABLE, Variable, declared, prefixed, read, setting, written
from label_studio_ml.errors import SettingsError

#: Largest accepted request body, in bytes. Label Studio sends a whole selection of tasks in one request: 1,200 small
#: tasks measured 0.6 MB, so the limit corresponds to some two million of them.
DEFAULT_MAX_BODY = 1 << 30

DEFAULT_PORT = 9090

#: Seconds after which a worker's lease of a project expires without renewal.
DEFAULT_LEASE = 30.0

#: Seconds between two searches for projects with pending events and no scheduled training.
DEFAULT_SWEEP = 10.0

#: The most webhook events in the spool on the disk while Redis is unreachable, and their most MiB.
DEFAULT_SPOOL_EVENTS, DEFAULT_SPOOL_MB = 100_000, 1024

#: The most label configs with model processes of their own at a time.
DEFAULT_LABEL_CONFIGS = 8

LOG_FORMAT = "[%(asctime)s] [%(levelname)s] [%(name)s::%(funcName)s::%(lineno)d] %(message)s"

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def _store_location(name: str, location: str) -> str:
    """Return MODEL_DIR, a folder or a URL without a slash at its end. Raises SettingsError if a URL has no bucket."""
    if "://" not in location:
        return location
    if not location.partition("://")[2].strip("/"):
        raise SettingsError(
            f"{name}={location} names no bucket", fix="Use a URL such as s3://bucket/prefix", field=name
        )
    return location.rstrip("/")


def _gate(name: str, text: str) -> str:
    """Return a metric gate as it is. Raises SettingsError if it cannot be parsed."""
    try:
        parse_gate(text)
    except ValueError as error:
        raise SettingsError(
            f"{name}={text!r} cannot be read: {error}", fix="Example: accuracy >= current", field=name
        ) from None
    return text


def _log_level(name: str, text: str) -> str:
    level = text.upper()
    if level not in LOG_LEVELS:
        raise SettingsError(
            f"{name}={level!r} is unknown", fix=f"Use one of {', '.join(LOG_LEVELS)}", field=name
        )
    return level


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a backend, each with its kind of value, its environment variables and its meaning.

    In place of None, and of an empty `promote_if`, the model class's values apply. `model_dir` is the folder for
    versions, state and the embedded broker's data; `user_model_dir` is the same folder as the user has set it, or None.
    If `MODEL_DIR` is a URL, that is `store_url`, and the two are this machine's own folder (`CACHE_DIR`).
    """

    # fmt: off
    # The model
    backend_dir: Path = field(metadata={VARIABLE: Variable("LABEL_STUDIO_ML_DIR", path_for(PathUse.FOLDER),
        "the backend's folder", "the command's DIR, else the current folder")})
    script: Path | None = setting("LABEL_STUDIO_ML_SCRIPT", path_for(PathUse.FILE, in_backend=True), None,
        "the model file", "`model.py` in the backend's folder")
    class_name: str = setting("LABEL_STUDIO_ML_CLASS", TEXT, "",
        "the class in the model file", "the only one")
    init_kwargs: Mapping[str, Any] = field(default_factory=dict, metadata={VARIABLE: Variable(
        "LABEL_STUDIO_ML_INIT", JSON_OBJECT, "further constructor arguments, a JSON object (also `--with KEY=VAL`)")})
    python: str = setting("LABEL_STUDIO_ML_PYTHON", PROGRAM, "",
        "the Python that runs model processes and trainings",
        "the one that runs the server; below uWSGI and Apache the one of its environment")
    python_path: tuple[str, ...] = setting("LABEL_STUDIO_ML_PYTHONPATH", FOLDERS, (),
        "further folders from which user code imports, as in `PYTHONPATH`")
    model_root: Path | None = setting("MODEL_ROOT", path_for(PathUse.OUTPUT_FOLDER), None,
        "a folder for weights, which model files read from the environment")

    # Versions
    store_url: str = setting("MODEL_DIR", Kind(_store_location, verbatim=True), "",
        "versions and state: a folder, or the URL of a store ([stores](production.md#versions-in-an-object-store))",
        "`data` in the backend's folder")
    user_model_dir: Path | None = setting("CACHE_DIR", path_for(PathUse.OUTPUT_FOLDER, in_backend=True), None,
        "if `MODEL_DIR` is a URL: this machine's own folder", "`data` in the backend's folder")
    model_dir: Path = Path("data")
    model_cache_bytes: int = setting("MODEL_CACHE_MB", integer(1, MEGABYTE, maximum=MAX_MEGABYTES), 20480 * MEGABYTE,
        "if `MODEL_DIR` is a URL: MiB of versions kept on this machine, besides those that are served")
    keep_versions: int | None = setting("KEEP_VERSIONS", integer(0), None,
        "versions of a project that are kept; 0: all ([versions.md](versions.md#what-stays-on-the-disk))",
        "`keep_versions` of the class")
    promote_if: str = setting("PROMOTE_IF", Kind(_gate), "",
        "condition on a new version's metrics for serving it ([metric gate](versions.md#the-metric-gate))",
        "`promote_if` of the class")
    model_version: str = setting("MODEL_VERSION", TEXT, "",
        "name of the version to serve, in projects that have it ([versions.md](versions.md#which-one-is-served))")

    # Redis
    redis_url: str = setting("REDIS_URL", Kind(check_url), "",
        "`redis://`, `rediss://` (TLS) or `unix://`, user and password included", "`start`: its own broker",
        secret=True)
    use_redis: bool | None = setting(prefixed("USE_REDIS"), BOOLEAN, None,
        "`false`: ignore `REDIS_HOST`; `true`: `REDIS_HOST` is localhost if it is not set")
    queue: str = setting("RQ_QUEUE_NAME", TEXT, "",
        "queue on which workers are woken, one for each backend "
        "([several backends](production.md#several-backends-on-one-redis))",
        "`label-studio-ml-` and the backend's id; with its own broker `label-studio-ml`")
    spool_events: int = setting("SPOOL_EVENTS", integer(1), DEFAULT_SPOOL_EVENTS,
        "webhook events that a server keeps on its disk while Redis is unreachable")
    spool_bytes: int = setting("SPOOL_MB", integer(1, MEGABYTE, maximum=MAX_MEGABYTES), DEFAULT_SPOOL_MB * MEGABYTE,
        "size limit of these events in MiB")

    # HTTP and Label Studio
    http: HttpSettings = field(default_factory=HttpSettings)
    basic_auth_user: str = setting("BASIC_AUTH_USER ML_SERVER_BASIC_AUTH_USER", EXACT_TEXT, "",
        "user of the login that clients need", secret=True)
    basic_auth_pass: str = setting("BASIC_AUTH_PASS ML_SERVER_BASIC_AUTH_PASS", EXACT_TEXT, "",
        "password of this login", secret=True)
    max_body: int = setting("LABEL_STUDIO_ML_MAX_BODY", BYTES, DEFAULT_MAX_BODY,
        "largest request body in bytes")
    studio_url: str = setting("LABEL_STUDIO_URL LABEL_STUDIO_HOST", URL, "",
        "where Label Studio is", "what `/setup` says")
    studio_api_key: str = setting("LABEL_STUDIO_API_KEY LABEL_STUDIO_ACCESS_TOKEN", EXACT_TEXT, "",
        "token for Label Studio's API: a personal access token or a legacy token", "what `/setup` says", secret=True)
    studio_verify_tls: bool = setting("VERIFY_SSL", BOOLEAN, True,
        "check the TLS certificates of Label Studio and of file servers")
    document_root: Path | None = setting(prefixed("LOCAL_FILES_DOCUMENT_ROOT"), path_for(PathUse.FOLDER), None,
        "folder with Label Studio's local files, if this machine has it too ([files.md](files.md))")
    files: FileSettings = field(default_factory=FileSettings)

    # Model processes and predictions
    model_workers: int = setting("LABEL_STUDIO_ML_MODEL_WORKERS", integer(1, maximum=MAX_PROCESSES), 1,
        f"processes that run the model, at most {MAX_PROCESSES} (also `--model-workers`)")
    devices: tuple[str, ...] = setting("CUDA_VISIBLE_DEVICES", WORDS, (),
        "GPUs; each model process gets one of them", "all")
    threads: int | None = setting("LABEL_STUDIO_ML_THREADS", integer(1, maximum=MAX_THREADS), None,
        f"calls of `predict` at a time in a model process, at most {MAX_THREADS}, if the class sets no `concurrency` "
        "(also `--threads`)",
        "1; below gunicorn, uWSGI and mod_wsgi their threads")
    separate: bool = setting("LABEL_STUDIO_ML_ISOLATION", choice({"label-config": True, "off": False}), True,
        "`label-config`: projects with different label configs do not share model processes; `off`: all projects share "
        "them ([scaling.md](scaling.md))")
    max_label_configs: int = setting("LABEL_STUDIO_ML_MAX_LABEL_CONFIGS", integer(1, maximum=MAX_LABEL_CONFIGS),
        DEFAULT_LABEL_CONFIGS, f"label configs that have model processes at a time, at most {MAX_LABEL_CONFIGS}")
    drain_first: bool = setting("LOAD", choice({"beside": False, "drain-first": True}), False,
        "`beside`: a new version loads beside the old one; `drain-first`: after the old one has left the memory")
    once_cache_bytes: int = setting("ONCE_CACHE_MB", integer(0, MEGABYTE, maximum=MAX_MEGABYTES), 4096 * MEGABYTE,
        "MiB of values of `self.once` in `MODEL_DIR/once`; 0: none ([interactive.md](interactive.md#once-per-file))")
    once_memory_bytes: int = setting("ONCE_MEMORY_MB", integer(0, MEGABYTE, maximum=MAX_MEGABYTES), 256 * MEGABYTE,
        "MiB of these values in the memory of each process; 0: none")
    prewarm: int = setting("PREWARM", integer(0, maximum=1000), 0,
        "tasks after that of an interactive request for which idle processes call `prewarm` of the class "
        "([interactive.md](interactive.md#the-next-tasks))")
    invalid_predictions: InvalidPredictions = setting("INVALID_PREDICTIONS",
        choice({mode.value: mode for mode in InvalidPredictions}), InvalidPredictions.REFUSE,
        "`refuse`, `repair` or `send` predictions that Label Studio cannot show; `error`: refuse all with a problem "
        "([predict.md](predict.md#predictions-that-label-studio-cannot-show))")
    predict_after_training: str = setting("PREDICT_AFTER_TRAINING",
        choice({"off": "", "unlabelled": "unlabelled", "all": "all"}), "",
        "tasks that get predictions of a new version: `off`, `unlabelled` or `all` ([predict.md](predict.md))")
    predict_rate: float = setting("PREDICT_AFTER_TRAINING_RATE", number(0.0, "tasks per second", maximum=1e6), 10.0,
        "the most of these tasks per second; 0: no limit")

    # Training
    workers: int = setting("LABEL_STUDIO_ML_WORKERS", integer(1, maximum=MAX_PROCESSES), 1,
        f"training workers of `start` and `worker`, at most {MAX_PROCESSES} (also `--workers`)")
    train_every: int | None = setting("TRAIN_EVERY", integer(0), None,
        "train after so many new annotations; 0: only when asked ([training.md](training.md#when-to-train))",
        "`train_every` of the class")
    quiet_period: float | None = setting("QUIET_PERIOD", number(0.0), None,
        "seconds without an event before a training starts", "`quiet_period` of the class")
    min_annotations: int | None = setting("MIN_ANNOTATIONS", integer(0), None,
        "labelled tasks that a project needs for a training", "`min_annotations` of the class")
    fit_timeout: float | None = setting("FIT_TIMEOUT", number(0.0), None,
        "seconds that a training may take; 0: any", "`fit_timeout` of the class")
    cancel_grace: float | None = setting("CANCEL_GRACE", number(0.0), None,
        "seconds that a cancelled training has to stop by itself", "`cancel_grace` of the class")
    lease: float = setting("LABEL_STUDIO_ML_LEASE", number(1.0, maximum=DAY), DEFAULT_LEASE,
        "seconds after which a dead worker's project can be trained by another worker")
    sweep: float = setting("LABEL_STUDIO_ML_SWEEP", number(0.1, maximum=DAY), DEFAULT_SWEEP,
        "seconds between two searches for events without a scheduled training")
    trackers: TrackerSettings = field(default_factory=TrackerSettings)

    # Shutdown and logs
    linger: float = setting("LABEL_STUDIO_ML_LINGER", number(0.0, maximum=DAY), 0.0,
        "seconds after SIGTERM in which a server says that it is not ready and still accepts requests")
    drain: float = setting("LABEL_STUDIO_ML_DRAIN", number(0.0, maximum=DAY), 10.0,
        "seconds that requests in flight have after that")
    grace: float = setting("LABEL_STUDIO_ML_TRAINING_GRACE", number(0.0), 0.0,
        "seconds that a running training has after SIGTERM before it is put back")
    log_dir: Path = setting("LABEL_STUDIO_ML_LOG_DIR", path_for(PathUse.OUTPUT_FOLDER, in_backend=True), Path("logs"),
        "folder of the log files, relative to the backend's folder")
    log_level: str = setting("LOG_LEVEL", Kind(_log_level), "INFO",
        "least severe messages in the logs: `DEBUG`, `INFO`, `WARNING`, `ERROR` or `CRITICAL`")
    log_json: bool = setting("LOG_FORMAT", choice({"text": False, "json": True}), False,
        "`text`, or `json`: one JSON object per line")
    keep_job_logs: int = setting("LABEL_STUDIO_ML_KEEP_JOB_LOGS", integer(0, maximum=36_500), 30,
        "days until the log of a job without a record is removed; 0: never")
    # fmt: on

    @classmethod
    def from_env(
        cls, environ: Mapping[str, str] | None = None, *, backend_dir: Path | None = None
    ) -> "Settings":
        """Read the settings from `environ`; None stands for the process's own environment.

        Raises SettingsError, naming the variable, if a value is invalid.
        """
        env = _with_secret_files(os.environ if environ is None else environ)
        values = read(cls, env)
        folder = Path(backend_dir or values.get("backend_dir", ".")).resolve()
        location = values.get("store_url", "")
        if "://" not in location:
            values |= {"store_url": "", "user_model_dir": Path(location) if location else None}
        home = Path(os.path.expanduser("~")) if environ is None else None
        settings = cls(
            **values
            | {
                "backend_dir": folder,
                "model_dir": folder / (values.get("user_model_dir") or "data"),
                "log_dir": folder / values.get("log_dir", "logs"),
                "redis_url": redis_url(env, values.get("redis_url", ""), values.get("use_redis")),
                "files": FileSettings.from_env(env, home),
                "http": HttpSettings.from_env(env),
                "trackers": TrackerSettings.from_env(env),
            }
        )
        check_logins(settings.basic_auth_user, settings.basic_auth_pass, settings.http)
        return settings

    @property
    def parts(self) -> tuple["Settings", HttpSettings, FileSettings, TrackerSettings]:
        """The objects whose classes declare the settings: this one, and the groups in it."""
        return self, self.http, self.files, self.trackers

    def to_env(self) -> dict[str, str]:
        """Return the environment variables from which `from_env` reads these settings."""
        values = {name: text for part in self.parts for name, text in written(part).items()}
        if not self.store_url and self.user_model_dir:
            values["MODEL_DIR"] = values.pop("CACHE_DIR")
        if self.use_redis and not self.redis_url:
            del values["USE_REDIS"]  # it would stand for a Redis on this machine
        return values

    def with_model_dir(self, location: str) -> "Settings":
        """Return these settings with MODEL_DIR set to `location`, a URL or a path relative to the backend's folder."""
        if "://" in location:
            work = self.model_dir if self.store_url else self.backend_dir / "data"
            user = self.user_model_dir if self.store_url else None
            return replace(
                self, store_url=_store_location("MODEL_DIR", location), model_dir=work, user_model_dir=user
            )
        path = Path(location)
        return replace(self, store_url="", model_dir=self.backend_dir / path, user_model_dir=path)

    def child_env(self) -> dict[str, str]:
        """Return the environment for a child process: this process's own, with these settings.

        Variables of settings that have no value are left out, whatever this process has inherited. MODEL_DIR (or
        CACHE_DIR) is absolute, since user code may read it in another working folder.
        """
        values = self.to_env()
        excluded = {*(f"{name}_FILE" for name in SECRETS), "REDIS_CA_FILE"}  # the settings have their values
        excluded |= self._emptied(os.environ, values)
        inherited = {name: value for name, value in os.environ.items() if name not in excluded}
        model_dir = {"CACHE_DIR" if self.store_url else "MODEL_DIR": str(self.model_dir)}
        return {**inherited, **values, **(model_dir if self.user_model_dir else {})}

    def _emptied(self, env: Mapping[str, str], values: Mapping[str, str]) -> set[str]:
        """Return the variables that have a value in `env`, and whose settings have none in `values`.

        Variables that `env` sets to nothing mean something to others: CUDA offers no GPU if CUDA_VISIBLE_DEVICES is
        empty. CACHE_DIR is a setting only beside the URL of a store.
        """
        emptied = {
            name
            for part in self.parts
            for _, variable in declared(type(part))
            if variable.names.split()[0] not in values
            for name in variable.names.split()
        }
        if not self.redis_url and self.use_redis is not False:
            emptied |= {"REDIS_HOST"}
        if not self.store_url:
            emptied -= {"CACHE_DIR"}
        return {name for name in emptied if env.get(name, "").strip()}


#: Variables that may also be given as NAME_FILE, the path of a file with the value, as for container secrets.
SECRETS = tuple(
    name
    for cls in (Settings, HttpSettings, RedisVariables)
    for _, variable in declared(cls)
    if variable.secret
    for name in variable.names.split()
)

_CACHE_TYPE = Variable(
    "CACHE_TYPE", choice({"sqlite": "sqlite"}), "kind of the event generation's key/value file"
)


def older_cache() -> tuple[str, Path]:
    """Return type and folder of the event generation's key/value file: CACHE_TYPE and MODEL_DIR.

    Raises SettingsError if the type is not `sqlite`.
    """
    kind = _CACHE_TYPE.read(os.environ) or "sqlite"
    settings = Settings.from_env()
    return kind, settings.user_model_dir or Path()


def environment_changes() -> Callable[[], dict[str, str]]:
    """Return a function that returns the environment variables set or changed after this call."""
    before = dict(os.environ)
    return lambda: {name: value for name, value in os.environ.items() if before.get(name) != value}


def set_environment(values: Mapping[str, str]) -> None:
    """Set environment variables of this process, which its child processes inherit."""
    os.environ.update(values)


def setting_names() -> frozenset[str]:
    """Return the environment variables of all settings."""
    parts = (Settings, HttpSettings, FileSettings, TrackerSettings, RedisVariables)
    names = {name for cls in parts for _, variable in declared(cls) for name in variable.names.split()}
    return frozenset({*names, *(f"{name}_FILE" for name in SECRETS), "CACHE_TYPE"})


def user_variables(names: Iterable[str]) -> dict[str, str]:
    """Return those of the environment variables `names`, of user code, that are set and not empty."""
    return {name: text for name in names if name and (text := os.environ.get(name, ""))}


def _with_secret_files(env: Mapping[str, str]) -> Mapping[str, str]:
    """Return `env` with the contents of the NAME_FILE files of secrets. Raises SettingsError if one is unreadable."""
    values = dict(env)
    for name in SECRETS:
        path = env.get(f"{name}_FILE")
        if not path:
            continue
        if env.get(name):
            raise SettingsError(
                f"{name} and {name}_FILE are both set", fix="Set one of them", field=f"{name}_FILE"
            )
        try:
            values[name] = Path(path).read_text(encoding="utf-8").strip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{name}_FILE cannot be read: {error}", field=f"{name}_FILE") from None
    return values
