"""A backend added through Label Studio's API: predictions, training, both generations of model classes."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from .backend import Backend
from .conftest import MakeBackend
from .processes import wait_until
from .studio import Studio, StudioRefused, choice, chosen

TEXT_CONFIG = """
<View>
  <Text name="text" value="$text"/>
  <Choices name="choice" toName="text"><Choice value="Boeing"/><Choice value="Airbus"/></Choices>
</View>
"""

#: Text -> the label that its annotator gives it. No word occurs in two texts.
LABELLED = {
    "jumbo hump": "Boeing",
    "beluga whale": "Airbus",
    "dreamliner carbon": "Boeing",
    "double decker": "Airbus",
}
#: Text with words from above -> what a model that learnt them says. Untrained, they say Boeing to everything.
UNSEEN = {"a whale of a plane": "Airbus", "the upper decker": "Airbus", "one hump": "Boeing"}

GENERATIONS = ["seed_class.py", "later_class.py"]


def latest(studio: Studio, project: int) -> dict[int, dict[str, Any]]:
    """Return each task's newest prediction."""
    return {
        found["task"]: found for found in sorted(studio.predictions(project), key=lambda found: found["id"])
    }


def says(
    studio: Studio, project: int, expected: dict[int, str], version: str = ""
) -> dict[int, dict[str, Any]]:
    """Wait until retrieved predictions choose `expected` (with `version`, if given), and return them."""

    def right() -> dict[int, dict[str, Any]]:
        studio.retrieve_predictions(project, list(expected))
        found = {task: prediction for task, prediction in latest(studio, project).items() if task in expected}
        labels = {task: chosen(prediction) for task, prediction in found.items()}
        versions = {prediction["model_version"] for prediction in found.values()}
        return found if labels == expected and (not version or versions == {version}) else {}

    return wait_until(right, f"predictions say {expected}", every=0.5)


def settled_version(studio: Studio, project: int) -> str:
    """Return the backend's version once its model is there; /setup does not wait for a model to load."""

    def settled() -> str:
        studio.retrieve_predictions(project)
        versions = {prediction["model_version"] for prediction in latest(studio, project).values()}
        return str(versions.pop()) if versions == {studio.backend(project)["model_version"]} else ""

    return wait_until(settled, "/setup and the predictions say the same version", every=0.3)


def version_after(studio: Studio, project: int, old: str) -> str:
    """Wait until Label Studio knows a version of the backend other than `old`, and return it."""

    def changed() -> str:
        backend = studio.backend(project)
        assert backend["state"] == "CO", backend
        assert isinstance(backend["model_version"], str)
        return str(backend["model_version"]) if backend["model_version"] != old else ""

    return wait_until(changed, f"a version after {old!r}", every=0.3)


def seen(backend: Backend) -> list[dict[str, list[str]]]:
    """Return what each training of `seed_class.py` was given: task id -> text and label."""
    path = backend.folder / "seen.jsonl"
    *lines, _ = path.read_text().split("\n") if path.exists() else [""]
    return [json.loads(line) for line in lines]


def annotate_all(studio: Studio, tasks: dict[str, int]) -> None:
    for text, task in tasks.items():
        studio.annotate(task, choice(LABELLED[text]))


def test_twenty_tasks_are_predicted_in_one_action_and_stored_once(
    label_studio: Studio, make_backend: MakeBackend
) -> None:
    studio = label_studio
    project = studio.create_project("Twenty tasks", TEXT_CONFIG)
    tasks = studio.import_tasks(project, [{"text": f"text {number}"} for number in range(20)])
    backend_id = studio.add_backend(project, make_backend("dummy.py").url)

    backend = studio.backend(project)
    assert (backend["state"], backend["error_message"]) == ("CO", None)
    assert isinstance(backend["model_version"], str)
    assert backend["model_version"]

    studio.retrieve_predictions(project)
    first = studio.predictions(project)
    assert sorted(prediction["task"] for prediction in first) == sorted(tasks)
    assert {chosen(prediction) for prediction in first} == {"Boeing"}
    assert {prediction["score"] for prediction in first} == {0.987}
    # The class stamps its own version. /setup has to say the same one, or Label Studio would ask for ever.
    assert {prediction["model_version"] for prediction in first} == {studio.backend(project)["model_version"]}

    studio.retrieve_predictions(project)
    assert sorted(p["id"] for p in studio.predictions(project)) == sorted(p["id"] for p in first)
    assert first[0]["model_version"] in studio.versions(backend_id)


def test_opened_task_is_predicted(label_studio: Studio, make_backend: MakeBackend) -> None:
    studio = label_studio
    project = studio.create_project("Opened task", TEXT_CONFIG, evaluate_predictions_automatically=True)
    task, other = studio.import_tasks(project, [{"text": "one"}, {"text": "two"}])
    studio.add_backend(project, make_backend("dummy.py").url)
    assert [chosen(prediction) for prediction in studio.get_task(task)["predictions"]] == ["Boeing"]
    assert [prediction["task"] for prediction in studio.predictions(project)] == [task]
    assert [chosen(prediction) for prediction in studio.get_task(other)["predictions"]] == ["Boeing"]


