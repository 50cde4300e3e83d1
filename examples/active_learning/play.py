"""Play active learning through a real Label Studio: label what it hands out next, let it train, rank, and again.

    export LABEL_STUDIO_URL=http://localhost:8080 LABEL_STUDIO_API_KEY=…
    python examples/active_learning/play.py --order coverage    # or: --order random

Makes a project of handwritten digits, starts a backend and connects it. Then, round by round: `label-studio-ml rank`
stores scores (nothing for random order), the tasks that "Label All Tasks" hands out get their true label, Label
Studio's webhooks start the training, and the new version is measured on the half of the images that is never labelled.
It ends when 90 % are right, and says whether the same was chosen and measured as by curve.py, where no Label Studio is.
"""

import argparse
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import requests
from curve import Step, curve
from digits import CONFIG, FIRST, GOAL, MOST, STEP, digits, url

HERE = Path(__file__).resolve().parent
COMMAND = [sys.executable, "-m", "label_studio_ml"]
#: Seconds that anything may take: a start, a training, a command.
PATIENCE = 180


class Player:
    """An annotator of one project, and its backend."""

    def __init__(self, folder: Path, order: str, seed: int) -> None:
        self.folder, self.order = folder, order
        self.studio = os.environ["LABEL_STUDIO_URL"].rstrip("/")
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Token {os.environ['LABEL_STUDIO_API_KEY']}"
        data = digits(seed)
        # Random order is that of the pool, which is shuffled.
        project = {
            "title": f"digits {seed}, {order}",
            "label_config": CONFIG,
            "sampling": "Sequential sampling",
        }
        self.project = self.call("POST", "/api/projects/", json=project)["id"]
        path = f"/api/projects/{self.project}/import?return_task_ids=true"
        body = [{"data": {"image": url(picture)}} for picture in data.pool]
        self.tasks: list[int] = self.call("POST", path, json=body)["task_ids"]
        self.truth, self.test_truth = data.truth, data.test_truth
        (folder / "model").mkdir()
        shutil.copy(HERE / "model.py", folder / "model")
        (folder / "config.xml").write_text(CONFIG)
        (folder / "test.json").write_text(json.dumps([{"image": url(picture)} for picture in data.test]))
        self.backend = ""

    @contextlib.contextmanager
    def serving(self) -> Iterator[None]:
        """Start the backend and connect it; end it at the end."""
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        self.backend = f"http://localhost:{port}"
        with (self.folder / "start.log").open("w") as log:
            command = [*COMMAND, "start", "model", "--port", port]
            program = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log)
        try:
            until(lambda: requests.get(f"{self.backend}/health", timeout=5).ok, "the backend answers")
            self.command("connect", "--project", str(self.project), "--port", port)
            yield
        finally:
            program.terminate()
            program.wait(PATIENCE)

    def call(self, method: str, path: str, **options: Any) -> Any:
        answer = self.session.request(method, self.studio + path, timeout=300, **options)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def command(self, name: str, *arguments: str) -> None:
        done = subprocess.run(
            [*COMMAND, name, "model", *arguments],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE,
        )
        if done.returncode:
            sys.exit(f"{name}: {done.stdout}{done.stderr}")

    def first_in_manager(self, count: int) -> list[int]:
        """Return the tasks that the Data Manager shows first, ordered by prediction score, without a label."""
        view = {
            "ordering": ["tasks:predictions_score"],
            "filters": {
                "conjunction": "and",
                "items": [
                    {
                        "filter": "filter:tasks:total_annotations",
                        "operator": "equal",
                        "type": "Number",
                        "value": 0,
                    }
                ],
            },
        }
        query = {"project": self.project, "query": json.dumps(view), "page_size": count}
        return [task["id"] for task in self.call("GET", "/api/tasks/", params=query)["tasks"]]

    def label(self, count: int) -> list[int]:
        """Label what Label Studio hands out; return the places in the pool."""
        shown = self.first_in_manager(count) if self.order != "random" else None
        done = []
        for _ in range(count):
            task = self.call("GET", f"/api/projects/{self.project}/next")["id"]
            value = {"choices": [str(self.truth[self.tasks.index(task)])]}
            region = {"from_name": "digit", "to_name": "image", "type": "choices", "value": value}
            self.call("POST", f"/api/tasks/{task}/annotations/", json={"result": [region]})
            done.append(task)
        if shown is not None and shown != done:
            sys.exit(f"the Data Manager shows {shown} first, but {done} were handed out")
        return [self.tasks.index(task) for task in done]

    def trained(self, labels: int) -> bool:
        """Return whether a version that learned from so many labels is served."""
        answer = requests.get(f"{self.backend}/versions", params={"project": self.project}, timeout=30).json()
        return any(
            version["name"] == answer["model_version"] and version["annotations"] == labels
            for version in answer["details"]
        )

    def accuracy(self) -> float:
        """Return the share of the test half that the served version gets right."""
        files = ["--input", "test.json", "--output", "out.json", "--label-config", "config.xml"]
        self.command("predict", *files)
        predicted = json.loads((self.folder / "out.json").read_text())
        shown = [int(one["predictions"][0]["result"][0]["value"]["choices"][0]) for one in predicted]
        return float(np.mean(np.array(shown) == self.test_truth))

    def play(self, most: int) -> list[Step]:
        """Label until the goal is reached, or `most` labels are there."""
        steps: list[Step] = []
        while not steps or (steps[-1].accuracy < GOAL and steps[-1].labels < most):
            begun = time.monotonic()
            if self.order != "random":
                self.command("rank", "--project", str(self.project), "--by", self.order, "--top", str(FIRST))
            chosen = self.label(STEP if steps else FIRST)
            labels = len(chosen) + (steps[-1].labels if steps else 0)
            until(lambda labels=labels: self.trained(labels), f"a version of {labels} labels is served")
            steps.append(Step(chosen, labels, self.accuracy()))
            seconds = round(time.monotonic() - begun, 1)
            print(json.dumps({"order": self.order, **steps[-1]._asdict(), "seconds": seconds}), flush=True)
        return steps


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until `condition` holds; where it cannot be asked yet, it does not."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with contextlib.suppress(requests.RequestException, LookupError):
            if condition():
                return
        time.sleep(0.2)
    sys.exit(f"not within {PATIENCE} s: {what}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--order", choices=("coverage", "diversity", "random"), default="coverage")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--most", type=int, default=MOST, help="labels after which it ends, goal or not")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        player = Player(Path(name), args.order, args.seed)
        with player.serving():
            steps = player.play(args.most)
    offline = curve(args.order, args.seed, most=args.most, goal=GOAL)
    said = {"order": args.order, "seed": args.seed, "labels": steps[-1].labels}
    said |= {"accuracy": steps[-1].accuracy, "as_without_label_studio": steps == offline}
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
