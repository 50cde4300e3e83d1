"""Child process of `doctor`: print the values that the parameters of the class have with a project's extra params."""

import json
import sys

from label_studio_ml.cli.streams import say
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import BackendError
from label_studio_ml.model_api.model_context import parse_extra_params
from label_studio_ml.params.class_params import resolve
from label_studio_ml.user_code.loading import user_class


def main() -> int:
    """Print a JSON object on the last line of standard output. The extra params are read from standard input, as JSON.

    `values` has a text for each parameter, `unknown` says which extra params are not declared. If a value is wrong,
    `error` and `fix` say so instead. The object is empty if the class declares no parameters.
    """
    try:
        settings = Settings.from_env()
        extra_params = parse_extra_params(json.load(sys.stdin))
        declared = resolve(user_class(settings), extra_params, settings.init_kwargs)
        report = (
            {}
            if declared is None
            else {"values": [*declared.summaries().values()], "unknown": declared.unknown}
        )
    except BackendError as error:
        report = {"error": error.message, "fix": error.fix}
    say(json.dumps(report))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
