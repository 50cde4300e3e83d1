"""Checks with tasks whose data are empty, missing, of another type, unreadable, hostile, tiny or huge."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from label_studio_ml.controls import Controls
from label_studio_ml.errors import BackendError
from label_studio_ml.test_kit.child.answer_checks import Problem, problem_of
from label_studio_ml.test_kit.child.failure_texts import is_unexplained
from label_studio_ml.test_kit.child.predict_calls import (
    Json,
    ask,
    comparable_or_error,
    decoded,
    first_unlike,
)
from label_studio_ml.test_kit.child.tested_class import TestedClass
from label_studio_ml.test_kit.report import Failure
from label_studio_ml.test_kit.trial_data.bad_values import BAD_VALUES, FILE_TAGS, HOSTILE_TEXTS, TEXT_TAGS
from label_studio_ml.test_kit.trial_data.odd_files import odd_files
from label_studio_ml.validation.strict_checks import StrictChecks

#: Id of the first bad task.
_FIRST_ID = 9001
#: The most failures of one check.
_MOST = 3
#: Folder of the files, below the document root of the test.
_FOLDER = "odd-files"

#: Checks of which each value is usual, so that only the class's own code may refuse it.
_USUAL = ("file-formats", "tiny-files")

#: Why a check has nothing to try, by check.
_NOTHING = {
    "hostile-text": "no field of the label config is shown as a text",
    "unreadable-file": "no field of the label config has the address of a file",
    "huge-data": "no field of the label config is shown as a text, list, picture or sound",
    "file-formats": "no field of the label config is shown as a picture or sound",
    "tiny-files": "no field of the label config is shown as a picture or sound",
}


@dataclass(frozen=True, slots=True)
class _Trial:
    """A bad value, as it is named in messages, in a field of a task. `size`: that of a picture as it is shown."""

    field: str
    name: str
    task: Json
    size: tuple[int, int] | None = None


class BadData:
    """Bad values for each field that the label config shows, alone and between two good tasks."""

    def __init__(self, tested: TestedClass) -> None:
        self._tested = tested
        self._good = tested.plan.tasks[0]
        self._checks = StrictChecks(tested.plan.label_config)
        controls = Controls(tested.plan.label_config)
        self._tags = {item.field: item.tag for item in controls.objects if item.field}
        self._next_id = _FIRST_ID

    def try_values(self, check: str) -> Iterator[Failure]:
        """Fail for bad values of the check's kind that cost more than their own prediction, or are not explained.

        The check is skipped if the label config shows nothing that such a value could be in.
        """
        failures = trials = 0
        for trial in self._trials(check):
            trials += 1
            for failure in self._tried(check, trial):
                failures += 1
                yield failure
            if failures >= _MOST:
                return
        if not trials:
            self._tested.values["skipped"] = _NOTHING.get(check, "the label config shows no field of a task")

    def _trials(self, check: str) -> Iterator[_Trial]:
        for field in self._tested.fields:
            tag = self._tags.get(field, "")
            if check == "missing-data":
                yield _Trial(field, "no value", self._without(field))
            for name, value in self._values(check, field, tag).items():
                yield _Trial(field, f"the value {name!r}", self._with(field, value))
            for number, file in enumerate(odd_files(check, tag)):
                path = self._folder / f"{check}-{number}{file.suffix}"
                file.write(path)
                address = f"/data/local-files/?d={quote(f'{_FOLDER}/{path.name}')}"
                value = [address] if isinstance(self._good["data"].get(field), list) else address
                yield _Trial(field, file.name, self._with(field, value), file.size)
                path.unlink(missing_ok=True)

    @property
    def _folder(self) -> Path:
        root = self._tested.settings.document_root
        assert root is not None  # the command sets it
        folder = root / _FOLDER
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def _values(self, check: str, field: str, tag: str) -> dict[str, Any]:
        if check == "hostile-text":
            return HOSTILE_TEXTS if tag in TEXT_TAGS else {}
        if check == "unreadable-file" and tag not in FILE_TAGS:
            return {}
        if check == "huge-data" and tag not in TEXT_TAGS:
            return self._long_list(field, tag)
        return BAD_VALUES.get(check, {})

    def _long_list(self, field: str, tag: str) -> dict[str, Any]:
        """Return a long value of the kind of the sample's, if that is a list, but for pictures and rankings."""
        value = self._good["data"].get(field)
        if not isinstance(value, list) or not value or tag in ("List", *FILE_TAGS):
            return {}
        return {"long list": value * (2000 // len(value) + 1)}

    def _with(self, field: str, value: Any) -> Json:
        self._next_id += 1
        return {**self._good, "id": self._next_id, "data": {**self._good["data"], field: value}}

    def _without(self, field: str) -> Json:
        task = self._with(field, None)
        del task["data"][field]
        return task

    def _tried(self, check: str, trial: _Trial) -> Iterator[Failure]:
        tested, field, task = self._tested, trial.field, trial.task
        answer = ask(tested.model, [task], tested.effects)
        situation = f"for a task with {trial.name} in {field!r}"
        if answer.error is not None and self._is_failure(check, answer.error):
            yield tested.raised(check, answer.error, f"{situation}, predict raises", field=field, task=task)
            return
        if answer.wrong_count:
            yield tested.failure(check, f"{situation}: {answer.wrong_count}", field=field, task=task)
            return
        for entry in answer.raw[:1] if answer.error is None else ():
            if problem := problem_of(tested, self._checks, entry, task) or _wrong_size(entry, trial.size):
                yield tested.failure(
                    check, f"{situation}, {problem.message}", field=field, task=task, fix=problem.fix
                )
                return
        if odd_files(check, self._tags.get(field, "")):
            return  # these are no values that could break a batch, and take time
        if tested.holds("repeat", "order", "batch"):  # else neighbours change predictions anyway
            yield from self._neighbours(check, situation, field, task)

    def _is_failure(self, check: str, error: BaseException) -> bool:
        """Tell whether an exception explains nothing; errors of libraries do not for what is usual."""
        code = self._tested.code
        if check in _USUAL:
            return not (isinstance(error, BackendError) or code.raises_by_itself(error))
        return is_unexplained(code, error)

    def _neighbours(self, check: str, situation: str, field: str, task: Json) -> Iterator[Failure]:
        """Fail if good tasks are predicted otherwise beside or after the bad one.

        A batch that raises is asked again task by task, as the server does.
        """
        tested = self._tested
        alone = comparable_or_error(ask(tested.model, [self._good], tested.effects))
        answer = ask(tested.model, [self._good, task, self._good], tested.effects)
        if not answer.is_right or isinstance(alone, str):
            neighbours = comparable_or_error(ask(tested.model, [self._good], tested.effects))
        else:
            batch = comparable_or_error(answer)
            neighbours = batch if isinstance(batch, str) else [batch[0]]
            if not isinstance(batch, str) and first_unlike([batch[0]], [batch[2]]):
                yield tested.failure(
                    check,
                    f"{situation}, the good task after it is predicted otherwise",
                    field=field,
                    task=task,
                )
                return
        if isinstance(neighbours, str) != isinstance(alone, str):
            yield tested.failure(
                check,
                f"{situation}, good tasks beside it get no prediction: {neighbours}",
                field=field,
                task=task,
            )
        elif (
            not isinstance(neighbours, str) and not isinstance(alone, str) and first_unlike(alone, neighbours)
        ):
            yield tested.failure(
                check, f"{situation}, a good task beside it is predicted otherwise", field=field, task=task
            )


def _wrong_size(entry: Any, size: tuple[int, int] | None) -> Problem | None:
    """Return what is wrong with a region that has another size than its picture; None if nothing is."""
    if size is None:
        return None
    for prediction in decoded(entry):
        for region in prediction["result"]:
            own = (region.get("original_width"), region.get("original_height"))
            if None not in own and own != size:
                return Problem(
                    f"a region has the size {own[0]} × {own[1]}, but the picture is shown with {size[0]} × {size[1]}",
                    "original_width",
                    "Open pictures with PIL.ImageOps.exif_transpose(Image.open(path)), and give regions this size",
                )
    return None
