"""`label-studio-ml import`, `push`, `pull`: copy versions from and to other machines.

A copied version is held back until it is promoted; a version that the target has already is not changed.
"""

import argparse
import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from label_studio_ml.cli.shared import store_arguments
from label_studio_ml.cli.shared.backend_arguments import folder_of
from label_studio_ml.cli.shared.studio_arguments import known_project_name
from label_studio_ml.cli.streams import say
from label_studio_ml.cli.versions.version_steps import UNTIL_REPLACED
from label_studio_ml.errors import SettingsError, UnknownProject
from label_studio_ml.support.texts import our_command, plural
from label_studio_ml.versions import archive, operations, transfer
from label_studio_ml.versions.factory import model_folder
from label_studio_ml.versions.store.local_store import VersionStore
from label_studio_ml.versions.store.manifest import Manifest


def add_arguments(parser: argparse.ArgumentParser, command: str) -> None:
    """Add the options of `command`, one of this module's commands."""
    store_arguments.add_arguments(parser)
    if command == "import":
        parser.add_argument("file", metavar="FILE", help="a file that `export` wrote")
        parser.add_argument(
            "--as", dest="name", default="", metavar="NAME", help="another name for the version"
        )
        parser.add_argument("--promote", action="store_true", help="serve it from now on")
        return
    parser.add_argument(
        "url",
        metavar="URL",
        help="a store, such as s3://bucket/prefix, or another backend's folder or model folder",
    )
    parser.add_argument("versions", metavar="VERSION", nargs="*", help="names or ids (default: all)")
    parser.add_argument(
        "--project-there",
        metavar="ID",
        type=known_project_name,
        help="the project's id or uid in the store, if it differs from --project",
    )
    parser.add_argument(
        "--promote", action="store_true", help="serve the last of them in the target from now on"
    )


def run(args: argparse.Namespace) -> int:
    """Run the command `args.command` and return 0. Raises BackendError when it fails."""
    steps: dict[str, Callable[[argparse.Namespace], int]] = {"import": _import, "push": _push, "pull": _pull}
    return steps[args.command](args)


def _import(args: argparse.Namespace) -> int:
    with archive.opened(Path(args.file)) as opened_archive:
        project = store_arguments.find(args, fallback_uid=opened_archive.manifest.project)
        imported, is_new = transfer.import_version(
            project.store,
            project.uid,
            opened_archive.manifest,
            opened_archive.extract,
            name=args.name.strip(),
        )
    outcome = (
        f"is imported into project {project.number}" if is_new else f"is in project {project.number} already"
    )
    if is_new:
        _print_lost_parent(opened_archive.manifest, imported)
    if args.promote:
        operations.promote(project.store, project.model_dir, project.uid, imported.id)
        say(f"Version {imported.name} {outcome}, and is served {UNTIL_REPLACED}")
        return 0
    say(f"Version {imported.name} {outcome}. Serve it with: {_promote_command(args, imported)}")
    return 0


def _push(args: argparse.Namespace) -> int:
    project = store_arguments.find(args)
    with _open_other_store(args.url, project.model_dir) as (other_store, other_model_dir, other_name):
        uid = _other_uid(other_store, args, project.uid) or args.project_there or project.uid
        other_store.refreshed_history(uid)
        versions = _find_versions(project.store, project.uid, args.versions)
        copies = _copy_all(project.store, versions, other_store, uid, f"in {other_name}")
        if args.promote and copies:
            operations.promote(other_store, other_model_dir, uid, copies[-1].id)
            say(f"Version {copies[-1].name} is served in {other_name} {UNTIL_REPLACED}")
    return 0


def _pull(args: argparse.Namespace) -> int:
    with _open_other_store(args.url, store_arguments.settings_of(args).model_dir) as (
        other_store,
        _,
        other_name,
    ):
        return _pull_from(other_store, other_name, args)


