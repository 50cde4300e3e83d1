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
    parser.add_argument("--promote", action="store_true", help="serve the last of them there from now on")


def run(args: argparse.Namespace) -> int:
    """Run the command `args.command` and return 0. Raises BackendError when it fails."""
    steps: dict[str, Callable[[argparse.Namespace], int]] = {"import": _import, "push": _push, "pull": _pull}
    return steps[args.command](args)


def _import(args: argparse.Namespace) -> int:
    with archive.opened(Path(args.file)) as opened:
        project = store_arguments.find(args, otherwise=opened.manifest.project)
        made, new = transfer.import_version(
            project.store, project.uid, opened.manifest, opened.extract, name=args.name.strip()
        )
    outcome = (
        f"is imported into project {project.number}" if new else f"is in project {project.number} already"
    )
    if new:
        _say_lost_parent(opened.manifest, made)
    if args.promote:
        operations.promote(project.store, project.model_dir, project.uid, made.id)
        say(f"Version {made.name} {outcome}, and served until a newer one is let through")
        return 0
    say(f"Version {made.name} {outcome}. Serve it with: {_promote(args, made)}")
    return 0


def _push(args: argparse.Namespace) -> int:
    project = store_arguments.find(args)
    with _opened(args.url, project.model_dir) as (there, work, place):
        uid = _uid_there(there, args, project.uid) or args.project_there or project.uid
        there.refreshed_history(uid)
        chosen = _chosen(project.store, project.uid, args.versions)
        made = _copy_all(project.store, chosen, there, uid, f"in {place}")
        if args.promote and made:
            operations.promote(there, work, uid, made[-1].id)
            say(f"Version {made[-1].name} is served there until a newer one is let through")
    return 0


def _pull(args: argparse.Namespace) -> int:
    with _opened(args.url, store_arguments.settings_of(args).model_dir) as (there, _, place):
        return _pull_from(there, place, args)


def _pull_from(there: VersionStore, place: str, args: argparse.Namespace) -> int:
    uids = there.projects()
    if not uids:
        raise UnknownProject(
            f"{place} has no versions",
            fix="Give a store's URL, a backend's folder, or its model folder (data, or MODEL_DIR)",
            field="URL",
        )
    otherwise = _named(uids, args.project_there) if args.project_there or len(uids) == 1 else None
    project = store_arguments.find(args, otherwise=otherwise or "")
    uid = _uid_there(there, args, project.uid) or otherwise
    if uid is None:
        raise UnknownProject(
            f"{place} has no project {args.project_there or project.uid}",
            fix=f"Name one of these with --project-there: {', '.join(uids)}",
            field="--project-there",
        )
    there.refreshed_history(uid)
    made = _copy_all(there, _chosen(there, uid, args.versions), project.store, project.uid, "here")
    if args.promote and made:
        operations.promote(project.store, project.model_dir, project.uid, made[-1].id)
        say(f"Version {made[-1].name} is served until a newer one is let through")
    elif made:
        say(f"Serve one with: {_promote(args, made[-1])}")
    return 0


def _copy_all(
    source: VersionStore, chosen: list[Manifest], target: VersionStore, uid: str, where: str
) -> list[Manifest]:
    """Copy the versions `chosen` into project `uid` of `target`, and print a line for each.

    Return their manifests in the target, also of versions that were there before. `where` names the target in messages.
    """
    made: list[Manifest] = []
    copied = 0
    for number, version in enumerate(chosen, 1):
        kept, new = transfer.copy(source, version, target, uid, keep_files=False)
        copied += new
        say(f"{number} of {len(chosen)}: version {kept.name} {'is' if new else 'was'} {where}", flush=True)
        if new:
            _say_lost_parent(version, kept)
        made.append(kept)
    say(f"Copied {plural(copied, 'version')}; {len(chosen) - copied} of them {where} before")
    return made


def _say_lost_parent(source: Manifest, made: Manifest) -> None:
    if note := transfer.lost_parent(source, made):
        say(note, flush=True)


def _chosen(store: VersionStore, uid: str, names: list[str]) -> list[Manifest]:
    """Return the versions with these names or ids, in the given order; without names all, oldest first."""
    return [operations.find(store, uid, name) for name in names] or store.versions(uid)


@contextlib.contextmanager
def _opened(url: str, model_dir: Path) -> Iterator[tuple[VersionStore, Path, str]]:
    """Open the store at a URL or in another folder; give it with the folder of its key/value pairs, and its name.

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

    work = model_dir / "transfers"
    store = RemoteStore(url, work)
    store.artifacts.open()
    yield store, work, url
    shutil.rmtree(work, ignore_errors=True)


def _uid_there(there: VersionStore, args: argparse.Namespace, uid: str) -> str | None:
    """Return the uid of the project in the store `there`: that of `--project-there`, else `uid`; None if missing."""
    uids = there.projects()
    if args.project_there:
        return _named(uids, args.project_there)
    return uid if uid in uids else None


def _named(uids: list[str], name: str | None) -> str | None:
    """Return the one of `uids` with the uid or id `name`, or the only one if `name` is None; None if none matches.

    Raises SettingsError when several match.
    """
    fitting = [uid for uid in uids if name is None or name in (uid, uid.partition(".")[0])]
    if len(fitting) > 1 and name not in fitting:
        raise SettingsError(
            f"The store has several projects {name}",
            fix=f"Give one of: {', '.join(fitting)}",
            field="--project-there",
        )
    return name if name in fitting else next(iter(fitting), None)


def _promote(args: argparse.Namespace, made: Manifest) -> str:
    """Return the command line that promotes the version `made`."""
    options = [f"--{name}={value}" for name, value in (("model-dir", args.model_dir),) if value]
    return our_command("promote", folder_of(args), made.name, f"--project={made.project}", *options)
