"""All settings of a backend. Environment variables are read here and nowhere else.

The parent process reads its settings once and passes them to its child processes as environment variables:
`Settings.from_env(settings.to_env())` equals `settings`. Variable names of older backends are accepted as well.
"""

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from label_studio_ml.config.file_settings import FileSettings
from label_studio_ml.config.http_settings import HttpSettings
from label_studio_ml.config.metric_gate import parse_gate
from label_studio_ml.config.setting_values import boolean as _boolean
from label_studio_ml.config.setting_values import choice as _choice
from label_studio_ml.config.setting_values import first as _first
from label_studio_ml.config.setting_values import integer as _integer
from label_studio_ml.config.setting_values import json_object as _json_object
from label_studio_ml.config.setting_values import optional_seconds as _optional_seconds
from label_studio_ml.config.setting_values import prefixed as _prefixed
from label_studio_ml.config.setting_values import seconds as _seconds
from label_studio_ml.errors import SettingsError

#: Largest accepted request body, in bytes. Label Studio sends a whole selection of tasks in one request: 1,200 small
#: tasks measured 0.6 MB, so the limit corresponds to some two million of them.
DEFAULT_MAX_BODY = 1 << 30

DEFAULT_PORT = 9090

#: Seconds after which a worker's lease of a project expires without renewal.
DEFAULT_LEASE = 30.0

#: Seconds between two searches for projects with pending events and no scheduled training.
DEFAULT_SWEEP = 10.0

#: The most predictions per second after a training.
DEFAULT_PREDICT_RATE = 10.0

#: Seconds that in-flight requests have to finish after SIGTERM.
DEFAULT_DRAIN = 10.0

#: The most webhook events in the spool on the disk while Redis is unreachable, and their most MiB.
DEFAULT_SPOOL_EVENTS, DEFAULT_SPOOL_MB = 100_000, 1024

#: Size limit in MiB of the local cache of versions from an object store.
DEFAULT_MODEL_CACHE = 20480

#: The most label configs with model processes of their own at a time.
DEFAULT_LABEL_CONFIGS = 8

#: Variables that may also be given as NAME_FILE, the path of a file with the value, as for container secrets.
SECRETS = (
    "REDIS_URL",
    "REDIS_PASSWORD",
    "BASIC_AUTH_USER",
    "BASIC_AUTH_PASS",
    "ML_SERVER_BASIC_AUTH_USER",
    "ML_SERVER_BASIC_AUTH_PASS",
    "LABEL_STUDIO_ML_TOKEN",
    "LABEL_STUDIO_API_KEY",
    "LABEL_STUDIO_ACCESS_TOKEN",
)

LOG_FORMAT = "[%(asctime)s] [%(levelname)s] [%(name)s::%(funcName)s::%(lineno)d] %(message)s"

LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a backend.

    Model: `backend_dir` is the folder with the user's model file `script`; `class_name` is the class in it (empty: the
    only one), `init_kwargs` are extra constructor arguments (`--with KEY=VAL`).
    Folders: `model_dir` holds versions, state and the embedded broker's data; `user_model_dir` is `MODEL_DIR` as the
    user set it, or None. If `MODEL_DIR` is a URL, that is `store_url`, where versions are kept, and `model_dir`
    (`CACHE_DIR`) is this machine's folder, with up to `model_cache_bytes` of versions besides the served ones.
    `model_root` is `MODEL_ROOT`, a folder for weights that model files read from the environment, or None.
    Queue: `redis_url` is empty for the embedded broker, `queue` for the backend's own queue. `use_redis` is `USE_REDIS`
    of older releases, None if not set. `lease` is the seconds after which the lease of a dead worker expires, `sweep`
    the seconds between searches for lost wake-ups. While Redis is unreachable, at most `spool_events` webhook events
    of `spool_bytes` are kept on the disk.
    Limits: `max_body` is in bytes. `files` are the settings for task files, `http` those of the HTTP server.
    Model processes: `model_workers` processes run the model, assigned to `devices` (`CUDA_VISIBLE_DEVICES`) in turn.
    With `drain_first`, a new version loads after the old one has left the memory. With `separate`, projects with
    different label configs do not share model processes, and at most `max_label_configs` configs have some at a time.
    `threads` are the concurrent calls of `predict` in one process if the class sets none (None: one).
    Training: `workers` processes train. `fit_timeout` is the seconds that a training may take (0: any), `cancel_grace`
    the seconds until a training is ended after being asked to stop. `promote_if` is the metric gate, `keep_versions`
    the number of versions kept (0: all). `train_every`, `quiet_period` and `min_annotations` decide when a training is
    due (`training.policy`). In place of None, and of an empty `promote_if`, the class's values apply.
    Predictions: `model_version` names the version to serve in projects that have it. `predict_after_training` selects
    the tasks that get predictions of a new version (`unlabelled`, `all`, empty: none), at most `predict_rate` a second
    (0: no limit). `refuse_invalid` holds back predictions that the label config does not allow; with
    `INVALID_PREDICTIONS=send` it is False, and they are sent and logged.
    Shutdown: after SIGTERM, a server reports "not ready" for `linger` seconds while it still accepts requests, then
    in-flight requests have `drain` seconds; a running training has `grace` seconds before it is put back.
    Other: `log_json` writes logs as one JSON object per line. `keep_job_logs` is in days. `python` is the interpreter
    for child processes (empty: this process's), `python_path` further folders from which user code imports.
    """

    backend_dir: Path
    script: Path | None = None
    class_name: str = ""
    init_kwargs: Mapping[str, Any] = field(default_factory=dict)
    model_dir: Path = Path("data")
    user_model_dir: Path | None = None
    model_root: Path | None = None
    log_dir: Path = Path("logs")
    redis_url: str = field(default="", repr=False)
    queue: str = ""
    basic_auth_user: str = ""
    basic_auth_pass: str = field(default="", repr=False)
    studio_url: str = ""
    studio_api_key: str = field(default="", repr=False)
    studio_verify_tls: bool = True
    document_root: Path | None = None
    files: FileSettings = field(default_factory=FileSettings)
    http: HttpSettings = field(default_factory=HttpSettings)
    log_level: str = "INFO"
    max_body: int = DEFAULT_MAX_BODY
    lease: float = DEFAULT_LEASE
    sweep: float = DEFAULT_SWEEP
    fit_timeout: float | None = None
    cancel_grace: float | None = None
    model_workers: int = 1
    drain_first: bool = False
    separate: bool = True
    max_label_configs: int = DEFAULT_LABEL_CONFIGS
    devices: tuple[str, ...] = ()
    workers: int = 1
    linger: float = 0.0
    drain: float = DEFAULT_DRAIN
    grace: float = 0.0
    log_json: bool = False
    promote_if: str = ""
    keep_versions: int | None = None
    keep_job_logs: int = 30  # days
    model_version: str = ""
    store_url: str = ""
    model_cache_bytes: int = DEFAULT_MODEL_CACHE << 20
    train_every: int | None = None
    quiet_period: float | None = None
    min_annotations: int | None = None
    refuse_invalid: bool = True
    predict_after_training: str = ""
    predict_rate: float = DEFAULT_PREDICT_RATE
    python: str = ""
    python_path: tuple[str, ...] = ()
    threads: int | None = None
    use_redis: bool | None = None
    spool_events: int = DEFAULT_SPOOL_EVENTS
    spool_bytes: int = DEFAULT_SPOOL_MB << 20

    @classmethod
    def from_env(
        cls, environ: Mapping[str, str] | None = None, *, backend_dir: Path | None = None
    ) -> "Settings":
        """Read the settings from `environ`; None stands for the process's own environment.

        Raises SettingsError, naming the variable, if a value is invalid.
        """
        env = _with_secrets(os.environ if environ is None else environ)
        folder = Path(backend_dir or env.get("LABEL_STUDIO_ML_DIR") or ".").resolve()
        place = env.get("MODEL_DIR", "")
        store_url = _store_url(place)
        if store_url:
            place = env.get("CACHE_DIR", "")
        user_model_dir = Path(place) if place else None
        script = env.get("LABEL_STUDIO_ML_SCRIPT")
        document_root = _first(env, *_prefixed("LOCAL_FILES_DOCUMENT_ROOT"))
        user, password = (
            _first(env, f"BASIC_AUTH_{part}", f"ML_SERVER_BASIC_AUTH_{part}") for part in ("USER", "PASS")
        )
        if bool(user) != bool(password):
            missing = "BASIC_AUTH_PASS" if user else "BASIC_AUTH_USER"
            raise SettingsError(
                f"{missing} is not set but its partner is",
                fix=f"Set {missing} too, or unset both",
                field=missing,
            )
        return cls(
            backend_dir=folder,
            script=Path(script) if script else None,
            class_name=env.get("LABEL_STUDIO_ML_CLASS", ""),
            init_kwargs=_json_object(env, "LABEL_STUDIO_ML_INIT"),
            model_dir=(folder / user_model_dir if user_model_dir else folder / "data"),
            user_model_dir=user_model_dir,
            model_root=Path(env["MODEL_ROOT"]) if env.get("MODEL_ROOT") else None,
            log_dir=folder / (env.get("LABEL_STUDIO_ML_LOG_DIR") or "logs"),
            redis_url=_redis_url(env),
            queue=env.get("RQ_QUEUE_NAME", "").strip(),
            basic_auth_user=user,
            basic_auth_pass=password,
            studio_url=_first(env, "LABEL_STUDIO_URL", "LABEL_STUDIO_HOST").rstrip("/"),
            studio_api_key=_first(env, "LABEL_STUDIO_API_KEY", "LABEL_STUDIO_ACCESS_TOKEN"),
            studio_verify_tls=_boolean(env, "VERIFY_SSL", default=True),
            document_root=Path(document_root) if document_root else None,
            files=FileSettings.from_env(env, Path(os.path.expanduser("~")) if environ is None else None),
            http=HttpSettings.from_env(env),
            log_level=_log_level(env),
            max_body=_integer(env, "LABEL_STUDIO_ML_MAX_BODY", default=DEFAULT_MAX_BODY, least=1024),
            lease=_seconds(env, "LABEL_STUDIO_ML_LEASE", default=DEFAULT_LEASE, least=1.0),
            sweep=_seconds(env, "LABEL_STUDIO_ML_SWEEP", default=DEFAULT_SWEEP, least=0.1),
            fit_timeout=_optional_seconds(env, "FIT_TIMEOUT"),
            cancel_grace=_optional_seconds(env, "CANCEL_GRACE"),
            model_workers=_integer(env, "LABEL_STUDIO_ML_MODEL_WORKERS", default=1, least=1),
            drain_first=_choice(env, "LOAD", "beside", "drain-first") == "drain-first",
            separate=_choice(env, "LABEL_STUDIO_ML_ISOLATION", "label-config", "off") == "label-config",
            max_label_configs=_integer(
                env, "LABEL_STUDIO_ML_MAX_LABEL_CONFIGS", default=DEFAULT_LABEL_CONFIGS, least=1
            ),
            devices=tuple(
                part.strip() for part in env.get("CUDA_VISIBLE_DEVICES", "").split(",") if part.strip()
            ),
            workers=_integer(env, "LABEL_STUDIO_ML_WORKERS", default=1, least=1),
            linger=_seconds(env, "LABEL_STUDIO_ML_LINGER", default=0.0, least=0.0),
            drain=_seconds(env, "LABEL_STUDIO_ML_DRAIN", default=DEFAULT_DRAIN, least=0.0),
            grace=_seconds(env, "LABEL_STUDIO_ML_TRAINING_GRACE", default=0.0, least=0.0),
            log_json=_choice(env, "LOG_FORMAT", "text", "json") == "json",
            promote_if=_gate(env),
            keep_job_logs=_integer(env, "LABEL_STUDIO_ML_KEEP_JOB_LOGS", default=30, least=0),
            keep_versions=_integer(env, "KEEP_VERSIONS", default=None, least=0),
            model_version=env.get("MODEL_VERSION", "").strip(),
            store_url=store_url,
            model_cache_bytes=_integer(env, "MODEL_CACHE_MB", default=DEFAULT_MODEL_CACHE, least=1) << 20,
            train_every=_integer(env, "TRAIN_EVERY", default=None, least=0),
            quiet_period=_seconds(env, "QUIET_PERIOD", default=None, least=0.0),
            min_annotations=_integer(env, "MIN_ANNOTATIONS", default=None, least=0),
            refuse_invalid=_choice(env, "INVALID_PREDICTIONS", "refuse", "send") == "refuse",
            predict_after_training=_choice(env, "PREDICT_AFTER_TRAINING", "off", "unlabelled", "all").replace(
                "off", ""
            ),
            predict_rate=_seconds(
                env, "PREDICT_AFTER_TRAINING_RATE", default=DEFAULT_PREDICT_RATE, least=0.0
            ),
            python=env.get("LABEL_STUDIO_ML_PYTHON", "").strip(),
            python_path=tuple(filter(None, env.get("LABEL_STUDIO_ML_PYTHONPATH", "").split(os.pathsep))),
            threads=_integer(env, "LABEL_STUDIO_ML_THREADS", default=None, least=1),
            use_redis=_use_redis(env),
            spool_events=_integer(env, "SPOOL_EVENTS", default=DEFAULT_SPOOL_EVENTS, least=1),
            spool_bytes=_integer(env, "SPOOL_MB", default=DEFAULT_SPOOL_MB, least=1) << 20,
        )

    def to_env(self) -> dict[str, str]:
        """Return the environment variables from which `from_env` reads these settings."""
        values: dict[str, object] = {
            **self.http.to_env(),
            "LABEL_STUDIO_ML_DIR": self.backend_dir,
            "LABEL_STUDIO_ML_SCRIPT": self.script,
            "LABEL_STUDIO_ML_CLASS": self.class_name,
            "LABEL_STUDIO_ML_INIT": json.dumps(dict(self.init_kwargs)) if self.init_kwargs else None,
            "LABEL_STUDIO_ML_LOG_DIR": self.log_dir,
            "LABEL_STUDIO_ML_MAX_BODY": self.max_body,
            "LABEL_STUDIO_ML_LEASE": self.lease,
            "LABEL_STUDIO_ML_SWEEP": self.sweep,
            "FIT_TIMEOUT": self.fit_timeout,
            "CANCEL_GRACE": self.cancel_grace,
            "LABEL_STUDIO_ML_MODEL_WORKERS": self.model_workers,
            "LOAD": "drain-first" if self.drain_first else "beside",
            "LABEL_STUDIO_ML_ISOLATION": "label-config" if self.separate else "off",
            "LABEL_STUDIO_ML_MAX_LABEL_CONFIGS": self.max_label_configs,
            "CUDA_VISIBLE_DEVICES": ",".join(self.devices),
            "TRAIN_EVERY": self.train_every,
            "QUIET_PERIOD": self.quiet_period,
            "MIN_ANNOTATIONS": self.min_annotations,
            "INVALID_PREDICTIONS": "refuse" if self.refuse_invalid else "send",
            "PREDICT_AFTER_TRAINING": self.predict_after_training,
            "PREDICT_AFTER_TRAINING_RATE": self.predict_rate,
            "MODEL_ROOT": self.model_root,
            "MODEL_DIR": self.store_url or self.user_model_dir,
            "CACHE_DIR": self.user_model_dir if self.store_url else None,
            "MODEL_CACHE_MB": self.model_cache_bytes >> 20,
            "REDIS_URL": self.redis_url,
            "RQ_QUEUE_NAME": self.queue,
            "BASIC_AUTH_USER": self.basic_auth_user,
            "BASIC_AUTH_PASS": self.basic_auth_pass,
            "LABEL_STUDIO_URL": self.studio_url,
            "LABEL_STUDIO_API_KEY": self.studio_api_key,
            "VERIFY_SSL": "true" if self.studio_verify_tls else "false",
            "LOCAL_FILES_DOCUMENT_ROOT": self.document_root,
            "LOG_LEVEL": self.log_level,
            "LOG_FORMAT": "json" if self.log_json else "text",
            "LABEL_STUDIO_ML_WORKERS": self.workers,
            "LABEL_STUDIO_ML_LINGER": self.linger,
            "LABEL_STUDIO_ML_DRAIN": self.drain,
            "LABEL_STUDIO_ML_TRAINING_GRACE": self.grace,
            "PROMOTE_IF": self.promote_if,
            "KEEP_VERSIONS": self.keep_versions,
            "LABEL_STUDIO_ML_KEEP_JOB_LOGS": self.keep_job_logs,
            "MODEL_VERSION": self.model_version,
            "LABEL_STUDIO_ML_PYTHON": self.python,
            "LABEL_STUDIO_ML_PYTHONPATH": os.pathsep.join(self.python_path),
            "LABEL_STUDIO_ML_THREADS": self.threads,
            "SPOOL_EVENTS": self.spool_events,
            "SPOOL_MB": self.spool_bytes >> 20,
            "USE_REDIS": None if self.use_redis is None else str(self.use_redis).lower(),
        }
        found = {name: str(value) for name, value in values.items() if value not in (None, "")}
        return found | {name: value for name, value in self.files.to_env().items() if value}

    def with_model_dir(self, place: str) -> "Settings":
        """Return these settings with MODEL_DIR set to `place`: a URL, or a folder relative to the backend's folder."""
        if "://" in place:
            work = self.model_dir if self.store_url else self.backend_dir / "data"
            user = self.user_model_dir if self.store_url else None
            return replace(self, store_url=_store_url(place), model_dir=work, user_model_dir=user)
        path = Path(place)
        return replace(self, store_url="", model_dir=self.backend_dir / path, user_model_dir=path)

    def child_env(self) -> dict[str, str]:
        """Return the environment for a child process: this process's own, with these settings.

        MODEL_DIR (or CACHE_DIR) is absolute, since user code may read it in another working folder.
        """
        ours = {*(f"{name}_FILE" for name in SECRETS), "REDIS_CA_FILE"}  # the settings have their values
        inherited = {name: value for name, value in os.environ.items() if name not in ours}
        folder = {"CACHE_DIR" if self.store_url else "MODEL_DIR": str(self.model_dir)}
        return {**inherited, **self.to_env(), **(folder if self.user_model_dir else {})}


def older_cache() -> tuple[str, Path]:
    """Return type and folder of the event generation's key/value file: CACHE_TYPE and MODEL_DIR.

    Raises SettingsError if the type is not `sqlite`.
    """
    kind = _choice(os.environ, "CACHE_TYPE", "sqlite")
    settings = Settings.from_env()
    return kind, settings.user_model_dir or Path()


def environment_changes() -> Callable[[], dict[str, str]]:
    """Return a function that returns the environment variables set or changed after this call."""
    before = dict(os.environ)
    return lambda: {name: value for name, value in os.environ.items() if before.get(name) != value}


def set_environment(values: Mapping[str, str]) -> None:
    """Set environment variables of this process, which its child processes inherit."""
    os.environ.update(values)


def _with_secrets(env: Mapping[str, str]) -> Mapping[str, str]:
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


def _store_url(place: str) -> str:
    """Return MODEL_DIR if it is a URL, empty if it is a folder. Raises SettingsError if the URL names no bucket."""
    if "://" not in place:
        return ""
    if not place.partition("://")[2].strip("/"):
        raise SettingsError(
            f"MODEL_DIR={place} names no bucket",
            fix="Use a URL such as s3://bucket/prefix",
            field="MODEL_DIR",
        )
    return place.rstrip("/")


def _gate(env: Mapping[str, str]) -> str:
    """Return PROMOTE_IF, the metric gate. Raises SettingsError if it cannot be parsed."""
    text = env.get("PROMOTE_IF", "").strip()
    try:
        parse_gate(text)
    except ValueError as error:
        raise SettingsError(
            f"PROMOTE_IF={text!r} cannot be read: {error}",
            fix="Example: accuracy >= current",
            field="PROMOTE_IF",
        ) from None
    return text


def _log_level(env: Mapping[str, str]) -> str:
    level = (env.get("LOG_LEVEL") or "INFO").upper()
    if level not in LOG_LEVELS:
        raise SettingsError(
            f"LOG_LEVEL={level!r} is unknown", fix=f"Use one of {', '.join(LOG_LEVELS)}", field="LOG_LEVEL"
        )
    return level


def _redis_url(env: Mapping[str, str]) -> str:
    """Return `REDIS_URL`, or a URL built from the variables of older compose files; empty if neither is set.

    The variables are ignored if `USE_REDIS` is false; if it is true, the host defaults to localhost. For TLS,
    `REDIS_CA_FILE` is the certificate of the authority that has signed the server's certificate.
    """
    url = env.get("REDIS_URL", "").strip()
    if url and not url.startswith(("redis://", "rediss://", "unix://")):
        raise SettingsError(
            "REDIS_URL does not start with redis://, rediss:// or unix://",
            fix="Example: redis://redis:6379/0",
            field="REDIS_URL",
        )
    url = url or _redis_url_of_parts(env)
    ca = env.get("REDIS_CA_FILE", "").strip()
    if not ca or not url or "ssl_ca_certs=" in url:
        return url
    if not url.startswith("rediss://"):
        raise SettingsError(
            "REDIS_CA_FILE is set, but the connection to Redis does not use TLS",
            fix="Begin REDIS_URL with rediss://, or set REDIS_SSL=true",
            field="REDIS_CA_FILE",
        )
    if not os.access(ca, os.R_OK):
        raise SettingsError(f"REDIS_CA_FILE={ca} cannot be read", field="REDIS_CA_FILE")
    return f"{url}{'&' if '?' in url else '?'}{urlencode({'ssl_ca_certs': ca})}"


def _use_redis(env: Mapping[str, str]) -> bool | None:
    """Return `USE_REDIS`, under any of its names in older releases; None if it is not set."""
    name = next((name for name in _prefixed("USE_REDIS") if env.get(name, "").strip()), "")
    return _boolean(env, name, default=False) if name else None


def _redis_url_of_parts(env: Mapping[str, str]) -> str:
    use = _use_redis(env)
    host = env.get("REDIS_HOST", "").strip() or ("localhost" if use else "")
    if not host or use is False:
        return ""
    port = _integer(env, "REDIS_PORT", default=6379, least=1)
    database = _integer(env, "REDIS_DB", default=0, least=0)
    user, password = (quote(env.get(f"REDIS_{part}", ""), safe="") for part in ("USERNAME", "PASSWORD"))
    login = f"{user}:{password}@" if password else ""
    scheme = "rediss" if _boolean(env, "REDIS_SSL", default=False) else "redis"
    return f"{scheme}://{login}{host}:{port}/{database}"
