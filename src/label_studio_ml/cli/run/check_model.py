"""Child process of `start --check` and of `doctor`: build the model once and print the result.

`start --check` also predicts a sample task.
"""

import gc
import logging
import sys
from typing import cast

from label_studio_ml.cli.run.check_sample import build_for_sample, check_sample
from label_studio_ml.cli.streams import say, say_error
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import BackendError, ModelFileError, ModelLoadError, ParamsError
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_api.api_generation import has_predict
from label_studio_ml.model_calls.adapter import ModelSpec, build, describe_class
from label_studio_ml.params.class_params import resolve
from label_studio_ml.processes.process_table import end_with_parent
from label_studio_ml.user_code.folder_label_config import LABEL_CONFIG, folder_label_config
from label_studio_ml.user_code.loading import user_class
from label_studio_ml.user_code.model_source import locate
from label_studio_ml.versions.state.key_values import MemoryState
from label_studio_ml.versions.state.project_state import Project


def main() -> int:
    """Build the model that the environment names; return 0, or 1 with the cause on standard error.

    With the argument `-`, the label config is read from standard input; without, it is that of the backend's folder, if
    there is one. With `--predict`, a sample task is predicted, too. The parameters that the class declares are printed
    before the result, each with its value and its source.
    """
    end_with_parent()
    arguments = sys.argv[1:]  # user code may change sys.argv
    label_config = sys.stdin.buffer.read().decode() if "-" in arguments else ""
    try:
        settings = Settings.from_env()
        result = check(settings, label_config)
        for line in parameters(settings):
            say(line)
        if "--predict" in arguments:
            result += check_sample(settings, label_config or folder_label_config(settings.backend_dir))
        say(f"OK: {result}")
    except BackendError as error:
        say_error(error)
        return 1
    finally:
        gc.freeze()  # else collections at the interpreter's end take seconds, with large libraries
    return 0


def parameters(settings: Settings) -> list[str]:
    """Return a heading and a line for each parameter that the class declares; nothing if it declares none."""
    declared = resolve(user_class(settings), None, settings.init_kwargs)
    if declared is None:
        return []
    return [
        "Parameters, before any extra params in Label Studio:",
        *(f"  {line}" for line in declared.lines()),
    ]


def check(settings: Settings, label_config: str = "") -> str:
    """Build the model and return a text that says for which label config it could be built.

    An empty `label_config` means that of the backend's folder. If there is none, the model is built without, and then
    for a sample, because most older classes read the label config in their constructor. Raises ModelFileError or
    ModelLoadError when the model cannot be built.
    """
    source = locate(settings.backend_dir, settings.script, settings.class_name)
    cls = cast("type[LabelStudioMLBase]", user_class(settings))
    describe_class(cls)
    if not has_predict(cls):
        raise ModelFileError(
            f"{cls.__name__} of {source.script} has no predict method: it cannot answer Label Studio",
            fix="Define predict(self, tasks, **kwargs) in the class",
            field="predict",
        )
    if label_config:
        _build(cls, settings, label_config)
        return f"{source.class_name} of {source.script} can be built for this label config"
    if own := folder_label_config(settings.backend_dir):
        _build_for_own(cls, settings, own)
        return f"{source.class_name} of {source.script} can be built for its {LABEL_CONFIG}"
    logging.disable()  # of builds that are only tried; the last failure is raised
    try:
        _build(cls, settings)
    except ParamsError:
        raise
    except ModelLoadError:
        sample = build_for_sample(cls, source.script, settings)[1]
        return f"{source.class_name} of {source.script} can be built for {sample.tags}"
    finally:
        logging.disable(logging.NOTSET)
    return f"{source.class_name} of {source.script} can be built"


def _build(cls: type[LabelStudioMLBase], settings: Settings, label_config: str = "") -> None:
    build(cls, ModelSpec(project=Project(uid="1", label_config=label_config)), settings, MemoryState())


def _build_for_own(cls: type[LabelStudioMLBase], settings: Settings, label_config: str) -> None:
    """Build a model for the label config of the backend's folder.

    Raises ModelLoadError with the advice to name another label config.
    """
    try:
        _build(cls, settings, label_config)
    except ParamsError:
        raise
    except ModelLoadError as error:
        raise ModelLoadError(
            f"{error.message} (with {LABEL_CONFIG})",
            fix=f"Correct the class or {LABEL_CONFIG}, or add --label-config FILE with your project's label config",
            field=LABEL_CONFIG,
        ) from error


if __name__ == "__main__":
    raise SystemExit(main())
