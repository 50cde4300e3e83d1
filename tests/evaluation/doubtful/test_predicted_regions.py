"""The file of predicted regions."""

import errno
from pathlib import Path

import pytest

from label_studio_ml.errors import VersionError
from label_studio_ml.evaluation.doubtful.predicted_regions import PredictedRegions


def test_regions_of_a_task_are_read_again(tmp_path: Path) -> None:
    regions = PredictedRegions(tmp_path / "predicted.jsonl")
    regions.add(1, [{"id": "a"}])
    regions.add(2, [])
    regions.add(1, [{"id": "b"}])
    assert regions.of({1, None}) == {1: [{"id": "b"}]}


def test_a_full_disk_is_said_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    regions = PredictedRegions(tmp_path / "predicted.jsonl")

    def fail(path: Path, mode: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(VersionError, match=r"Predicted regions cannot be written: .*No space left") as raised:
        regions.add(1, [])
    assert raised.value.fix == f"The disk of {tmp_path} is full: make room on it"


def test_a_folder_that_is_gone_is_said(tmp_path: Path) -> None:
    with pytest.raises(VersionError, match="cannot be written"):
        PredictedRegions(tmp_path / "gone" / "predicted.jsonl")
