"""A pool over a folder with the model of `data/models/keeper.py`, for tests of which process and code answer."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers import strict, until
from label_studio_ml.config.setting_values import InvalidPredictions
from label_studio_ml.config.settings import Settings
from label_studio_ml.protocol.requests import parse_predict
from label_studio_ml.serving.prediction_service import PredictionService
from label_studio_ml.serving.runners.process_runner import ModelRunner
from label_studio_ml.serving.runners.runner_choice import processes
from label_studio_ml.user_code.code_identity import CodeIdentity, identify
from label_studio_ml.user_code.model_source import code_on_disk
from label_studio_ml.versions.state.project_state import Project
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.versions.store.manifest import Manifest
from pools import service

MODELS = Path(__file__).parent / "data" / "models"
LIMIT = 200.0


def config(*labels: str) -> str:
    """Return a label config with these choices."""
    choices = "".join(f'<Choice value="{label}"/>' for label in labels)
    return f'<View><Text name="t" value="$t"/><Choices name="c" toName="t">{choices}</Choices></View>'


ANIMALS = Project(uid="1.1", label_config=config("cat", "dog"))
PAPERS = Project(uid="2.2", label_config=config("invoice", "letter"))
MORE_ANIMALS = Project(uid="3.3", label_config=config("cat", "dog"))


@dataclass
class Bench:
    """A pool, the runners that it made, and a hand that edits the model file and publishes versions."""

    folder: Path
    pool: PredictionService
    store: VersionStore
    runners: list[Any] = field(default_factory=list)

    async def ask(self, project: Project, number: int = 1, do: str = "") -> dict[str, Any]:
        """Return what the model says for one task, with the version that it is sent under."""
        data = {"do": do} if do else {}
        body = json.dumps({"tasks": [{"id": number, "data": data}]}).encode()
        entries = strict(await asyncio.wait_for(self.pool.predict(project, parse_predict(body)), LIMIT))
        [entry] = entries
        assert entry["result"][0]["task"] == number
        return {**entry["result"][0], "version": entry["model_version"]}

    @property
    def running(self) -> list[Any]:
        """The runners that have not ended."""
        return [runner for runner in self.runners if not runner.ended.done()]

    @property
    def script(self) -> Path:
        return self.folder / "keeper.py"

    def edit(self, code: str) -> CodeIdentity:
        """Change the model file so that its model says `code`; return what it is then."""
        text = self.script.read_text()
        line = next(line for line in text.splitlines() if line.startswith("CODE = "))
        self.script.write_text(text.replace(line, f'CODE = "{code}"'))
        return identify(self.script)

    def publish(self, project: Project, number: int, code: CodeIdentity | None = None) -> None:
        """Commit version number `number`, trained by `code`."""
        version_id = f"id{number}"
        self.store.begin(project.uid, version_id)
        self.store.publish(
            Manifest(
                id=version_id,
                name=f"v{number}",
                project=project.uid,
                fence=number,
                created="2026-11-23T00:00:00Z",
                train_output={"number": number},
                code=code or CodeIdentity(),
            )
        )

    async def served(self, project: Project, number: int) -> dict[str, Any]:
        """Refresh until version `number` is served; return what it says."""
        await self.pool.registry.refresh()
        await until(
            lambda: self.pool.registry.version(project.uid) == f"v{number}", f"version {number} is served"
        )
        said = await self.ask(project)
        assert (said["version"], said["number"]) == (f"v{number}", number)
        return said

    async def served_now(self, project: Project, number: int = 1) -> dict[str, Any]:
        """Ask until version `number` answers, however often another one does; return what it says."""
        end = asyncio.get_running_loop().time() + LIMIT
        while (said := await self.ask(project))["version"] != f"v{number}":
            assert asyncio.get_running_loop().time() < end, f"version {number} does not answer"
            await asyncio.sleep(0.01)
        return said

    def close_gate(self, name: str) -> None:
        """Let tasks that are told `name` wait."""
        (self.folder / name).touch()

    def reached(self, name: str) -> bool:
        """Tell whether a task waits at a gate."""
        return (self.folder / f"{name}.reached").exists()

    def open_gate(self, name: str) -> None:
        """Let them go on."""
        (self.folder / name).unlink()


def _copy_model(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for name in ("keeper.py", "gates.py"):
        shutil.copy(MODELS / name, folder)


@asynccontextmanager
async def bench(
    folder: Path,
    make: Callable[[Settings], ModelRunner] = processes,
    class_name: str = "Keeper",
    workers: int = 1,
    **options: Any,
) -> AsyncIterator[Bench]:
    """Open a pool over a new folder; close it, and see that every process has ended."""
    _copy_model(folder)
    settings = Settings(
        backend_dir=folder,
        script=folder / "keeper.py",
        class_name=class_name,
        model_dir=folder / "data",
        log_dir=folder / "logs",
        model_workers=workers,
        invalid_predictions=InvalidPredictions.SEND,  # its regions only say which model they are from
    )
    runners: list[Any] = []

    def make_runner() -> ModelRunner:
        runners.append(make(settings))
        return runners[-1]  # type: ignore[no-any-return]

    store = VersionStore(settings.model_dir)
    options.setdefault("code_on_disk", lambda: code_on_disk(folder, settings.script, class_name))
    options.setdefault("separate", True)
    made = Bench(folder, service(make_runner, store, runners=workers, **options), store, runners)
    await made.pool.registry.start()
    try:
        yield made
    finally:
        await asyncio.wait_for(made.pool.registry.close(), LIMIT)
        assert not made.running
