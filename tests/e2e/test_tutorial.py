"""The tutorial's commands, in its order."""

import shutil
import subprocess
from pathlib import Path

from .backend import CLI, Backend, clean_environment
from .conftest import MODELS, StartStudio
from .processes import wait_until
from .studio import chosen

CONFIG = """
<View>
  <Text name="text" value="$text"/>
  <Choices name="choice" toName="text" showInLine="true">
    <Choice value="Boeing" background="blue"/>
    <Choice value="Airbus" background="green"/>
  </Choices>
</View>
"""


def test_tutorial(tmp_path: Path, start_studio: StartStudio) -> None:
    shutil.copy(MODELS / "dummy.py", tmp_path / "model.py")
    init = [*CLI, "init", "my_backend"]
    env = clean_environment()
    done = subprocess.run(init, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    again = subprocess.run(init, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert again.returncode == 1, "an existing folder is left alone"

    backend = Backend(tmp_path / "my_backend", tmp_path / "my_backend.log")
    backend.start()
    try:
        server = start_studio("my_project", "--init", "--ml-backends", backend.url)
        studio = server.wait()
        (project,) = [project["id"] for project in studio.projects() if project["title"] == "my_project"]
        # No label config yet: the tutorial's class cannot be built, the backend is connected all the same.
        assert studio.backend(project)["state"] == "CO", studio.backend(project)
        assert "Traceback" not in server.program.output()

        studio.call("PATCH", f"/api/projects/{project}/", json={"label_config": CONFIG})
        task, _ = studio.import_tasks(project, [{"text": "one"}, {"text": "two"}])

        def opened() -> list[str]:
            return [chosen(prediction) for prediction in studio.get_task(task)["predictions"]]

        assert wait_until(opened, "the opened task is predicted") == ["Boeing"]
        shown = studio.backend(project)
        assert (shown["state"], shown["error_message"]) == ("CO", None)
        assert isinstance(shown["model_version"], str)
        (prediction,) = studio.predictions(project)
        assert prediction["model_version"] == shown["model_version"]
    finally:
        left = backend.stop()
        print(backend.output()[-6000:])
    assert not left
