"""The check `fit-folder`: what `fit` learns is in the folder of its version, and nowhere else."""

from collections.abc import Iterator
from pathlib import Path

from label_studio_ml.test_kit.annotated_tasks import annotated_tasks
from label_studio_ml.test_kit.child.effects.side_effects import written_in
from label_studio_ml.test_kit.child.predict_calls import first_unlike
from label_studio_ml.test_kit.child.tested_class import TestedClass
from label_studio_ml.test_kit.child.training.folder_snapshot import FolderSnapshot
from label_studio_ml.test_kit.child.training.trained_version import TrainedVersion
from label_studio_ml.test_kit.child.trainings import Training
from label_studio_ml.test_kit.report import Failure

#: Folders of a backend that a server writes into, which may run while its class is tested.
_OF_SERVERS = ("data", "logs")


class FolderCheck:
    """Watches the backend's folder from when this object is made; `excluded` are folders of the test."""

    def __init__(self, tested: TestedClass, excluded: list[Path]) -> None:
        self._tested, self._excluded = tested, excluded
        backend = tested.settings.backend_dir
        servers = [backend / name for name in _OF_SERVERS]
        self._snapshot = FolderSnapshot(backend, [*excluded, *servers])

    def files_beside(self) -> Iterator[Failure]:
        """Fail if `fit` wrote a file into the backend's folder or the working folder, by native code too."""
        tested = self._tested
        folders = [tested.settings.backend_dir, Path.cwd()]
        written = written_in(tested.effects, folders, self._excluded)
        if written:
            path, place = written[0]
        elif changed := self._snapshot.changed():
            path, place = changed[0], tested.code.method("fit")
        else:
            return
        yield tested.failure(
            "fit-folder", f"fit writes {path}, which no version keeps", field=path, place=place
        )

    def kept_elsewhere(self, version: TrainedVersion, folder: Path) -> Iterator[Failure]:
        """Fail if another training, with other labels in another `folder`, changes what `version` predicts."""
        tested = self._tested
        if not tested.holds("repeat"):  # then predictions always differ
            return
        before, untrained = tested.values.get("rebuilt"), tested.values.get("untrained")
        if not before or not untrained or first_unlike(untrained, before) is None:
            return  # the training changes no prediction
        tasks = [{"id": task["id"], "data": task["data"]} for task in tested.plan.labelled]
        folder.mkdir(exist_ok=True)
        Training(tested, folder).run(annotated_tasks(tested.plan.label_config, tasks, shift=1))
        after = version.predictions()
        unlike = first_unlike(before, after) if after is not None else None
        if unlike is None:
            return
        tested.values |= {
            "trained": None,
            "rebuilt": None,
        }  # the check fit-reload has nothing to compare with
        number, where = unlike
        yield tested.failure(
            "fit-folder",
            f"another training changes what this version predicts ({where} differs): fit keeps what it learns "
            "outside of its workdir",
            field="workdir",
            task=tested.plan.tasks[number],
            methods=("fit",),
        )