@pytest.mark.parametrize("extra_params", [None, {"threshold": 0.5}, '{"threshold": 0.5}', "not JSON"])
def test_extra_params_of_every_kind_connect(
    label_studio: Studio, make_backend: MakeBackend, extra_params: object
) -> None:
    project = label_studio.create_project("Extra params", TEXT_CONFIG)
    label_studio.add_backend(project, make_backend("later_class.py").url, extra_params=extra_params)
    assert label_studio.backend(project)["state"] == "CO"


def test_interactive_prediction_gets_the_context(label_studio: Studio, make_backend: MakeBackend) -> None:
    studio = label_studio
    project = studio.create_project("Interactive", TEXT_CONFIG)
    (task,) = studio.import_tasks(project, [{"text": "which one"}])
    backend = studio.add_backend(project, make_backend("later_class.py").url, is_interactive=True)
    answer = studio.interactive(backend, task, {"result": choice("Airbus")})
    assert "errors" not in answer
    assert chosen(answer["data"]) == "Airbus"
    assert chosen(studio.interactive(backend, task, {"result": []})["data"]) == "Boeing"


@pytest.mark.parametrize("model", GENERATIONS)
def test_annotations_train_a_version_that_predicts_what_they_say(
    label_studio: Studio, make_backend: MakeBackend, model: str
) -> None:
    studio = label_studio
    project = studio.create_project(f"Learns with {model}", TEXT_CONFIG)
    texts = [*LABELLED, *UNSEEN]
    tasks = dict(zip(texts, studio.import_tasks(project, [{"text": text} for text in texts]), strict=True))
    backend = make_backend(model)
    backend_id = studio.add_backend(project, backend.url)
    untrained = settled_version(studio, project)
    says(studio, project, dict.fromkeys(tasks.values(), "Boeing"), untrained)

    annotate_all(studio, {text: tasks[text] for text in LABELLED})
    version_after(studio, project, untrained)
    trained = says(studio, project, {tasks[text]: label for text, label in UNSEEN.items()})

    versions = {prediction["model_version"] for prediction in trained.values()}
    assert len(versions) == 1
    assert untrained not in versions
    assert versions <= set(studio.versions(backend_id))
    if model == "seed_class.py":
        complete = {str(tasks[text]): [text, label] for text, label in LABELLED.items()}
        assert wait_until(lambda: complete in seen(backend), "a training saw every labelled task")


def test_the_button_trains_on_what_was_labelled(label_studio: Studio, make_backend: MakeBackend) -> None:
    studio = label_studio
    project = studio.create_project("The button", TEXT_CONFIG)
    texts = [*LABELLED, *UNSEEN]
    tasks = dict(zip(texts, studio.import_tasks(project, [{"text": text} for text in texts]), strict=True))
    annotate_all(studio, {text: tasks[text] for text in LABELLED})
    backend = make_backend("seed_class.py")
    backend_id = studio.add_backend(project, backend.url)
    untrained = settled_version(studio, project)
    assert seen(backend) == []

    studio.start_training(backend_id)
    trained = version_after(studio, project, untrained)
    says(studio, project, {tasks[text]: label for text, label in UNSEEN.items()}, trained)
    assert seen(backend) == [{str(tasks[text]): [text, label] for text, label in LABELLED.items()}]


def test_predictions_go_on_while_it_trains(label_studio: Studio, make_backend: MakeBackend) -> None:
    studio = label_studio
    project = studio.create_project("Trains and predicts", TEXT_CONFIG)
    labelled, other = studio.import_tasks(project, [{"text": "beluga whale"}, {"text": "whale"}])
    studio.annotate(labelled, choice("Airbus"))
    backend = make_backend("seed_class.py")
    backend_id = studio.add_backend(project, backend.url)
    untrained = settled_version(studio, project)

    hold = backend.folder / "hold"
    hold.touch()
    studio.start_training(backend_id)
    wait_until((backend.folder / "holding").exists, "the training has begun")
    says(studio, project, {labelled: "Boeing", other: "Boeing"}, untrained)
    hold.unlink()

    trained = version_after(studio, project, untrained)
    says(studio, project, {labelled: "Airbus", other: "Airbus"}, trained)


@pytest.mark.parametrize("model", GENERATIONS)
def test_trained_version_survives_a_power_cut(
    label_studio: Studio, make_backend: MakeBackend, model: str
) -> None:
    studio = label_studio
    project = studio.create_project(f"Power cut for {model}", TEXT_CONFIG)
    (labelled,) = studio.import_tasks(project, [{"text": "beluga whale"}])
    backend = make_backend(model)
    studio.add_backend(project, backend.url)
    untrained = settled_version(studio, project)
    studio.annotate(labelled, choice("Airbus"))
    trained = version_after(studio, project, untrained)

    backend.kill()
    assert studio.backend(project)["state"] == "DI"
    backend.start()
    assert wait_until(lambda: studio.backend(project)["state"] == "CO", "connected again")
    assert studio.backend(project)["model_version"] == trained
    (fresh,) = studio.import_tasks(project, [{"text": "another whale"}])
    says(studio, project, {fresh: "Airbus"}, trained)


