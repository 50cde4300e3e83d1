"""Rebuild this package's wheel from its installed files, so that a backend's folder can be installed anywhere.

Works for an installed wheel and for an editable checkout, without network and build tools. The wheel is reproducible:
the same code gives the same bytes.
"""

import base64
import hashlib
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from label_studio_ml import __version__, package_name
from label_studio_ml.errors import SettingsError

PACKAGE = "label_studio_ml"

#: Build number of the wheel. pip prefers a wheel with one, so it takes this wheel over the registry's of this version.
_BUILD = 1

_WHEEL_METADATA = (
    f"Wheel-Version: 1.0\nGenerator: {package_name}\nRoot-Is-Purelib: true\n"
    f"Tag: py3-none-any\nBuild: {_BUILD}\n"
)

#: The earliest time that a zip file can hold.
_EPOCH = (1980, 1, 1, 0, 0, 0)


def build_wheel(folder: Path) -> Path:
    """Write the wheel of the running package into `folder` and return its path.

    Raises SettingsError if the package was not installed by pip, or in another version than the running one.
    """
    installed = _installed()
    info = f"{PACKAGE}-{__version__}.dist-info"
    contents = dict(_package_files())
    contents[f"{info}/METADATA"] = _text(installed, "METADATA").encode()
    contents[f"{info}/entry_points.txt"] = _text(installed, "entry_points.txt").encode()
    contents[f"{info}/WHEEL"] = _WHEEL_METADATA.encode()
    for file in installed.files or []:
        if file.parent.name == "licenses" and file.parent.parent.suffix == ".dist-info":
            contents[f"{info}/licenses/{file.name}"] = Path(str(installed.locate_file(file))).read_bytes()
    record = f"{info}/RECORD"
    lines = [f"{name},sha256={_digest(data)},{len(data)}" for name, data in sorted(contents.items())]
    contents[record] = "".join(f"{line}\n" for line in [*lines, f"{record},,"]).encode()
    path = folder / f"{PACKAGE}-{__version__}-{_BUILD}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name in sorted(contents, key=lambda name: (name.startswith(info), name == record, name)):
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.external_attr = 0o100644 << 16
            wheel.writestr(entry, contents[name], zipfile.ZIP_DEFLATED)
    return path


def _installed() -> Distribution:
    """Return the installed distribution of the running package. Raises SettingsError as `build_wheel` does."""
    try:
        installed = distribution(package_name)
    except PackageNotFoundError:
        raise SettingsError(
            f"{package_name} runs from {Path(__file__).parents[2]} without being installed",
            fix="Install it with pip, for example: pip install -e CHECKOUT",
        ) from None
    if installed.version != __version__:
        raise SettingsError(
            f"{package_name} {__version__} runs, but pip has installed {installed.version}",
            fix="Install it again with pip",
        )
    return installed


def _package_files() -> Iterator[tuple[str, bytes]]:
    """Yield name in the wheel and content of each file of the package, without bytecode."""
    package = Path(__file__).resolve().parents[2]
    for path in package.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc":
            yield f"{PACKAGE}/{path.relative_to(package).as_posix()}", path.read_bytes()


def _text(installed: Distribution, name: str) -> str:
    text = installed.read_text(name)
    if text is None:
        raise SettingsError(
            f"the installed {package_name} has no {name}", fix="Install it again with pip", field=name
        )
    return text


def _digest(data: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
