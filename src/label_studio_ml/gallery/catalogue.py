"""The gallery's models, as their `about.toml` describe them."""

from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from pathlib import Path

import msgspec

from label_studio_ml.errors import SettingsError

#: The folder of each model, below this package.
_FOLDERS = "models"


class Fill(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A kind of control that a model predicts values for.

    Fields:
        control: The tags of the control.
        object: The tags of the object that the control labels; empty for any.
        rank: How well the model suits such a control, from 0 to 100. Of several models, `init` takes the highest;
            one below `fitting_models.SUITABLE` only by its name.
        per_region: Whether the control belongs to a region; None for either.
        labels: Labels that the model knows. The control has to have one of them, by its name, its alias or its
            `predicted_values`. Empty for a model that takes any label.
        number_rank: The rank in place of `rank` for an object that shows a number in the first task; None for none.
        beside: Tags that the label config must also have a control of, for the same object and for each region, such
            as the text of a box.
        among_texts: Whether the control has to choose among texts: labels that come with the tasks, or another text of
            the label config for each label.
        text_items: Whether the items that come with the tasks (of a list, or choices) need a text. They are looked at
            in the first task, or else in the example task of the label config.
        columns: How many fields with a number or a short text the data of a task needs.
    """

    control: tuple[str, ...]
    object: tuple[str, ...] = ()
    rank: int
    per_region: bool | None = False
    labels: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    among_texts: bool = False
    text_items: bool = False
    columns: int = 0
    number_rank: int | None = None


class Weights(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Weights that a package ships: the package, the licence, and the SHA-256 of each file (path in the package)."""

    package: str
    version: str
    licence: str
    files: dict[str, str]


class GalleryModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A ready model.

    Fields:
        title: A few words for tables and headings.
        summary: One sentence that says how it predicts and what it learns.
        task: The kind of work, in the field's standard term, such as "text classification".
        fills: The controls that it can fill, the most suitable first.
        trains: Whether it learns from annotations.
        predicts_untrained: Whether it predicts before its first training.
        one_control: Whether it fills only one control, the first that fits, also where several fit.
        interactive: Whether it answers clicks and boxes while a person labels.
        prompts: The tags of controls with which a person asks it, by clicks or boxes; one of them needs smart="true".
        licence: The licence of the code and weights that it installs, as an SPDX expression.
        install_mb: Size of what its requirements install in an empty environment, in 10^6 bytes; 0 if not measured.
        tasks_per_second: Tasks of its test that it predicts in a second on two processor cores; 0 if not measured.
        weights: The weights that its packages ship.
        newest_python: The newest version of Python that its packages are for, such as (3, 12); None for any.
        name: The name of its folder. It is not in `about.toml`.
    """

    title: str
    summary: str
    task: str
    fills: tuple[Fill, ...]
    trains: bool
    predicts_untrained: bool = True
    one_control: bool = False
    interactive: bool = False
    prompts: tuple[str, ...] = ()
    licence: str
    install_mb: int = 0
    tasks_per_second: float = 0.0
    weights: tuple[Weights, ...] = ()
    newest_python: tuple[int, int] | None = None
    name: str = ""

    @property
    def folder(self) -> Path:
        """The folder with the model's files."""
        return _root() / self.name

    def text(self, file: str) -> str:
        """Return the text of one of the model's files. Raises OSError."""
        return (self.folder / file).read_text(encoding="utf-8")


@cache
def models() -> tuple[GalleryModel, ...]:
    """Return all models of the gallery, by name."""
    return tuple(_read(path) for path in sorted(_root().glob("*/about.toml")))


def model_named(name: str) -> GalleryModel:
    """Return the model of this name. Raises SettingsError, with the most similar name, if there is none."""
    by_name = {model.name: model for model in models()}
    if name in by_name:
        return by_name[name]
    close = get_close_matches(name, by_name, n=1)
    hint = f"Did you mean {close[0]}? " if close else ""
    raise SettingsError(
        f"The gallery has no model {name!r}",
        fix=f"{hint}label-studio-ml examples lists all of them",
        field="--example",
    )


def _root() -> Path:
    return Path(str(files("label_studio_ml.gallery").joinpath(_FOLDERS)))


def _read(path: Path) -> GalleryModel:
    """Return the model that the `about.toml` at `path` describes. Raises msgspec.ValidationError for wrong content."""
    about = msgspec.toml.decode(path.read_bytes(), type=GalleryModel)
    return msgspec.structs.replace(about, name=path.parent.name)
