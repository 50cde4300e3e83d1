"""`label-studio-ml worker`: training workers without a server, which share a Redis and a model folder with servers."""

import logging
import signal
import sys
import time

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import StoreError
from label_studio_ml.monitoring import logs
from label_studio_ml.runtime.worker_processes import Workers
from label_studio_ml.storage import private_files
from label_studio_ml.training.redis.redis_client import connect
from label_studio_ml.training.redis.redis_errors import explain, is_refusal
from label_studio_ml.versions.factory import check_store

logger = logging.getLogger(__name__)

#: Seconds between two checks of the workers.
CHECK_INTERVAL = 0.25


def work(settings: Settings) -> int:
    """Keep `settings.workers` workers running until SIGINT or SIGTERM; return the exit status.

    Raises SettingsError or StoreError if MODEL_DIR's URL is wrong or its store refuses the credentials, and BrokerError
    if Redis refuses the login or its certificate is not trusted. If Redis cannot be reached, the workers wait for it.
    """
    logs.configure(settings.log_level, as_json=settings.log_json)
    _check_broker(settings.redis_url)
    private_files.restrict_permissions(settings.model_dir, settings.log_dir, settings.backend_dir)
    try:
        check_store(settings)
    except StoreError as error:
        if not error.passing:
            raise
        logger.warning("%s", error)
    workers = Workers(settings, settings.workers, echo=True)
    stopping = False

    def stop(number: int, frame: object) -> None:  # takes no lock: this thread might hold it
        nonlocal stopping
        stopping = True
        if number == signal.SIGINT:
            workers.skip_grace()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    while not stopping:
        try:
            workers.tick(settings)
        except OSError as error:
            logger.error("A worker cannot be started: %s", error)
            time.sleep(2.0)
        except Exception:  # nothing else would restart the workers
            logger.exception("The check of the workers failed")
            time.sleep(2.0)
        time.sleep(CHECK_INTERVAL)
    workers.stop()
    sys.stderr.flush()
    return 0


def _check_broker(url: str) -> None:
    client = connect(url)
    try:
        client.ping()
    except Exception as error:
        if is_refusal(error):
            raise explain(error) from error
        # Other errors may pass: the workers wait for Redis and log it.
    finally:
        client.close()
