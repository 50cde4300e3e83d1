"""Table of the checks of `label-studio-ml test`: what must hold, and what to do if it does not."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """The child process in which a check runs."""

    PREDICT = "predict"
    FIT = "fit"
    #: A version that `fit` has made, loaded in a new process.
    RELOAD = "reload"


@dataclass(frozen=True, slots=True)
class Check:
    """One check.

    `claim` is what holds if it passes, and `fix` what to do if it fails. It is not run if a check in `needs` failed.
    `is_long` marks checks that `--quick` leaves out.
    """

    id: str
    phase: Phase
    claim: str
    fix: str
    needs: tuple[str, ...] = ()
    is_long: bool = False


#: Of predictions that differ from call to call, nothing else can be compared.
_COMPARABLE = ("predict", "count", "json", "repeat")

_PREDICT = (
    ("import", "the model file can be imported", "Correct the file: the server imports it in the same way"),
    (
        "import-network",
        "the import asks no other machine",
        "Move it into setup() or predict, so that the server starts without a network",
        ("import",),
    ),
    (
        "build",
        "a model can be built for the label config",
        "Correct the constructor or setup()",
        ("import",),
    ),
    ("predict", "predict answers sample tasks", "Correct predict for such a task", ("build",)),
    (
        "count",
        "predict returns one prediction for each task",
        "Return a list with one prediction for each task, in their order; {'result': []} for none",
        ("predict",),
    ),
    (
        "json",
        "predictions can be sent as JSON",
        "Return dicts, lists, texts and numbers only",
        ("predict", "count"),
    ),
    (
        "finite",
        "numbers in predictions are finite",
        "Return a number: Label Studio gets NaN and infinity as null",
        ("predict", "count", "json"),
    ),
    (
        "regions",
        "Label Studio can show each region",
        "Build regions with label_studio_ml.regions, which converts and checks them",
        ("predict", "count", "json"),
    ),
    (
        "task-changed",
        "predict leaves the tasks as they are",
        "Change a copy: tasks = copy.deepcopy(tasks)",
        ("predict",),
    ),
    (
        "repeat",
        "equal tasks get equal predictions in a second call",
        "Keep no results in the model between calls, and seed random numbers in each call",
        ("predict", "count", "json"),
    ),
    (
        "order",
        "predictions are in the order of the tasks",
        "Return the predictions in the order of `tasks`; undo any sorting",
        _COMPARABLE,
    ),
    (
        "batch",
        "a task gets the same prediction alone and in a batch",
        "Compute each prediction from its own task: the server batches requests of several people",
        (*_COMPARABLE, "order"),
    ),
    (
        "concurrency",
        "calls at once get the same predictions as calls one by one",
        "Keep what a call computes in local variables, use locks, or set concurrency = 1 in the class",
        (*_COMPARABLE, "batch"),
    ),
    (
        "two-projects",
        "a second project in the same process changes nothing for the first",
        "Take names and labels from self.controls; keep none in literals, module globals or class attributes",
        (*_COMPARABLE, "batch"),
    ),
    (
        "unknown-tags",
        "further tags in the label config do no harm",
        "Find the control by its tag: self.controls.first('Choices', on='Text')",
        (*_COMPARABLE, "batch", "regions"),
    ),
    (
        "click",
        "clicks with smart tools are answered",
        "Read the last region of context['result'] by its type, and return one prediction for it",
        ("predict", "count", "json"),
    ),
    (
        "click-regions",
        "answers to clicks can be shown, and are at the click",
        "Convert percent to pixels: regions.key_point_of(click), regions.box_of(box)",
        ("click",),
    ),
    (
        "click-repeat",
        "the same click gets the same answer again",
        "Keep no clicks in the model: context['result'] has all that count",
        ("click",),
    ),
    (
        "click-unknown",
        "contexts without regions, or with regions of unknown types, are answered",
        "Return {'result': []} unless context['result'] has a region of a type that the class knows",
        ("click",),
    ),
    (
        "empty-data",
        "a task with an empty value costs only its own prediction",
        "Return {'result': []} for such a task",
        _COMPARABLE,
    ),
    (
        "null-data",
        "a task with null as value costs only its own prediction",
        "Return {'result': []} for such a task",
        _COMPARABLE,
    ),
    (
        "missing-data",
        "a task without the field costs only its own prediction",
        "Read the field with task['data'].get(…), and return {'result': []} without it",
        _COMPARABLE,
    ),
    (
        "wrong-type-data",
        "a task with a value of another type costs only its own prediction",
        "Return {'result': []} for such a task, or raise an exception that says what is wrong with it",
        _COMPARABLE,
    ),
    (
        "unreadable-file",
        "a task whose file cannot be fetched or read costs only its own prediction",
        "Let the error of self.get_local_path through, or return {'result': []}",
        _COMPARABLE,
    ),
    (
        "hostile-text",
        "texts of any script and with control characters are predicted",
        "Treat texts as Unicode: offsets count characters, and any character may occur",
        _COMPARABLE,
    ),
    (
        "file-formats",
        "pictures and sounds of all usual formats are predicted",
        "Convert them first, such as by ImageOps.exif_transpose(Image.open(path)).convert('RGB')",
        _COMPARABLE,
    ),
    (
        "tiny-files",
        "pictures of one pixel and sounds without a frame are predicted",
        "Return {'result': []} for such a task, or raise ValueError with what is wrong with the file",
        _COMPARABLE,
    ),
    (
        "huge-data",
        "a very large value is predicted or refused in time",
        "Cut what the model reads to a length that it can take",
        _COMPARABLE,
    ),
    (
        "open-files",
        "predict closes the files that it opens",
        "Open files in a with block",
        ("predict",),
    ),
    (
        "threads",
        "predict leaves no threads running",
        "Join threads before predict returns, or start one pool in setup()",
        ("predict",),
    ),
    (
        "processes",
        "predict leaves no processes running",
        "Wait for the end of processes that predict starts, as subprocess.run does, or start them in setup()",
        ("predict",),
    ),
    (
        "memory",
        "repeated calls do not need more and more memory",
        "Keep nothing of a call in the model, in globals or in caches without a limit",
        ("predict",),
        True,
    ),
    (
        "stdin",
        "nothing is read from standard input",
        "Use a parameter or a setting: nobody can answer a prompt of a server",
        ("import",),
    ),
    (
        "working-folder",
        "the working folder stays",
        "Use absolute paths, such as Path(__file__).parent / 'weights', instead of os.chdir",
        ("import",),
    ),
    (
        "environment",
        "environment variables stay",
        "Pass values as arguments: the variables hold for all projects of the process",
        ("import",),
    ),
    (
        "process-settings",
        "signal handlers, resource limits and the time limit of sockets stay",
        "Leave settings of the process alone: they hold for all of its projects",
        ("import",),
    ),
)

_FIT = (
    ("fit", "fit learns from generated annotations", "Correct fit for such annotations"),
    (
        "fit-output",
        "JSON can hold what fit returns",
        "Return a dict of texts, numbers, lists and dicts; write everything else into a file in `workdir`",
        ("fit",),
    ),
    (
        "fit-regions",
        "Label Studio can show each prediction of the trained version",
        "Build regions with label_studio_ml.regions, which converts and checks them",
        ("fit", "fit-output"),
    ),
    (
        "fit-folder",
        "what fit learns is in its workdir",
        "Write to Path(workdir), an argument of fit: it is kept with the version",
        ("fit",),
    ),
    (
        "fit-skipped",
        "fit does not learn from skipped annotations",
        "Leave out annotations with was_cancelled",
        ("fit",),
    ),
    (
        "fit-empty-results",
        "fit takes annotations without regions among others",
        "Leave out annotations whose result is empty: an annotator found nothing to mark",
        ("fit",),
    ),
    (
        "fit-one-class",
        "fit explains annotations with one label only",
        "Raise ValueError('Training needs tasks with at least 2 different labels') for them",
        ("fit",),
    ),
    (
        "fit-no-annotations",
        "fit explains that there are no annotations",
        "Raise ValueError('Training needs annotations') without any",
        ("fit",),
    ),
    (
        "fit-side-effects",
        "fit leaves folder, environment, resource limits and time limit of sockets, and reads no standard input",
        "Use absolute paths and arguments instead",
        ("fit",),
    ),
    (
        "fit-cancel",
        "fit ends soon after a cancellation",
        "Ask job.cancelled (an argument of fit) in each epoch, and return if it is true",
        ("fit",),
    ),
)

_RELOAD = (
    (
        "fit-reload",
        "a new process loads what fit has written, and predicts with it",
        "Save all that predict uses, also the order of labels, and read it in setup() by self.train_output",
        ("fit", "fit-output"),
    ),
    (
        "fit-moved",
        "a version works when its folder has been moved",
        "Keep paths in train_output, where they are corrected, or file names relative to the version's folder",
        ("fit", "fit-output", "fit-reload"),
    ),
)


#: Checks whose failure alone keeps others from running, not their being left out: the others compare nothing that they
#: look at, but for those in `COMPARED`.
_LEAVABLE = frozenset(("repeat", "order", "batch", "finite", "regions"))

#: Steps that each process begins with, which cannot be left out.
FIRST = ("import", "build")

#: Checks that compare predictions, with those that must not be left out for it.
COMPARED = {
    "order": ("repeat",),
    "batch": ("repeat", "order"),
    "concurrency": ("repeat",),
    "two-projects": ("repeat",),
    "click-repeat": ("repeat",),
}


def _rows(phase: Phase, rows: tuple[tuple[object, ...], ...]) -> tuple[Check, ...]:
    return tuple(Check(str(row[0]), phase, *row[1:]) for row in rows)  # type: ignore[arg-type]


CHECKS: dict[str, Check] = {
    check.id: check
    for check in (*_rows(Phase.PREDICT, _PREDICT), *_rows(Phase.FIT, _FIT), *_rows(Phase.RELOAD, _RELOAD))
}


def skip_problem(check: str, reason: str) -> str:
    """Return why a check cannot be left out for this reason; empty if it can be."""
    if check not in CHECKS:
        return f"there is no check {check!r}; the checks are {', '.join(CHECKS)}"
    if check in FIRST:
        return f"{check} cannot be left out: all other checks need it"
    if not reason.strip():
        return f"{check} needs a reason, such as 'it cannot hold, because …'"
    return ""


def needed_but_skipped(check: str, skipped: Collection[str]) -> str:
    """Return the check, one of those `skipped`, without which another one cannot be run; empty if there is none."""
    needs = (*(need for need in CHECKS[check].needs if need not in _LEAVABLE), *COMPARED.get(check, ()))
    return next((need for need in needs if need in skipped and need not in FIRST), "")


def checks_of(phase: Phase, skipped: Collection[str] = ()) -> list[Check]:
    """Return the checks of a phase in their order, without those whose ids are in `skipped`."""
    return [check for check in CHECKS.values() if check.phase is phase and check.id not in skipped]
