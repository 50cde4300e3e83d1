"""docs/trackers.md: the callbacks of training libraries. All libraries but scikit-learn are stand-ins."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any
from unittest.mock import MagicMock

from label_studio_ml.training.job import TrainingJob

from ..snippets import Snippet, scenario
from .material import MOODS

TASKS = [
    {
        "data": {"text": f"{word} number {number}"},
        "annotations": [{"result": [{"from_name": "mood", "to_name": "text", "value": {"choices": [word]}}]}],
    }
    for number in range(4)
    for word in ("Good", "Bad")
]


def _module(snippet: Snippet, name: str, **contents: Any) -> None:
    """Put a stand-in of a module in its place."""
    module = ModuleType(name)
    vars(module).update(contents)
    snippet.patch.setitem(sys.modules, name, module)


@scenario("docs/trackers.md", "from label_studio_ml.callbacks import transformers_callback")
def a_training_with_transformers(snippet: Snippet) -> None:
    class TrainerStandIn:
        def __init__(self, *_: Any, callbacks: list[Any], train_dataset: list[Any], **__: Any) -> None:
            self.callback, self.rows = callbacks[0], train_dataset

        def train(self) -> None:
            state = SimpleNamespace(is_world_process_zero=True, global_step=1, max_steps=2)
            control = SimpleNamespace(should_training_stop=False)
            self.callback.on_step_end(None, state, control)
            self.callback.on_log(None, state, control, logs={"loss": 0.5})

        def save_model(self, folder: Any) -> None:
            folder.write_text(str(len(self.rows)))

    _module(
        snippet,
        "transformers",
        AutoModelForSequenceClassification=MagicMock(),
        AutoTokenizer=SimpleNamespace(
            from_pretrained=lambda name: lambda text, truncation: {"input_ids": [1]}
        ),
        Trainer=TrainerStandIn,
        TrainerCallback=object,
        TrainingArguments=MagicMock(),
    )
    job = TrainingJob(workdir=snippet.folder)
    snippet.run()["Model"](label_config=MOODS).fit(TASKS, job=job)
    assert job.metrics == {"loss": 0.5}
    assert (snippet.folder / "model").read_text() == "8"


@scenario("docs/trackers.md", "from label_studio_ml.callbacks import lightning_callback")
def a_training_with_lightning(snippet: Snippet) -> None:
    class TrainerStandIn:
        def __init__(self, *, callbacks: list[Any], **_: Any) -> None:
            self.callback = callbacks[0]
            self.is_global_zero, self.sanity_checking = True, False
            self.global_step = self.estimated_stepping_batches = self.log_every_n_steps = 1
            self.current_epoch = 0

        def fit(self, net: Any, data: Any) -> None:
            net.configure_optimizers()
            net.training_step(([0.0], [1.0]), 0)
            self.callback_metrics = net.logged
            self.callback.on_train_batch_end(self, net)

    class LightningModule:
        def __init__(self) -> None:
            self.logged: dict[str, Any] = {}

        def log(self, name: str, value: Any) -> None:
            self.logged[name] = value

        def parameters(self) -> list[Any]:
            return []

        def state_dict(self) -> dict[str, int]:
            return {"w": 1}

    torch = MagicMock()
    torch.nn.functional.mse_loss = lambda *_: 0.25
    snippet.patch.setitem(sys.modules, "torch", torch)
    _module(snippet, "lightning", LightningModule=LightningModule, Trainer=TrainerStandIn)
    _module(snippet, "lightning.pytorch", Callback=object)
    job = TrainingJob(workdir=snippet.folder)
    snippet.run()["Model"](label_config=MOODS).fit(TASKS, job=job)
    assert job.metrics == {"loss": 0.25}
    torch.save.assert_called_once_with({"w": 1}, snippet.folder / "net.pt")


@scenario("docs/trackers.md", "from label_studio_ml.callbacks import fit_search")
def a_search_with_scikit_learn(snippet: Snippet) -> None:
    job = TrainingJob(workdir=snippet.folder)
    assert snippet.run()["Model"](label_config=MOODS).fit(TASKS, job=job) == {"accuracy": 1.0}
    assert job.metrics["mean_test_score"] == 1.0
    assert (snippet.folder / "model.joblib").is_file()


@scenario("docs/trackers.md", "from label_studio_ml.callbacks import follow_ultralytics")
def a_training_with_ultralytics(snippet: Snippet) -> None:
    yolo = MagicMock()
    _module(snippet, "ultralytics", YOLO=lambda weights: yolo)
    job = TrainingJob(workdir=snippet.folder)
    model = snippet.run()["Model"](label_config=MOODS)
    model.write_dataset = lambda annotations: "data.yaml"
    model.fit(TASKS, job=job)
    yolo.train.assert_called_once_with(data="data.yaml", epochs=20, project=snippet.folder)
    events = {call.args[0] for call in yolo.add_callback.call_args_list}
    assert events == {"on_train_start", "on_train_batch_end", "on_fit_epoch_end"}
