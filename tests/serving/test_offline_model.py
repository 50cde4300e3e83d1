"""A model in processes of its own, asked in batches."""

import asyncio
import logging
from pathlib import Path

import pytest

from label_studio_ml.errors import ModelLoadError
from label_studio_ml.serving.offline_model import FIRST_BATCH, OfflineModel
from label_studio_ml.user_code.code_identity import CodeIdentity, identify
from label_studio_ml.versions.state.project_state import Project
from label_studio_ml.versions.store.manifest import Manifest
from tricky import CONFIG, Tricky, task

ONE = Project(uid="1.1", label_config=CONFIG)


def made(number: int, code: CodeIdentity | None = None) -> Manifest:
    return Manifest(
        id="a",
        name=f"v{number}",
        project="1.1",
        fence=1,
        created="",
        train_output={"number": number},
        code=code or CodeIdentity(),
    )


def test_one_version_is_asked(tmp_path: Path) -> None:
    async def play() -> None:
        model = OfflineModel(Tricky(tmp_path).settings(), ONE, made(7))
        try:
            assert await model.start() == "v7"
            assert model.batch == FIRST_BATCH
            (first, second) = await model.ask([task(1), task(2)])
            assert model.batch > FIRST_BATCH
            assert [one.predictions[0]["result"][0]["task"] for one in (first, second)] == [1, 2]
            assert first.predictions[0]["result"][0]["number"] == 7
            assert first.predictions[0]["model_version"] == "v7"
        finally:
            await model.close()

    asyncio.run(play())


def test_a_task_that_ends_the_process_takes_no_other_with_it(tmp_path: Path) -> None:
    async def play() -> None:
        model = OfflineModel(Tricky(tmp_path).settings(), ONE, None)
        try:
            await model.start()
            batches = [[task(1), task(2, do="kill")], [task(3), task(4)], [task(5, do="raise up")]]
            first, second, third = await asyncio.gather(*(model.ask(batch) for batch in batches))
            assert [bool(one.predictions) for one in (*first, *second, *third)] == [
                True,
                False,
                True,
                True,
                False,
            ]
            assert "SIGKILL" in first[1].error
            assert "told to up" in third[0].error
        finally:
            await model.close()

    asyncio.run(play())


def test_a_model_that_does_not_load_is_an_error(tmp_path: Path) -> None:
    tricky = Tricky(tmp_path)
    tricky.order("on_load", "raise up")

    async def play() -> None:
        model = OfflineModel(tricky.settings(), ONE, None)
        try:
            with pytest.raises(ModelLoadError, match="told to up"):
                await model.start()
        finally:
            await model.close()

    asyncio.run(play())


@pytest.mark.parametrize("edited", [True, False])
def test_a_version_that_other_code_trained_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, edited: bool
) -> None:
    tricky = Tricky(tmp_path)
    script = tmp_path / "obedient.py"
    code = identify(script)
    if edited:
        script.write_text(f"{script.read_text()}\nEDITED = True\n")

    async def play() -> None:
        model = OfflineModel(tricky.settings(), ONE, made(7, code))
        try:
            await model.start()
            await model.ask([task(1, do="kill")])
            await model.start()
        finally:
            await model.close()

    asyncio.run(play())
    warnings = [
        record.getMessage()
        for record in caplog.records
        if record.levelno == logging.WARNING and "trained" in record.getMessage()
    ]
    assert len(warnings) == edited
    for warning in warnings:
        assert f"version v7 was trained () by code {code.short} and runs with code" in warning
        assert warning.endswith("different: obedient.py")
