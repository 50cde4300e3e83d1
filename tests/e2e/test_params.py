"""Parameters of a class, set by the extra params of its backend in a real Label Studio."""

import json
import subprocess
from typing import Any

import pytest

from .backend import CLI, Backend, clean_environment
from .conftest import MakeBackend
from .studio import Studio, StudioRefused

CONFIG = """
<View>
  <Text name="text" value="$text"/>
  <Choices name="choice" toName="text"><Choice value="a"/><Choice value="b"/></Choices>
</View>
"""

#: How Label Studio writes the cause, which comes to it in a URL.
REFUSED = r"threshold-must-be-a-number-from-0-to-1,-not-1\.5-\(extra-params-in-Label-Studio\)"


def kept(studio: Studio, project: int) -> list[bool]:
    """Import tasks of which the model is 0.4, 0.6 and 0.8 sure; tell for which its prediction has a region."""
    tasks = studio.import_tasks(project, [{"text": "x", "sure": sure} for sure in (0.4, 0.6, 0.8)])
    studio.retrieve_predictions(project, tasks)
    found = {prediction["task"]: prediction["result"] for prediction in studio.predictions(project)}
    return [bool(found[task]) for task in tasks]


def doctor(studio: Studio, backend: Backend, project: int) -> tuple[str, str]:
    """Return status and finding of doctor's check of the parameters."""
    options = {"--url": studio.url, "--port": str(backend.port), "--project": str(project)}
    done = subprocess.run(
        [*CLI, "doctor", str(backend.folder), *(word for pair in options.items() for word in pair), "--json"],
        env=clean_environment({"LABEL_STUDIO_API_KEY": studio.token}),
        capture_output=True,
        text=True,
        check=False,
    )
    checks = {check["name"]: check for check in json.loads(done.stdout)}
    return checks["parameters"]["status"], checks["parameters"]["what"]


@pytest.mark.parametrize("as_text", [False, True], ids=["API", "form"])
def test_extra_params_act_and_a_wrong_one_is_refused(
    label_studio: Studio, make_backend: MakeBackend, as_text: bool
) -> None:
    studio = label_studio
    project = studio.create_project("Parameters", CONFIG)
    backend = make_backend("tunable.py")

    def change(backend_id: int, **values: Any) -> None:
        text = ", ".join(f'"{name}": {value}' for name, value in values.items())
        extra_params = f"{{{text}}}" if as_text else values
        body = {"project": project, "url": backend.url, "extra_params": extra_params}
        studio.call("PATCH", f"/api/ml/{backend_id}", json=body)

    backend_id = studio.add_backend(project, backend.url)
    assert kept(studio, project) == [False, True, True], "the default is 0.5"
    change(backend_id, threshold=0.7)
    assert kept(studio, project) == [False, False, True]

    with pytest.raises(StudioRefused, match=REFUSED) as refused:
        change(backend_id, threshold=1.5)
    assert refused.value.status == 400
    assert studio.backend(project)["state"] == "CO"
    assert kept(studio, project) == [False, False, True], "what was refused is not used"

    change(backend_id, threshold=0.2)
    assert kept(studio, project) == [True, True, True]
    assert doctor(studio, backend, project) == ("ok", "threshold = 0.2 (extra params in Label Studio)")

    other = studio.create_project("Wrong from the beginning", CONFIG)
    with pytest.raises(StudioRefused, match=REFUSED):
        studio.add_backend(other, backend.url, extra_params={"threshold": 1.5})
    assert studio.get_backends(other) == []
