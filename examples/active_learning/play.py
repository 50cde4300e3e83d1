"""Play active learning through a real Label Studio: rank, label what it hands out next, train, and again.

    export LABEL_STUDIO_URL=http://localhost:8080 LABEL_STUDIO_API_KEY=…
    python examples/active_learning/play.py --order margin    # or: --order random

Makes a project of handwritten digits and a backend's folder. Each round labels the 5 tasks (10 in the first round) that
"Label All Tasks" hands out, as an annotator who knows the truth, trains with `label-studio-ml train`, and measures the
new version on 600 other images with `label-studio-ml predict --input`.
"""

import argparse
import base64
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import requests
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

HERE = Path(__file__).resolve().parent
CONFIG = (
    '<View><Image name="image" value="$image"/><Choices name="digit" toName="image">'
    + "".join(f'<Choice value="{digit}"/>' for digit in range(10))
    + "</Choices></View>"
)
FIRST, STEP, MOST, GOAL = 10, 5, 150, 0.9


class Player:
    """An annotator of one project, and its backend's folder."""

    def __init__(self, folder: Path, order: str, seed: int) -> None:
        self.folder, self.order = folder, order
        self.url = os.environ["LABEL_STUDIO_URL"].rstrip("/")
        self.session = requests.Session()
        self.session.headers["Authorization"] = f"Token {os.environ['LABEL_STUDIO_API_KEY']}"
        images, digits = load_digits(return_X_y=True)
        pool, test, truth, self.test_truth = train_test_split(
            images, digits, test_size=600, stratify=digits, random_state=seed
        )
        sampling = "Uniform sampling" if order == "random" else "Sequential sampling"
        project = {"title": f"digits, {order}", "label_config": CONFIG, "sampling": sampling}
        self.project = self.call("POST", "/api/projects/", json=project)["id"]
        body = [{"data": {"image": picture(image)}} for image in pool]
        path = f"/api/projects/{self.project}/import?return_task_ids=true"
        ids = self.call("POST", path, json=body)["task_ids"]
        self.truth = dict(zip(ids, truth, strict=True))
        (folder / "model").mkdir()
        shutil.copy(HERE / "model.py", folder / "model")
        (folder / "config.xml").write_text(CONFIG)
        (folder / "test.json").write_text(json.dumps([{"image": picture(image)} for image in test]))

    def call(self, method: str, path: str, **options: Any) -> Any:
        answer = self.session.request(method, self.url + path, timeout=300, **options)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def command(self, name: str, *arguments: str) -> None:
        command = [sys.executable, "-m", "label_studio_ml", name, "model", *arguments]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{name}: {done.stdout}{done.stderr}")

    def label(self, count: int) -> None:
        """Label what Label Studio hands out."""
        for _ in range(count):
            task = self.call("GET", f"/api/projects/{self.project}/next")["id"]
            value = {"choices": [str(self.truth[task])]}
            region = {"from_name": "digit", "to_name": "image", "type": "choices", "value": value}
            self.call("POST", f"/api/tasks/{task}/annotations/", json={"result": [region]})

    def accuracy(self) -> float:
        """Return the share of the other images that the newest version gets right."""
        files = ["--input", "test.json", "--output", "out.json", "--label-config", "config.xml"]
        self.command("predict", *files)
        predicted = json.loads((self.folder / "out.json").read_text())
        digits = [int(one["predictions"][0]["result"][0]["value"]["choices"][0]) for one in predicted]
        return float(np.mean(np.array(digits) == self.test_truth))

    def play(self) -> None:
        """Label until the goal is reached."""
        labels = 0
        while labels < MOST:
            if self.order == "margin":
                by = "margin" if labels else "typicality"
                count = ["--top", str(FIRST)] if not labels else []
                self.command("rank", "--project", str(self.project), "--by", by, *count)
            step = STEP if labels else FIRST
            self.label(step)
            labels += step
            self.command("train", "--project", str(self.project))
            accuracy = self.accuracy()
            print(
                json.dumps({"order": self.order, "labels": labels, "accuracy": round(accuracy, 4)}),
                flush=True,
            )
            if accuracy >= GOAL:
                return


def picture(image: Any) -> str:
    """Return an image as a data URL."""
    buffer = io.BytesIO()
    Image.fromarray((np.asarray(image).reshape(8, 8) * 255 / 16).astype("uint8")).save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--order", choices=("margin", "random"), default="margin")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        Player(Path(folder), args.order, args.seed).play()


if __name__ == "__main__":
    main()