def _pull_from(other_store: VersionStore, other_name: str, args: argparse.Namespace) -> int:
    uids = other_store.projects()
    if not uids:
        raise UnknownProject(
            f"{other_name} has no versions",
            fix="Give a store's URL, a backend's folder, or its model folder (data, or MODEL_DIR)",
            field="URL",
        )
    otherwise = _matching_uid(uids, args.project_there) if args.project_there or len(uids) == 1 else None
    project = store_arguments.find(args, fallback_uid=otherwise or "")
    uid = _other_uid(other_store, args, project.uid) or otherwise
    if uid is None:
        raise UnknownProject(
            f"{other_name} has no project {args.project_there or project.uid}",
            fix=f"Name one of these with --project-there: {', '.join(uids)}",
            field="--project-there",
        )
    other_store.refreshed_history(uid)
    copies = _copy_all(
        other_store, _find_versions(other_store, uid, args.versions), project.store, project.uid, "here"
    )
    if args.promote and copies:
        operations.promote(project.store, project.model_dir, project.uid, copies[-1].id)
        say(f"Version {copies[-1].name} is served {UNTIL_REPLACED}")
    elif copies:
        say(f"Serve one with: {_promote_command(args, copies[-1])}")
    return 0


def _copy_all(
    source: VersionStore, versions: list[Manifest], target: VersionStore, uid: str, location: str
) -> list[Manifest]:
    """Copy `versions` to project `uid` of `target`, and print a line for each.

    Return their manifests in the target, also of versions that it had before. `location` says in messages where the
    target is: "here", or "in" and its name.
    """
    copies: list[Manifest] = []
    copied_count = 0
    for number, version in enumerate(versions, 1):
        copied_version, is_new = transfer.copy(source, version, target, uid, keep_files=False)
        copied_count += is_new
        say(
            f"{number} of {len(versions)}: version {copied_version.name} {'is' if is_new else 'was'} {location}",
            flush=True,
        )
        if is_new:
            _print_lost_parent(version, copied_version)
        copies.append(copied_version)
    say(f"Copied {plural(copied_count, 'version')}; {len(versions) - copied_count} of them {location} before")
    return copies


def _print_lost_parent(source: Manifest, copied_version: Manifest) -> None:
    if note := transfer.lost_parent(source, copied_version):
        say(note, flush=True)


def _find_versions(store: VersionStore, uid: str, names: list[str]) -> list[Manifest]:
    """Return the versions with these names or ids, in the given order; without names all, oldest first."""
    return [operations.find(store, uid, name) for name in names] or store.versions(uid)


@contextlib.contextmanager
def _open_other_store(url: str, model_dir: Path) -> Iterator[tuple[VersionStore, Path, str]]:
    """Open the store at a URL or in another folder; yield it, the folder of its key/value pairs, and its name.

    Files fetched from a URL are kept in `model_dir`/transfers until the block succeeds, so that a repeated command
    does not fetch them again; the key/value pairs of `model_dir` itself are not touched. Raises SettingsError when the
    folder is `model_dir` itself.
    """
    if "://" not in url:
        folder = model_folder(Path(url))
        if folder.resolve() == model_dir.resolve():
            raise SettingsError(
                f"{folder} is the backend's own model folder", fix="Give another one", field="URL"
            )
        yield VersionStore(folder), folder, str(folder)
        return
    from label_studio_ml.versions.remote.remote_store import RemoteStore

    other_model_dir = model_dir / "transfers"
    store = RemoteStore(url, other_model_dir)
    store.artifacts.open()
    yield store, other_model_dir, url
    shutil.rmtree(other_model_dir, ignore_errors=True)


def _other_uid(other_store: VersionStore, args: argparse.Namespace, uid: str) -> str | None:
    """Return the uid of the project in `other_store`: that of `--project-there`, else `uid`; None if missing."""
    uids = other_store.projects()
    if args.project_there:
        return _matching_uid(uids, args.project_there)
    return uid if uid in uids else None


def _matching_uid(uids: list[str], name: str | None) -> str | None:
    """Return the one of `uids` with the uid or id `name`, or the only one if `name` is None; None if none matches.

    Raises SettingsError when several match.
    """
    matches = [uid for uid in uids if name is None or name in (uid, uid.partition(".")[0])]
    if len(matches) > 1 and name not in matches:
        raise SettingsError(
            f"The store has several projects {name}",
            fix=f"Give one of: {', '.join(matches)}",
            field="--project-there",
        )
    return name if name in matches else next(iter(matches), None)


def _promote_command(args: argparse.Namespace, version: Manifest) -> str:
    """Return the command line that promotes `version`."""
    options = [f"--{name}={value}" for name, value in (("model-dir", args.model_dir),) if value]
    return our_command("promote", folder_of(args), version.name, f"--project={version.project}", *options)
