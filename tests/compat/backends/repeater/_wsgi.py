import argparse
import json
import logging
import logging.config
import os

logging.config.dictConfig(
    {
        "version": 1,
        "formatters": {"plain": {"format": "[%(levelname)s] [%(name)s] %(message)s"}},
        "handlers": {
            "console": {
                "class": "logging.StreamHandler",
                "level": os.getenv("LOG_LEVEL"),
                "stream": "ext://sys.stdout",
                "formatter": "plain",
            }
        },
        "root": {"level": os.getenv("LOG_LEVEL"), "handlers": ["console"], "propagate": True},
    }
)

from label_studio_ml.api import init_app
from model import Repeater

_CONFIG = os.path.join(os.path.dirname(__file__), "config.json")


def get_kwargs_from_config(path=_CONFIG):
    if not os.path.exists(path):
        return {}
    with open(path) as file:
        return json.load(file)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("-p", "--port", type=int, default=9090)
    parser.add_argument("--host", default="0.0.0.0")
    parser.add_argument("-d", "--debug", action="store_true")
    parser.add_argument("--basic-auth-user", default=os.environ.get("ML_SERVER_BASIC_AUTH_USER"))
    parser.add_argument("--basic-auth-pass", default=os.environ.get("ML_SERVER_BASIC_AUTH_PASS"))
    args = parser.parse_args()
    app = init_app(
        model_class=Repeater, basic_auth_user=args.basic_auth_user, basic_auth_pass=args.basic_auth_pass
    )
    app.run(host=args.host, port=args.port, debug=args.debug)
else:
    app = init_app(model_class=Repeater)
