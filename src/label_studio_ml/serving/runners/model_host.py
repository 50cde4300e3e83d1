"""The loaded models of one process, by number."""

import logging

import msgspec

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import ModelLoadError, ParamsError
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_calls.adapter import ClassInfo, ModelSpec, build, describe_class
from label_studio_ml.model_calls.device_memory import release_memory
from label_studio_ml.model_calls.predictor import Answer, Predictor, Request
from label_studio_ml.monitoring import logs
from label_studio_ml.params.class_params import resolve
from label_studio_ml.user_code.code_identity import CodeIdentity
from label_studio_ml.user_code.loading import forget_modules, user_class
from label_studio_ml.user_code.model_source import settled_code
from label_studio_ml.versions.state.key_values import LenientState, MemoryState, State, StoredState

logger = logging.getLogger(__name__)


def _warn_of_params(cls: type, settings: Settings) -> None:
    """Log which parameters have a wrong value for a project without extra params, before there is any project."""
    try:
        resolve(cls, None, settings.init_kwargs)
    except ParamsError as error:
        logger.warning("Without extra params in Label Studio, no model can be built: %s", error)


class ModelHost:
    """Builds models and calls them. One thread may build a model while another predicts.

    With `reimport`, user modules that this process has imported already are imported again.
    """

    def __init__(
        self,
        settings: Settings,
        model_class: type[LabelStudioMLBase] | None = None,
        *,
        reimport: bool = False,
    ) -> None:
        self._settings = settings
        self._class = model_class
        self._code: CodeIdentity | None = None
        self._reimport = reimport
        self._predictors: dict[int, Predictor] = {}

    def import_class(self) -> ClassInfo:
        """Import the user's model file, after taking the identity of its code. Raises ModelFileError."""
        settings = self._settings
        if self._code is None:
            self._code = settled_code(settings.backend_dir, settings.script, settings.class_name)
        if self._class is None:
            if self._reimport:
                forget_modules(settings.backend_dir)
            self._class = user_class(settings)
            _warn_of_params(self._class, settings)
        return msgspec.structs.replace(describe_class(self._class, settings.threads), code=self._code)

    def load(self, number: int, spec: ModelSpec, instead_of: int = 0) -> str:
        """Build a model, store it as model `number`, and return its version's name. Raises ModelError.

        If `instead_of` is not 0, that model is removed and its memory released first.
        """
        if instead_of:
            self.unload(instead_of)
            release_memory()
        info = self.import_class()
        if self._class is None:
            raise ModelLoadError("no model class")
        state: State = LenientState(StoredState(self._settings.model_dir, spec.project.uid))
        if spec.state is not None:
            state = MemoryState(spec.state)
        model = build(self._class, spec, self._settings, state, code=info.code.hash)
        predictor = Predictor(model, spec, mode=self._settings.invalid_predictions)
        self._predictors[number] = predictor
        logger.info("Project %s: version %s is loaded", spec.project.uid, predictor.version)
        return predictor.version

    def predict(self, number: int, requests: list[Request]) -> list[Answer]:
        """Answer `requests` by model `number`. Raises ModelLoadError if there is no such model."""
        predictor = self._predictors.get(number)
        if predictor is None:
            raise ModelLoadError(f"model {number} is not loaded")
        if not self._settings.log_json:
            return predictor.answer(requests)
        with logs.about_requests(request.id for request in requests):
            return predictor.answer(requests)

    def unload(self, number: int) -> None:
        """Remove model `number`, if it is there."""
        self._predictors.pop(number, None)
