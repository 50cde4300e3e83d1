"""The report of `label-studio-ml test` on a model file in a folder."""

import os
from pathlib import Path

from label_studio_ml.cli.run.class_checks import label_configs
from label_studio_ml.config.settings import Settings
from label_studio_ml.test_kit.class_check import CheckOptions, check_class
from label_studio_ml.test_kit.report import Report
from label_studio_ml.user_code.model_source import locate

MODELS = Path(__file__).parents[1] / "data" / "test_kit_models"


def report_on(folder: Path, options: CheckOptions) -> Report:
    source = locate(folder, None, "")
    settings = Settings.from_env(
        {
            **os.environ,
            "LABEL_STUDIO_ML_SCRIPT": str(source.script),
            "LABEL_STUDIO_ML_CLASS": source.class_name,
        },
        backend_dir=folder,
    )
    return check_class(settings, label_configs(settings, []), options)
