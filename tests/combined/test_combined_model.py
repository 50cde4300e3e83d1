"""Combined models: which parts answer, what a failing part costs, how parts are trained and kept."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.combined import Combined, Part
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import LabelConfigError, ModelFileError, ModelLoadError
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_api.api_generation import generation
from label_studio_ml.model_calls.adapter import ModelSpec, build, call_prewarm, describe_class
from label_studio_ml.model_calls.predictor import Predictor, Request
from label_studio_ml.training.dataset import LabelledTasks
from label_studio_ml.training.job import PreviousVersion, TrainingJob
from label_studio_ml.user_code.class_search import model_classes
from label_studio_ml.versions.state.key_values import MemoryState
from label_studio_ml.versions.state.project_state import Project

CONFIG = """<View>
  <Text name="text" value="$text"/>
  <Labels name="entities" toName="text"><Label value="PER"/></Labels>
  <View><Choices name="mood" toName="text"><Choice value="good"/><Choice value="bad"/></Choices></View>
</View>"""


class Ner(LabelStudioMLBase):
    max_batch_size = 16

    def setup(self) -> None:
        self.control = self.controls.first("Labels")

    def predict(self, tasks: list[dict[str, Any]], context: Any = None, **kwargs: Any) -> Any:
        if any("ner fails" in task["data"]["text"] for task in tasks):
            raise RuntimeError("no entities today")
        value = {"start": 0, "end": 1, "labels": ["PER"]}
        region = {
            "id": "0",
            "from_name": self.control.name,
            "to_name": "text",
            "type": "labels",
            "value": value,
        }
        return [{"result": [{**region, "score": 0.9}]} for _ in tasks]

    def fit(self, annotations: Iterable[dict[str, Any]], workdir: str = "", **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        seen = [
            region["from_name"]
            for task in annotations
            for annotation in task["annotations"]
            for region in annotation["result"]
        ]
        if "broken" in seen:
            raise RuntimeError("cannot learn this")
        weights = Path(workdir, "weights.txt")
        weights.write_text(",".join(seen))
        return {"weights": str(weights), "f1": 0.5}


class Mood(LabelStudioMLBase):
    max_batch_size = 4

    def setup(self) -> None:
        self.control = self.controls.first("Choices")

    def predict(self, tasks: list[dict[str, Any]], context: Any = None, **kwargs: Any) -> Any:
        if any("mood fails" in task["data"]["text"] for task in tasks):
            raise RuntimeError("no mood today")
        region = {"id": "0", "from_name": self.control.name, "to_name": "text", "type": "choices"}
        return [
            {
                "result": [{**region, "value": {"choices": ["good"]}}],
                "score": 0.5,
                "probabilities": [0.5, 0.5],
            }
            for _ in tasks
        ]

    def fit(self, annotations: Iterable[dict[str, Any]], job: Any = None, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
        job.log(step=1, loss=0.25)
        job.progress(0.5, "half")
        return {"tasks": sum(1 for _ in annotations)}


class Both(Combined):
    parts = (Part(Ner, controls=["entities"]), Part(Mood, controls=["mood"]))


def task(number: int, text: str = "Ann is glad") -> dict[str, Any]:
    return {"id": number, "data": {"text": text}}


def labelled(number: int, *names: str) -> dict[str, Any]:
    result = [{"id": name, "from_name": name, "type": "labels", "value": {}} for name in names]
    return {**task(number), "annotations": [{"id": number, "result": result}]}


def names_of(prediction: dict[str, Any]) -> list[str]:
    return [region["from_name"] for region in prediction["result"]]


def test_the_regions_of_all_parts_are_merged() -> None:
    (prediction,) = Both(label_config=CONFIG).predict([task(1)]) or []
    assert prediction is not None
    assert names_of(prediction) == ["entities", "mood"]
    assert prediction["score"] == pytest.approx(0.7)
    assert prediction["probabilities"] == [0.5, 0.5]
    assert len({region["id"] for region in prediction["result"]}) == 2, "both parts use the id 0"


def test_references_between_regions_follow_a_renewed_id() -> None:
    class Related(Ner):
        def predict(self, tasks: list[dict[str, Any]], context: Any = None, **kwargs: Any) -> Any:
            (prediction,) = super().predict(tasks)
            second = {**prediction["result"][0], "id": "1", "parentID": "0"}
            relation = {"type": "relation", "from_id": "0", "to_id": "1", "direction": "right"}
            return [{"result": [*prediction["result"], second, relation]}]

    class Two(Combined):
        parts = (Ner, Related)

    (prediction,) = Two(label_config=CONFIG).predict([task(1)]) or []
    assert prediction is not None
    _, first, second, relation = prediction["result"]
    assert (relation["from_id"], relation["to_id"], second["parentID"]) == (first["id"], "1", first["id"])
    assert first["id"] != "0"


def test_two_parts_for_one_choice_give_the_value_of_the_first(caplog: pytest.LogCaptureFixture) -> None:
    class Bad(Mood):
        def predict(self, tasks: list[dict[str, Any]], context: Any = None, **kwargs: Any) -> Any:
            predictions = super().predict(tasks)
            predictions[0]["result"][0]["value"] = {"choices": ["bad"]}
            return predictions

    class Two(Combined):
        parts = (Mood, Bad)

    (prediction,) = Two(label_config=CONFIG).predict([task(1)]) or []
    assert prediction is not None
    assert [region["value"]["choices"] for region in prediction["result"]] == [["good"]]
    assert "Part(Bad, controls=" in caplog.text


def test_a_part_that_fails_costs_its_own_regions(caplog: pytest.LogCaptureFixture) -> None:
    tasks = [task(1), task(2, "ner fails"), task(3, "mood fails")]
    first, second, third = Both(label_config=CONFIG).predict(tasks) or []
    assert first is not None
    assert second is not None
    assert third is not None
    assert names_of(first) == ["entities", "mood"]
    assert (names_of(second), names_of(third)) == (["mood"], ["entities"])
    assert caplog.text.count("The part Ner has no prediction") == 1
    assert "no entities today" in caplog.text


def test_a_task_for_which_all_parts_fail_has_the_cause(tmp_path: Path) -> None:
    settings = Settings(backend_dir=tmp_path, model_dir=tmp_path / "data")
    spec = ModelSpec(project=Project(uid="1.5", label_config=CONFIG))
    predictor = Predictor(build(Both, spec, settings, MemoryState()), spec)
    tasks = b'[{"id": 1, "data": {"text": "a"}}, {"id": 2, "data": {"text": "ner fails, mood fails"}}]'
    (answer,) = predictor.answer([Request(tasks=tasks, params=b"{}")])
    assert answer.failed == 1
    assert b"no entities today" in answer.results
    assert answer.results.count(b'"from_name"') == 2


def test_a_context_asks_the_part_that_owns_its_control() -> None:
    context = {"result": [{"from_name": "entities", "type": "labels"}]}
    (prediction,) = Both(label_config=CONFIG).predict([task(1)], context) or []
    assert prediction is not None
    assert names_of(prediction) == ["entities"]


def test_a_part_without_its_controls_in_the_label_config_is_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Two(Combined):
        parts = (Ner, Mood)

    config = CONFIG.replace("Labels", "ParagraphLabels")
    model = Two(label_config=config)
    (prediction,) = model.predict([task(1)]) or []
    assert prediction is not None
    assert names_of(prediction) == ["mood"]
    assert "The part Ner is left out" in caplog.text
    with pytest.raises(LabelConfigError):
        Two(label_config="<View><Text name='text' value='$text'/></View>")


def test_a_part_that_cannot_be_built_is_named() -> None:
    class Broken(Mood):
        def setup(self) -> None:
            raise OSError("no weights")

    class Two(Combined):
        parts = (Ner, Broken)

    with pytest.raises(ModelLoadError, match=r"The part Broken cannot be built: OSError: no weights"):
        Two(label_config=CONFIG)


def test_a_part_sees_its_own_controls_only() -> None:
    model = Both(label_config=CONFIG)
    assert [control.name for control in model["Ner"].controls] == ["entities"]
    assert list(model["Mood"].parsed_label_config) == ["mood"]
    assert [control.name for control in model.controls] == ["entities", "mood"]


def test_each_part_is_trained_on_its_own_regions(tmp_path: Path) -> None:
    model = Both(label_config=CONFIG)
    job = TrainingJob("7", tmp_path)
    annotations = LabelledTasks(lambda: [labelled(1, "entities", "mood"), labelled(2, "mood")], "a test")
    output = model.fit(annotations, job=job, workdir=str(tmp_path), job_id="7")
    weights = tmp_path / "Ner" / "weights.txt"
    assert output["parts"] == {
        "Ner": {"weights": str(weights), "f1": 0.5, "job_id": "7"},
        "Mood": {"tasks": 2, "job_id": "7"},
    }
    assert weights.read_text() == "entities"
    assert output["Ner.f1"] == 0.5
    assert job.metrics == {"Mood.loss": 0.25}
    trained = Both(label_config=CONFIG, train_output=output)
    assert trained["Ner"].train_output["weights"] == str(weights)


def test_exports_of_a_part_are_in_its_own_folder(tmp_path: Path) -> None:
    folders = []

    class Exporting(Ner):
        def fit(self, annotations: Any, workdir: str = "", **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]
            folders.append((annotations.targets(self.controls["entities"]).workdir, Path(workdir)))
            return {}

    class Exported(Combined):
        parts = (Part(Exporting, controls=["entities"]),)

    annotations = LabelledTasks(lambda: [labelled(1, "entities")], "a test")
    Exported(label_config=CONFIG).fit(annotations, job=TrainingJob("7", tmp_path), workdir=str(tmp_path))
    assert folders == [(tmp_path / "Exporting", tmp_path / "Exporting")]


def test_a_part_whose_training_fails_keeps_its_files(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    tasks = [labelled(1, "entities", "mood")]
    output = Both(label_config=CONFIG).fit(tasks, job=TrainingJob("1", old), workdir=str(old), job_id="1")
    previous = PreviousVersion(
        name="one", path=str(old), metrics={"Ner.seen": 3, "Mood.loss": 9}, train_output=output
    )

    class Next(Combined):
        parts = (Part(Ner, controls=["entities", "broken"]), Part(Mood, controls=["mood"]))

    model = Next(label_config=CONFIG, train_output=output)
    job = TrainingJob("2", new, previous)
    output = model.fit([labelled(1, "broken"), labelled(2, "mood")], job=job, workdir=str(new), job_id="2")
    assert output["parts"]["Ner"] == {"weights": str(new / "Ner" / "weights.txt"), "f1": 0.5, "job_id": "1"}
    assert (new / "Ner" / "weights.txt").read_text() == "entities"
    assert output["parts"]["Mood"] == {"tasks": 2, "job_id": "2"}
    assert "The part Ner was not trained" in caplog.text
    assert output["Ner.f1"] == 0.5, "the part is as good as before, which a metric gate must know"
    assert output["Ner.seen"] == 3, "what its fit had logged"
    assert "Mood.loss" not in output, "a metric that the new training logs itself"


def test_a_training_in_which_every_part_fails_fails(tmp_path: Path) -> None:
    class One(Combined):
        parts = (Ner,)

    with pytest.raises(RuntimeError, match="cannot learn this"):
        One(label_config=CONFIG).fit([labelled(1, "broken")], job=TrainingJob("1", tmp_path))


def test_parts_keep_their_pairs_apart() -> None:
    model = Both(label_config=CONFIG)
    model["Ner"].set("key", "ner")
    assert (model["Ner"].get("key"), model["Mood"].get("key"), model.get("Ner.key")) == ("ner", None, "ner")


def test_limits_and_events_come_from_the_parts() -> None:
    class Quick(Mood):
        TRAIN_EVENTS = ("ANNOTATION_CREATED",)

    class Two(Combined):
        parts = (Ner, Quick)

    class Own(Combined):
        parts = (Ner, Quick)
        max_batch_size = 2
        TRAIN_EVENTS = ("START_TRAINING",)

    assert describe_class(Two).max_batch_size == 4
    assert set(describe_class(Two).train_events) == set(Ner.TRAIN_EVENTS)
    assert describe_class(Own).max_batch_size == 2
    assert describe_class(Own).train_events == ("START_TRAINING",)


def test_the_generation_is_that_of_the_parts(tmp_path: Path) -> None:
    events: list[str] = []

    class Learner(LabelStudioMLBase):
        def predict(self, tasks: Any, context: Any = None, **kwargs: Any) -> Any:
            return [None for _ in tasks]

        def fit(self, event: str, data: Any, **kwargs: Any) -> None:  # type: ignore[override]
            events.append(event)

    class Silent(LabelStudioMLBase):
        def predict(self, tasks: Any, context: Any = None, **kwargs: Any) -> Any:
            return []

    learning = type("Learning", (Combined,), {"parts": (Learner, Silent)})
    assert generation(learning) == "event"
    assert generation(Both) == "seed"
    assert generation(type("Quiet", (Combined,), {"parts": (Silent,)})) == "none"
    learning().fit("ANNOTATION_CREATED", {}, workdir=str(tmp_path))
    learning().fit("TASKS_CREATED", {}, workdir=str(tmp_path))
    assert events == ["ANNOTATION_CREATED"]
    with pytest.raises(ModelFileError, match="a training has one of the two forms"):
        type("Mixed", (Combined,), {"parts": (Learner, Ner)})


def test_a_combination_that_says_nothing_returns_none() -> None:
    class Silent(LabelStudioMLBase):
        def predict(self, tasks: Any, context: Any = None, **kwargs: Any) -> Any:
            return []

    quiet = type("Quiet", (Combined,), {"parts": (Silent,)})
    assert quiet().predict([task(1), task(2)]) is None


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ((), "must be a tuple of model classes"),
        (Ner, "must be a tuple of model classes"),
        ((int,), "is no model class"),
        ((Ner, Ner), "two parts named Ner"),
    ],
)
def test_wrong_parts_are_refused(parts: Any, message: str) -> None:
    with pytest.raises(ModelFileError, match=message):
        type("Wrong", (Combined,), {"parts": parts})


def test_a_name_that_is_no_name_of_a_folder_is_refused() -> None:
    with pytest.raises(ModelFileError, match="letters, digits"):
        Part(Ner, name="a/b")


def test_a_class_without_parts_says_so() -> None:
    with pytest.raises(ModelFileError, match="has no parts"):
        type("Empty", (Combined,), {})()


def test_the_combined_class_is_the_one_that_a_file_serves(tmp_path: Path) -> None:
    script = tmp_path / "model.py"
    script.write_text(
        "from label_studio_ml.combined import Combined, Part\n"
        "from label_studio_ml.model import LabelStudioMLBase\n"
        "class Ner(LabelStudioMLBase): ...\n"
        "class Mood(LabelStudioMLBase): ...\n"
        "class Both(Combined):\n    parts = (Ner, Part(Mood, controls=['mood']))\n"
    )
    assert model_classes(script) == ["Both"]


def test_controls_of_a_repeater_are_named_with_their_placeholder() -> None:
    part = Part(Ner, controls=["kind_{{idx}}"])
    assert part.owns("kind_12")
    assert not part.owns("kind_")
    assert not part.owns("other_12")


def test_relations_go_with_the_regions_of_a_part() -> None:
    part = Part(Ner, controls=["entities"])
    result = [
        {"id": "a", "from_name": "entities"},
        {"id": "b", "from_name": "entities"},
        {"id": "c", "from_name": "mood"},
        {"type": "relation", "from_id": "a", "to_id": "b"},
        {"type": "relation", "from_id": "a", "to_id": "c"},
    ]
    kept = part.task({"id": 1, "annotations": [{"result": result}]})["annotations"][0]["result"]
    assert kept == [result[0], result[1], result[3]]


def test_each_part_prepares_a_task() -> None:
    prepared: list[Any] = []

    class Fails(Ner):
        def prewarm(self, task: dict[str, Any]) -> None:
            raise ValueError("no encoder")

    class Prepares(Mood):
        async def prewarm(self, task: dict[str, Any]) -> None:
            prepared.append(task["id"])

    class Prepared(Combined):
        parts = (Fails, Prepares)

    class Unprepared(Combined):
        parts = (Ner, Mood)

    assert describe_class(Prepared).prewarms
    assert not describe_class(Unprepared).prewarms
    with pytest.raises(ValueError, match="no encoder"):
        call_prewarm(Prepared(label_config=CONFIG), {"id": 5})
    assert prepared == [5]
