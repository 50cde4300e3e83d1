"""After a training, tasks of a real Label Studio get predictions of the new version without anyone asking."""

from collections import Counter

from .backend import Backend
from .conftest import MakeBackend
from .processes import wait_until
from .studio import Studio, choice
from .test_api_backend import TEXT_CONFIG

TASKS = 120


def test_unlabelled_tasks_get_predictions_of_the_newest_version(
    label_studio: Studio, make_backend: MakeBackend
) -> None:
    login = {"LABEL_STUDIO_URL": label_studio.url, "LABEL_STUDIO_API_KEY": label_studio.token}
    pace = {"PREDICT_AFTER_TRAINING": "unlabelled", "PREDICT_AFTER_TRAINING_RATE": "1"}
    quick = {"LABEL_STUDIO_ML_LEASE": "4", "LABEL_STUDIO_ML_SWEEP": "0.5"}
    backend = make_backend("eights.py", env={**login, **pace, **quick})
    settings = {"evaluate_predictions_automatically": False, "show_collab_predictions": False}
    project = label_studio.create_project("afresh", TEXT_CONFIG, **settings)
    ids = label_studio.import_tasks(project, [{"text": f"plane number {n}"} for n in range(TASKS)])
    label_studio.add_backend(project, backend.url)

    def stored(*without: str) -> Counter[str]:
        found = Counter(str(one["model_version"]) for one in label_studio.predictions(project))
        return Counter({name: count for name, count in found.items() if name not in without})

    label_studio.annotate(ids[0], choice("Boeing"))
    (first,) = wait_until(stored, "the first tasks have predictions", every=0.3)
    label_studio.annotate(ids[1], choice("Airbus"))
    (second,) = wait_until(lambda: stored(first), "a newer version predicts", every=0.3)
    backend.kill()
    backend.env["PREDICT_AFTER_TRAINING_RATE"] = "50"  # until here, the older version's run was to go on
    backend.start()
    wait_until(lambda: stored(first)[second] >= TASKS - 2, "all tasks have predictions", every=0.5)

    wait_until(lambda: "got predictions of version " + second in log(backend), "it ends")
    found = label_studio.predictions(project)
    newest = [one for one in found if one["model_version"] == second]
    assert Counter(one["task"] for one in newest) == Counter(ids[2:])
    assert stored()[first] < TASKS - 1, "the older version's run ended"
    assert max(one["id"] for one in found if one["model_version"] == first) < min(
        one["id"] for one in newest
    ), "nothing older after something newer"
    assert set(stored()) == {first, second}
    assert "exception raised" not in log(backend)


def log(backend: Backend) -> str:
    return (backend.folder / "logs" / "rq.log").read_text()
