"""`label-studio-ml openapi`."""

import json
from pathlib import Path

import pytest

from label_studio_ml.cli.main import main
from label_studio_ml.openapi.api_document import api_document


def test_it_prints_the_document_that_servers_answer(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["openapi"]) == 0
    printed = capsys.readouterr().out
    assert json.loads(printed) == json.loads(api_document())
    assert printed.count("\n") > 1000, "it is to be read by people"


def test_it_writes_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "openapi.json"
    assert main(["openapi", str(file)]) == 0
    assert json.loads(file.read_text()) == json.loads(api_document())
    assert capsys.readouterr().out == ""


def test_a_file_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "missing" / "openapi.json"
    assert main(["openapi", str(file)]) == 1
    assert f"{file} cannot be written: No such file or directory" in capsys.readouterr().err
