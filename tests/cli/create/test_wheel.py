"""The wheel that `init` puts into a folder: pip takes it, and what it installs makes the same wheel again."""

import subprocess
import sys
import zipfile
from importlib.metadata import distribution
from pathlib import Path

import pytest

import label_studio_ml
from label_studio_ml import __version__
from label_studio_ml.cli.create import wheel
from label_studio_ml.cli.create.wheel import build_wheel
from label_studio_ml.cli.main import main
from label_studio_ml.errors import SettingsError


def _run(*words: object, cwd: Path) -> str:
    done = subprocess.run(
        [str(word) for word in words], cwd=cwd, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    assert main(["init", "my_backend"]) == 0
    return tmp_path / "my_backend"


def test_pip_finds_it_for_the_folders_requirements(folder: Path, tmp_path: Path) -> None:
    """Without any index: only the wheel can be what is installed. From another folder, as `-r` allows."""
    base = folder / "requirements-base.txt"
    base.write_text(base.read_text().replace("gunicorn>=22\n", ""))
    venv = tmp_path / "venv"
    _run(sys.executable, "-m", "venv", "--without-pip", venv, cwd=tmp_path)
    python = venv / "bin" / "python"
    pip = [sys.executable, "-m", "pip", f"--python={python}", "install", "--no-index", "--no-deps"]
    _run(*pip, "-r", base, cwd=tmp_path)

    packages = next((venv / "lib").glob("python*/site-packages"))
    source = Path(label_studio_ml.__file__).parent
    installed = packages / "label_studio_ml"
    wanted = {path.relative_to(source) for path in source.rglob("*") if path.is_file()}
    assert {path for path in wanted if "__pycache__" not in path.parts} == {
        path.relative_to(installed)
        for path in installed.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    # The installed package, in its turn, makes the same wheel from what pip has put there.
    (tmp_path / "again").mkdir()
    build = "from pathlib import Path; from label_studio_ml.cli.create.wheel import build_wheel as b; b(Path('again'))"
    _run(
        python,
        "-c",
        f"import label_studio_ml as m; assert m.__file__.startswith({str(packages)!r}); {build}",
        cwd=tmp_path,
    )
    (first,) = (folder / "wheels").glob("*.whl")
    (second,) = (tmp_path / "again").glob("*.whl")
    assert first.name == second.name
    with zipfile.ZipFile(first) as one, zipfile.ZipFile(second) as other:
        assert [(item.filename, item.CRC) for item in one.infolist()] == [
            (item.filename, item.CRC) for item in other.infolist()
        ]
    assert first.read_bytes() == second.read_bytes()


def test_it_says_what_the_package_needs(folder: Path) -> None:
    (made,) = (folder / "wheels").glob("*.whl")
    with zipfile.ZipFile(made) as packed:
        info = f"label_studio_ml-{__version__}.dist-info"
        metadata = packed.read(f"{info}/METADATA").decode()
        assert (
            "label-studio-ml = label_studio_ml.cli.main:main"
            in packed.read(f"{info}/entry_points.txt").decode()
        )
        assert f"{info}/licenses/LICENSE" in packed.namelist()
        assert not [name for name in packed.namelist() if "__pycache__" in name]
    assert f"\nVersion: {__version__}\n" in metadata
    wanted = distribution("label-studio-ml").requires or []
    assert len(wanted) > 10
    assert metadata.count("\nRequires-Dist: ") == len(wanted)


def test_it_is_the_same_each_time(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    assert build_wheel(tmp_path / "one").read_bytes() == build_wheel(tmp_path / "two").read_bytes()


def test_code_of_another_version_than_pips_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(wheel, "__version__", "9.9")
    with pytest.raises(SettingsError, match=rf"label-studio-ml 9.9 runs, but .* {__version__}"):
        build_wheel(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(["init", "my_backend"]) == 0, "the folder is made all the same"
    assert "wheels/ has no label-studio-ml" in capsys.readouterr().err
    assert not list((tmp_path / "my_backend" / "wheels").glob("*.whl"))
