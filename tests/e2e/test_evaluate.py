"""Training data, its snapshot and the evaluation of what was learned: a real Label Studio, no server of ours."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.training.dataset import LabelledTasks

from .backend import CLI, clean_environment
from .conftest import MODELS
from .studio import Studio, choice

CONFIG = """
<View>
  <Text name="text" value="$text"/>
  <Choices name="choice" toName="text"><Choice value="Boeing"/><Choice value="Airbus"/></Choices>
</View>
"""

#: What the version learns, and what is annotated after that. To all it does not know it will say Boeing.
EARLY = {"jumbo hump": "Boeing", "beluga whale": "Airbus", "double decker": "Airbus", "four engine": "Boeing"}
LATE = {"one whale": "Airbus", "upper decker": "Airbus", "engine fire": "Airbus", "new type": "Boeing"}


class Commands:
    """The command line in one backend's folder."""

    def __init__(self, folder: Path, studio: Studio, token: str) -> None:
        self.folder = folder
        self.env = clean_environment({"LABEL_STUDIO_URL": studio.url, "LABEL_STUDIO_API_KEY": token})

    def __call__(self, command: str, *words: str, status: int = 0) -> str:
        line = [*CLI, command, self.folder.name, *words]
        done = subprocess.run(
            line,
            cwd=self.folder.parent,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout if status == 0 else done.stderr

    def versions(self) -> list[Path]:
        """Return the versions' folders, oldest first."""
        return sorted(path.parent for path in (self.folder / "data" / "versions").glob("*/*/manifest.json"))

    def report(self, *words: str) -> dict[str, Any]:
        return dict(json.loads(self("evaluate", *words, "--json")))


@pytest.fixture
def commands(tmp_path: Path, label_studio: Studio, personal_token: str) -> Commands:
    folder = tmp_path / "backend"
    folder.mkdir()
    shutil.copy(MODELS / "seed_class.py", folder)
    return Commands(folder, label_studio, personal_token)


def test_train_measure_and_train_again(label_studio: Studio, commands: Commands) -> None:
    studio = label_studio
    project = studio.create_project("Evaluated", CONFIG)
    texts = [*EARLY, *LATE, "skipped", "only a draft"]
    tasks = dict(zip(texts, studio.import_tasks(project, [{"text": text} for text in texts]), strict=True))
    skip = {"result": [], "was_cancelled": True}
    for text in ("skipped", "jumbo hump"):
        studio.call("POST", f"/api/tasks/{tasks[text]}/annotations/", json=skip)
    for text in ("only a draft", "jumbo hump"):
        studio.call("POST", f"/api/tasks/{tasks[text]}/drafts", json={"result": choice("Airbus")})
    annotations = {text: studio.annotate(tasks[text], choice(label)) for text, label in EARLY.items()}
    studio.call("PATCH", f"/api/annotations/{annotations['beluga whale']}/", json={"ground_truth": True})

    trained = commands("train", "--project", str(project))
    assert "learned from 4 labelled tasks (Label Studio)" in trained
    (version,) = commands.versions()
    snapshot = version / "annotations.jsonl.gz"
    learned = list(LabelledTasks.from_snapshot(snapshot))
    assert [one["id"] for one in learned] == sorted(tasks[text] for text in EARLY)
    exported = studio.call("GET", f"/api/projects/{project}/export?exportType=JSON")
    by_id = {one["id"]: one for one in exported}
    for one in learned:
        assert one["data"] == by_id[one["id"]]["data"]
        assert "drafts" not in one
        (kept,) = one["annotations"]
        (theirs,) = (two for two in by_id[one["id"]]["annotations"] if not two["was_cancelled"])
        assert (kept["id"], kept["result"]) == (theirs["id"], theirs["result"])
        assert kept["ground_truth"] == theirs["ground_truth"] == (one["data"]["text"] == "beluga whale")
    for token in (commands.env["LABEL_STUDIO_API_KEY"], studio.token):
        assert token not in json.dumps(learned)

    all_seen = commands("evaluate", status=1)
    assert "was trained on all 4 annotated tasks" in all_seen

    for text, label in LATE.items():
        studio.annotate(tasks[text], choice(label))
    held_out = commands.report()
    assert held_out["tasks"] == {
        "how": "held out",
        "annotated": 8,
        "used": 4,
        "seen": 0,
        "ground_truth_only": False,
    }
    # It knows whale and decker, is wrong about the engine, and right by chance about what it does not know.
    found = held_out["controls"]["choice"]
    assert found["confusion"] == {"labels": ["Boeing", "Airbus"], "matrix": [[1, 0], [1, 2]]}
    assert found["metrics"]["accuracy"] == 3 / 4
    assert found["labels"]["Airbus"] == pytest.approx(
        {"precision": 1.0, "recall": 2 / 3, "f1": 4 / 5, "support": 3}
    )
    (worst,) = held_out["worst_tasks"]
    assert worst == {
        "task": tasks["engine fire"],
        "agreement": 0.0,
        "annotated": {"Airbus": 1},
        "predicted": {"Boeing": 1},
    }
    shared = next((commands.folder / "data" / "evaluations").glob(f"{project}.*/{version.name}.json"))
    assert json.loads(shared.read_text())["controls"] == held_out["controls"]
    everything = commands.report("--all")
    assert (everything["tasks"]["used"], everything["tasks"]["seen"]) == (8, 4)
    assert everything["controls"]["choice"]["metrics"]["accuracy"] == 7 / 8
    commands.env["LABEL_STUDIO_API_KEY"] = studio.token  # the legacy one
    truths = commands.report("--all", "--ground-truth")
    assert (truths["tasks"]["used"], truths["controls"]["choice"]["metrics"]["accuracy"]) == (1, 1.0)

    export = commands.folder.parent / "export.json"
    export.write_text(json.dumps(studio.call("GET", f"/api/projects/{project}/export?exportType=JSON")))
    offline = commands.report("--annotations", str(export))
    assert offline["controls"] == held_out["controls"]
    written = commands.folder / "evaluations" / held_out["version"]
    assert {path.name for path in written.iterdir()} == {"evaluation.json", "confusion-choice.png"}

    again = commands("train", "--from-version", version.name)
    assert f"learned from 4 labelled tasks (the snapshot of version {version.name})" in again
    newest = commands.versions()[-1]
    assert newest != version
    assert (newest / "annotations.jsonl.gz").read_bytes() == snapshot.read_bytes()
    today = commands("train")
    assert "learned from 8 labelled tasks (Label Studio)" in today
