import argparse
import json
import os

from label_studio_ml.api import init_app
from old_text import OldText

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
    parser.add_argument("--model-dir", default=os.path.dirname(__file__))
    args = parser.parse_args()
    app = init_app(
        model_class=OldText,
        model_dir=os.environ.get("MODEL_DIR", args.model_dir),
        redis_queue=os.environ.get("RQ_QUEUE_NAME", "default"),
        redis_host=os.environ.get("REDIS_HOST", "localhost"),
        redis_port=os.environ.get("REDIS_PORT", 6379),
        **get_kwargs_from_config(),
    )
    app.run(host=args.host, port=args.port)
else:
    app = init_app(
        model_class=OldText,
        model_dir=os.environ.get("MODEL_DIR", os.path.dirname(__file__)),
        redis_queue=os.environ.get("RQ_QUEUE_NAME", "default"),
        redis_host=os.environ.get("REDIS_HOST", "localhost"),
        redis_port=os.environ.get("REDIS_PORT", 6379),
    )
