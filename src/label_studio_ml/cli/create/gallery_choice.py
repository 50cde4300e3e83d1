"""Choose a model of the gallery for `init`: by name, or for the label config of a project or a file."""

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from label_studio_ml.cli.create.gallery_advice import fit_advice, untrained_advice
from label_studio_ml.cli.shared.studio_arguments import read_label_config, require_studio, with_studio
from label_studio_ml.cli.shared.tables import Column, Row, print_table
from label_studio_ml.cli.streams import say
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import LabelConfigError, SettingsError
from label_studio_ml.gallery.catalogue import GalleryModel, model_named, models
from label_studio_ml.gallery.fitting_models import Fit, Misfit, match
from label_studio_ml.gallery.model_wanted import wanted

_COLUMNS = (Column("MODEL"), Column("FITS", state=True), Column(""))


@dataclass(frozen=True, slots=True)
class Choice:
    """A model of the gallery and the label config for its folder: the project's, the file's, or the model's own.

    `advice` has sentences for the user, about what the model does not do by itself in that project.
    """

    model: GalleryModel
    label_config: str
    advice: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Wish:
    """What the label config is of, for messages, the label config, and the first task if there is one."""

    origin: str
    label_config: str
    task: Mapping[str, Any] | None = None
    is_file: bool = False


def choose(args: argparse.Namespace) -> Choice:
    """Return the model that the command line names, or that fits best; print which of the gallery fit.

    Raises SettingsError when no model fits, with what a model would have to do, or when the named one does not fit;
    LabelConfigError for a label config that cannot be read; StudioError when Label Studio cannot be asked.
    """
    wish = _wish(args)
    if wish is None:
        model = model_named(args.example)
        return Choice(model, model.text("label_config.xml"), untrained_advice(model))
    fits, misfits = _matches(wish)
    if args.example:
        model = model_named(args.example)
        for misfit in misfits:
            if misfit.model.name == model.name:
                raise SettingsError(
                    f"{model.name} does not fit {wish.origin}: {misfit.reason}",
                    fix="Leave --example out to take the model that fits best",
                    field="--example",
                )
        return _chosen(next(fit for fit in fits if fit.model.name == model.name), fits, wish)
    if not fits or not fits[0].is_suitable:
        possible = " or ".join(f"--example {fit.model.name}" for fit in fits)
        hint = f"Name one that could be of use with {possible}, or, without" if fits else "Without"
        raise SettingsError(
            f"No model of the gallery suits {wish.origin}. {wanted(wish.label_config)}",
            fix=f"{hint} --project and --label-config, init makes a folder with a model to change",
        )
    _print_matches(wish, fits, misfits, best="chosen")
    return _chosen(fits[0], fits, wish)


def print_fits(args: argparse.Namespace) -> None:
    """Print which models fit the project or label config of the command line, and why the others do not."""
    wish = _wish(args)
    if wish is None:
        raise SettingsError(
            "--list needs --project or --label-config", fix="label-studio-ml examples lists all models"
        )
    fits, misfits = _matches(wish)
    _print_matches(wish, fits, misfits, best="best")
    if not any(fit.is_suitable for fit in fits):
        say(wanted(wish.label_config))


def _chosen(fit: Fit, fits: list[Fit], wish: _Wish) -> Choice:
    """Return the choice of one of the models that fit, with advice about it."""
    return Choice(fit.model, wish.label_config, fit_advice(fit, fits, wish.label_config))


def _wish(args: argparse.Namespace) -> _Wish | None:
    """Return the label config that the model is for; None if the command line names none."""
    if args.label_config is not None:
        return _Wish(str(args.label_config), read_label_config(args.label_config), is_file=True)
    if args.project is None:
        return None
    from label_studio_ml.studio.resources.label_studio import LabelStudio

    settings = with_studio(args, Settings.from_env())
    require_studio(settings)
    studio = LabelStudio.open(settings)
    try:
        project = studio.projects.get(args.project)
        task = studio.tasks.first(args.project)
    finally:
        studio.api.close()
    label_config = str(project.get("label_config") or "")
    title = project.get("title") or ""
    return _Wish(
        f'project {args.project} "{title}"' if title else f"project {args.project}", label_config, task
    )


def _matches(wish: _Wish) -> tuple[list[Fit], list[Misfit]]:
    """Return the models that fit and those that do not. Raises LabelConfigError, with where it is, if it is empty."""
    try:
        fits, misfits = match(wish.label_config, models(), wish.task)
    except LabelConfigError as error:
        if not wish.is_file:
            raise
        raise LabelConfigError(
            f"{wish.origin}: {error.message}", fix=f"Correct {wish.origin}", field="--label-config"
        ) from None
    if not fits and "<" not in wish.label_config.replace("<View></View>", ""):
        raise LabelConfigError(
            f"The label config of {wish.origin} is empty",
            fix=f"Add controls to {wish.origin}"
            if wish.is_file
            else "Set up the labeling interface in the project's settings",
            field="label_config",
        )
    return fits, misfits


def _print_matches(wish: _Wish, fits: list[Fit], misfits: list[Misfit], *, best: str) -> None:
    """Print a table of the models: those that fit with the controls that they fill, the others with the reason.

    `best` is the word for the model that `init` takes.
    """
    say(f"Models of the gallery for {wish.origin}:")
    rows = []
    for number, fit in enumerate(fits):
        filled = ", ".join(f"<{control.tag}> {control.name}" for control in fit.controls)
        state = best if number == 0 and fit.is_suitable else "yes"
        text = f"{fit.coverage}, {filled}: {fit.model.title}"
        rows.append(Row((fit.model.name, state, text), "green"))
    rows += [Row((misfit.model.name, "no", misfit.reason)) for misfit in misfits]
    print_table(_COLUMNS, rows)