def test_basic_auth(label_studio: Studio, make_backend: MakeBackend) -> None:
    studio = label_studio
    user, password = "label-studio", "s3cret-of-the-backend"
    project = studio.create_project("Basic auth", TEXT_CONFIG)
    texts = ["beluga whale", "double decker", "another decker", "neo engine", "one engine"]
    first, second, third, fourth, fifth = studio.import_tasks(project, [{"text": text} for text in texts])
    studio.annotate(first, choice("Airbus"))
    backend = make_backend(
        "seed_class.py", arguments=("--basic-auth-user", user, "--basic-auth-pass", password)
    )

    with pytest.raises(StudioRefused, match=r"(?i)authentication") as refused:
        studio.add_backend(project, backend.url)
    assert refused.value.status == 400

    backend_id = studio.add_backend(project, backend.url, basic_auth=(user, password))
    assert studio.backend(project)["state"] == "CO"
    untrained = settled_version(studio, project)
    says(studio, project, {third: "Boeing"}, untrained)
    assert studio.versions(backend_id)

    studio.start_training(backend_id)
    trained = version_after(studio, project, untrained)
    says(studio, project, {first: "Airbus", third: "Boeing"}, trained)

    # Label Studio's own webhook carries no credentials: what it brings is not believed, but it is a reason to ask.
    studio.annotate(second, choice("Airbus"))
    again = version_after(studio, project, trained)
    says(studio, project, {third: "Airbus", fifth: "Boeing"}, again)

    # A person can give it some.
    (webhook,) = studio.webhooks(project)
    credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
    studio.set_webhook_headers(webhook["id"], {"Authorization": f"Basic {credentials}"})
    studio.annotate(fourth, choice("Airbus"))
    says(studio, project, {fifth: "Airbus"}, version_after(studio, project, again))

    logs = [backend.output(), *(log.read_text() for log in (backend.folder / "logs").glob("*.log"))]
    for secret in (password, credentials, studio.token):
        assert not [log for log in logs if secret in log]


def test_one_task_that_predict_cannot_cope_with(label_studio: Studio, make_backend: MakeBackend) -> None:
    studio = label_studio
    project = studio.create_project("One of a hundred", TEXT_CONFIG)
    texts = [f"text {number}" for number in range(100)]
    texts[41] = "poison"
    tasks = studio.import_tasks(project, [{"text": text} for text in texts])
    backend = make_backend("sometimes_raises.py")
    studio.add_backend(project, backend.url)

    studio.retrieve_predictions(project)
    good = [prediction["task"] for prediction in studio.predictions(project) if prediction["result"]]
    assert sorted(good) == sorted(set(tasks) - {tasks[41]})
    logs = backend.output() + "".join(log.read_text() for log in (backend.folder / "logs").glob("*.log"))
    assert "this text is poison" in logs


def test_a_class_that_cannot_be_built_says_why_in_label_studio(
    label_studio: Studio, make_backend: MakeBackend
) -> None:
    studio = label_studio
    project = studio.create_project("Cannot be built", TEXT_CONFIG)
    studio.import_tasks(project, [{"text": "one"}])
    backend = make_backend("cannot_be_built.py")

    def told() -> bool:
        """Label Studio refuses a backend whose cause is known when it is added, else shows it on the card."""
        try:
            if not studio.get_backends(project):
                studio.add_backend(project, backend.url)
        except StudioRefused as refused:
            return refused.status == 400 and "weights-7.bin" in refused.text
        shown = studio.backend(project)
        return shown["state"] in ("ER", "DI") and "weights-7.bin" in (shown["error_message"] or "")

    assert wait_until(told, "the cause is where the user looks", every=0.5)


def test_a_backend_that_breaks_later_says_why_on_its_card(
    label_studio: Studio, make_backend: MakeBackend
) -> None:
    studio = label_studio
    project = studio.create_project("Breaks later", TEXT_CONFIG)
    backend = make_backend("dummy.py")
    studio.add_backend(project, backend.url)
    assert studio.backend(project)["state"] == "CO"

    backend.stop()
    broken = Path(__file__).parent / "models" / "cannot_be_built.py"
    (backend.folder / "dummy.py").write_text(broken.read_text().replace("WeightlessModel", "DummyModel"))
    backend.start()

    def message() -> str:
        return studio.backend(project)["error_message"] or ""

    assert wait_until(lambda: "weights-7.bin" in message(), "the card shows the cause", every=0.5)
