"""Retries of a prediction request whose model process ended while it had the request."""

from label_studio_ml.errors import ModelProcessDied
from label_studio_ml.serving.registry.loaded_model import LoadedModel

#: How often a request is sent again after its calls ended a process. Others of its batch may have ended it.
MAX_RETRIES = 1


class CrashRetries:
    """The retries of one request."""

    def __init__(self) -> None:
        self._deaths = 0

    @property
    def alone(self) -> bool:
        """Whether the request is to be called alone: it may be the one that ended a process."""
        return self._deaths > 0

    def count(self, model: LoadedModel, death: ModelProcessDied) -> None:
        """Count the end of the process of `model`. Raises ModelProcessDied if the request is not sent again.

        A process that ended while it loaded the model counts for the version, not for the request.
        """
        self._deaths += model.loaded
        if self._deaths > MAX_RETRIES:
            times = "twice" if self._deaths == 2 else f"{self._deaths} times"
            message = f"{death.message}, {times}, while it had this request"
        elif not model.loaded and model.retried and model.manifest is None:
            message = f"{death.message} while it loaded the model"
        else:
            return
        raise ModelProcessDied(message, fix="See logs/server.log") from death
