"""Users' requirements files: what is taken out of them, and what an environment has instead."""

from importlib.metadata import version
from pathlib import Path

import pytest

from label_studio_ml.cli.requirements import main, own_requirements


@pytest.mark.parametrize(
    "line",
    [
        "label-studio-ml==1.0.8",
        "label_studio_ml",
        "Label.Studio.ML >= 1.0",
        "label-studio-ml[all]~=1.0",
        "label-studio-ml @ git+https://github.com/HumanSignal/label-studio-ml-backend.git@master",
        "git+https://github.com/HumanSignal/label-studio-ml-backend.git#egg=label-studio-ml",
        "-e git+https://github.com/heartexlabs/label-studio-ml-backend#egg=label-studio-ml",
        "--editable ../label-studio-ml-backend",
        "https://github.com/heartexlabs/label-studio-ml-backend/archive/master.zip",
        "label-studio-ml==1.0.8 \\\n    --hash=sha256:00",
        "rq==1.10.*",
        "rq==1.10.1  # as in the older examples",
        "rq~=1.10",
        "redis<4",
        "redis>=8",
        "Flask==2.3.2",
    ],
)
def test_lines_that_the_server_replaces(line: str) -> None:
    kept, notes = own_requirements(f"numpy\n{line}\npandas\n", "requirements.txt")
    lines = kept.splitlines()
    assert [text for text in lines if not text.startswith("#")] == ["numpy", "pandas"]
    for part in line.splitlines():
        assert f"# {part}" in lines
    (note,) = notes
    assert note.startswith("requirements.txt: ")
    assert " is taken out, label-studio-ml " in note


@pytest.mark.parametrize(
    "line",
    [
        "label-studio-sdk>=2.0",
        "label-studio-ml-extras==1.0",
        "label-studio==1.23.2",
        "rq",
        "rq>=1.10",
        "redis==5.2.1",
        "redis==5.*",
        "requests~=2.31",
        "rq==1.10.1; python_version < '3'",
        "torch @ https://example.org/torch.whl",
        "--extra-index-url https://example.org/label-studio-ml/simple",
        "-r requirements-gpu.txt",
        "# label-studio-ml==1.0.8",
        "",
    ],
)
def test_lines_that_stay(line: str) -> None:
    assert own_requirements(f"{line}\n", "requirements.txt") == (f"{line}\n", [])


def test_an_image_names_what_it_has_instead(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "requirements.txt"
    file.write_text("pytest>=1\nmsgspec==0.1.0\nno-such-distribution-here>=2\n")
    assert main([str(file)]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert f"asks for msgspec==0.1.0; msgspec {version('msgspec')} is installed" in first
    assert "asks for no-such-distribution-here>=2; it is not installed" in second
