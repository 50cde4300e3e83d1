import argparse
import json
import os

from label_studio_ml.api import init_app
from clicks import Clicks

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
    parser.add_argument("--kwargs", "--with", nargs="+", type=lambda pair: pair.split("="))
    args = parser.parse_args()
    kwargs = get_kwargs_from_config()
    kwargs.update(dict(args.kwargs or []))
    app = init_app(model_class=Clicks, **kwargs)
    app.run(host=args.host, port=args.port)
else:
    app = init_app(model_class=Clicks)
