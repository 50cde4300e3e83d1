"""Apply the keyword arguments of `init_app`: some change settings, the others go to the model's constructor.

`_wsgi.py` files of release 1.0.9 pass the defaults of that release as arguments. The user has not chosen these values,
so they change nothing.
"""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import SettingsError
from label_studio_ml.support.texts import whole_number

logger = logging.getLogger(__name__)

#: The values that `_wsgi.py` files of release 1.0.9 pass by default.
DEFAULT_REDIS_HOSTS = frozenset({"localhost", "127.0.0.1"})
DEFAULT_REDIS_PORT = 6379
DEFAULT_QUEUE = "default"


def with_app_arguments(settings: Settings, arguments: Mapping[str, Any]) -> Settings:
    """Return `settings` changed by `arguments`, the keyword arguments of `init_app` but `model_class` and the login.

    The defaults of release 1.0.9 change nothing: a `model_dir` that is the backend's own folder, localhost:6379 as
    `redis_host` and `redis_port`, the `redis_queue` "default". To use a Redis at localhost:6379, set `REDIS_URL`,
    `REDIS_HOST` or `USE_REDIS`. Raises SettingsError if a value is invalid.
    """
    model_arguments = dict(arguments)
    model_dir = model_arguments.pop("model_dir", None)
    host, port, queue = (model_arguments.pop(f"redis_{name}", None) for name in ("host", "port", "queue"))
    if model_dir is not None and not _is_backend_folder(settings, str(model_dir)):
        settings = settings.with_model_dir(str(model_dir))
    if host and not settings.redis_url and settings.use_redis is not False:
        number = _port(port)
        if host in DEFAULT_REDIS_HOSTS and number == DEFAULT_REDIS_PORT:
            logger.info(
                "redis_host=%r is the default of older releases: the backend runs a broker of its own. "
                "To use a Redis there, set REDIS_URL=redis://%s:%d/0",
                *(host, host, number),
            )
        else:
            settings = replace(settings, redis_url=f"redis://{host}:{number}/0")
    if queue is not None and str(queue) != DEFAULT_QUEUE:
        settings = replace(settings, queue=str(queue))
    return replace(settings, init_kwargs={**settings.init_kwargs, **model_arguments})


def _is_backend_folder(settings: Settings, model_dir: str) -> bool:
    if "://" in model_dir:
        return False
    return (settings.backend_dir / model_dir).resolve() == settings.backend_dir.resolve()


def _port(value: Any) -> int:
    port = whole_number(str(DEFAULT_REDIS_PORT if value is None else value))
    if port is None or not 0 < port < 65536:
        raise SettingsError(
            f"redis_port={value!r} is not a port", fix="Use a number from 1 to 65535", field="redis_port"
        )
    return port
