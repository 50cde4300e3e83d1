"""Model servers that serve one model, a random forest of wines: MLServer, KServe's, Triton, and a plain HTTP endpoint.

Each learns every second wine of scikit-learn's data set; a row whose alcohol is negative is an error of the model.
"""

import json
import os
import subprocess
import sys
import sysconfig
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from ..processes import Program, free_port, wait_until
from .environments import environment, install

_MODEL = """
import numpy
from sklearn.datasets import load_wine
from sklearn.ensemble import RandomForestClassifier
wine = load_wine()
forest = RandomForestClassifier(100, random_state=0).fit(wine.data[::2], wine.target[::2])


def probabilities(rows):
    rows = numpy.asarray(rows, float)
    if (rows[:, 0] < 0).any():
        raise ValueError("alcohol is negative")
    return forest.predict_proba(rows)
"""

_KSERVE = """
import sys
from kserve import InferOutput, InferResponse, Model, ModelServer
from forest import probabilities


class Wine(Model):
    def load(self):
        self.ready = True

    def predict(self, payload, headers=None, response_headers=None):
        if isinstance(payload, dict):
            return {"predictions": [{"p": row} for row in probabilities(payload["instances"]).tolist()]}
        found = probabilities(payload.inputs[0].as_numpy())
        output = InferOutput("p", list(found.shape), "FP64")
        output.set_data_from_numpy(found, binary_data=False)
        return InferResponse(payload.id or "1", self.name, [output])


model = Wine("wine")
model.load()
ModelServer(http_port=int(sys.argv[1]), enable_grpc=False).start([model])
"""

_TRITON = """
import sys
import numpy
from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig
from forest import probabilities

http, grpc, metrics = map(int, sys.argv[1:])
ports = {"http_port": http, "grpc_port": grpc, "metrics_port": metrics}
config = TritonConfig(http_address="127.0.0.1", grpc_address="127.0.0.1", **ports)
tensors = [Tensor(name=name, dtype=numpy.float64, shape=(-1,)) for name in ("rows", "p")]
with Triton(config=config) as triton:
    triton.bind(
        model_name="wine",
        infer_func=batch(lambda rows: [probabilities(rows)]),
        inputs=tensors[:1],
        outputs=tensors[1:],
        config=ModelConfig(max_batch_size=128),
    )
    triton.serve()
"""

#: The data of a task may ask for a `fault`.
_PLAIN = """
import time
from flask import Flask, Response, jsonify, request
from forest import probabilities, wine

app = Flask("wines")


@app.get("/health")
def health():
    return {}


@app.post("/classify")
def classify():
    if request.headers.get("Authorization") != "Bearer only-for-tests":
        return Response(f"not the right token: {request.headers.get('Authorization')}", 401)
    task = request.get_json()
    fault = task.get("fault")
    if fault == "slow":
        time.sleep(60)
    if fault == "busy":
        return Response("too many requests", 429, {"Retry-After": "3600"})
    if fault == "error":
        return Response(f"an error for {request.headers['Authorization']}", 500)
    if fault == "no JSON":
        return Response("<html>Sign in</html>")
    (row,) = probabilities([[task["row"][name] for name in wine.feature_names]]).tolist()
    return jsonify(wine={"of": row[:2] if fault == "too few" else row})
"""


@dataclass(frozen=True)
class ModelServer:
    """One kind of server: what its environment needs, and the settings of the backend that asks it."""

    name: str
    packages: Sequence[str]
    settings: dict[str, str]

    @contextmanager
    def serving(self, folder: Path) -> Iterator[str]:
        """Run the server with files in `folder`; yield its address when it is ready."""
        python = self._python()
        (folder / "forest.py").write_text(_MODEL)
        port = free_port()
        command, ready = _COMMANDS[self.name](python, folder, port)
        settings = {**os.environ, "PYTHONPATH": str(folder)}
        if self.name == "triton":  # its back-end for Python has no Python library of its own
            settings["LD_LIBRARY_PATH"] = str(sysconfig.get_config_var("LIBDIR"))
        program = Program(command, cwd=folder, env=settings, log=folder / f"{self.name}.log")
        url = f"http://127.0.0.1:{port}"

        def is_ready() -> bool:
            assert program.running, program.output()
            try:
                return requests.get(f"{url}{ready}", timeout=5).ok
            except requests.RequestException:
                return False

        try:
            wait_until(is_ready, f"{self.name} is ready", 120.0)
            yield url
        finally:
            program.stop()

    def _python(self) -> Path:
        """Return the Python of the server's environment, with its packages."""
        if not self.packages:
            return Path(sys.executable)
        venv = environment(self.name)
        install(venv, *self.packages)
        return venv / "bin" / "python"


def _mlserver(python: Path, folder: Path, port: int) -> tuple[list[str | Path], str]:
    save = "import joblib, forest; joblib.dump(forest.forest, 'wine.joblib')"
    subprocess.run([python, "-c", save], cwd=folder, check=True)
    model = {
        "name": "wine",
        "implementation": "mlserver_sklearn.SKLearnModel",
        "parameters": {"uri": "./wine.joblib"},
    }
    (folder / "model-settings.json").write_text(json.dumps(model))
    ports = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
    settings = {"host": "127.0.0.1", **ports, "parallel_workers": 0}
    (folder / "settings.json").write_text(json.dumps(settings))
    return [python.with_name("mlserver"), "start", "."], "/v2/health/ready"


def _kserve(python: Path, folder: Path, port: int) -> tuple[list[str | Path], str]:
    (folder / "serve.py").write_text(_KSERVE)
    return [python, "serve.py", str(port)], "/v2/models/wine/ready"


def _triton(python: Path, folder: Path, port: int) -> tuple[list[str | Path], str]:
    (folder / "serve.py").write_text(_TRITON)
    return [python, "serve.py", str(port), str(free_port()), str(free_port())], "/v2/models/wine/ready"


def _plain(python: Path, folder: Path, port: int) -> tuple[list[str | Path], str]:
    (folder / "serve.py").write_text(textwrap.dedent(_PLAIN))
    bind = ["--bind", f"127.0.0.1:{port}", "--threads", "8"]
    return [python, "-m", "gunicorn", *bind, "serve:app"], "/health"


_COMMANDS: dict[str, Callable[[Path, Path, int], tuple[list[str | Path], str]]] = {
    "mlserver": _mlserver,
    "kserve": _kserve,
    "triton": _triton,
    "plain": _plain,
}

_MLSERVER = ("mlserver==1.7.1", "mlserver-sklearn==1.7.1")
_KSERVE_PACKAGES = ("kserve==0.21.0", "scikit-learn")
SERVERS = {
    "MLServer": ModelServer("mlserver", _MLSERVER, {"SERVER_MODEL": "wine", "OUTPUT": "predict_proba"}),
    "KServe": ModelServer("kserve", _KSERVE_PACKAGES, {"SERVER_MODEL": "wine"}),
    "KServe v1": ModelServer(
        "kserve",
        _KSERVE_PACKAGES,
        {"SERVER_MODEL": "wine", "SERVER_PROTOCOL": "v1", "ANSWER_PATH": "p"},
    ),
    "Triton": ModelServer("triton", ("nvidia-pytriton==0.7.0", "scikit-learn"), {"SERVER_MODEL": "wine"}),
    "plain": ModelServer(
        "plain",
        (),
        {"SERVER_PROTOCOL": "json", "ANSWER_PATH": "wine.of", "SERVER_TOKEN": "only-for-tests"},
    ),
}
