import argparse
import os
import shlex


def _load_local_env_file():
    with open(os.path.join(os.path.dirname(__file__), "tracker.env")) as file:
        for line in file:
            line = line.strip().removeprefix("export ")
            if not line or line.startswith("#") or "=" not in line:
                continue
            key, value = line.split("=", 1)
            os.environ.setdefault(key, shlex.split(value, comments=True)[0])


_load_local_env_file()

from label_studio_ml.api import init_app
from model import Tracker

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("-p", "--port", type=int, default=9090)
    parser.add_argument("--host", default="0.0.0.0")
    args = parser.parse_args()
    app = init_app(model_class=Tracker)
    app.run(host=args.host, port=args.port, debug=False, threaded=True)
else:
    app = init_app(model_class=Tracker)
