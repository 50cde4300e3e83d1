"""Advice for trainings that failed: known causes, and what a person can do about each of them."""

import re
from dataclasses import dataclass

from label_studio_ml.support.texts import our_command

_SEE_LOG = "Read the end of the log: it has the traceback. Correct the model's code, then train again"


@dataclass(frozen=True, slots=True)
class _Cause:
    """A kind of failure: `pattern` is searched in the error, `cause` and `fix` are for people.

    `{jobs}` and `{start}` in `fix` stand for commands.
    """

    pattern: re.Pattern[str]
    cause: str
    fix: str


def _cause(pattern: str, cause: str, fix: str) -> _Cause:
    return _Cause(re.compile(pattern, re.IGNORECASE), cause, fix)


#: The first cause that fits counts, so special ones stand before general ones.
CAUSES = (
    _cause(
        r"cuda.*out of memory|outofmemoryerror|cublas_status_alloc_failed|mps backend out of memory",
        "The graphics card has too little memory",
        "Use a smaller batch or picture size, or set LOAD=drain-first, or let the worker run on another card than "
        "the server",
    ),
    _cause(
        r"SIGKILL|MemoryError|cannot allocate memory|out of memory",
        "The machine has too little memory",
        "Use smaller batches, read annotations one by one, give the machine or container more memory, or run fewer "
        "workers (WORKERS)",
    ),
    _cause(
        r"no space left|disk .*full|is full: make room|database or disk is full",
        "A disk is full",
        "Make room on it: `label-studio-ml versions` shows the sizes, and KEEP_VERSIONS limits the number of versions",
    ),
    _cause(
        r"read-only file system|is read-only", "A disk is read-only", "Mount it so that it can be written to"
    ),
    _cause(
        r"\(fit_timeout\)|loading the model took longer",
        "The training took longer than its limit",
        "Raise FIT_TIMEOUT (0 for no limit), or let fit do less",
    ),
    _cause(
        r"ModuleNotFoundError|No module named|ImportError",
        "A Python package is missing where the worker runs",
        "Add it to requirements.txt and install it there, then restart the backend: {start}",
    ),
    _cause(
        r"has no label config yet",
        "The project has no label config",
        "Set it in Label Studio under Settings, Labeling Interface",
    ),
    _cause(
        r"has no fit method",
        "The model class cannot be trained",
        "Define fit(self, annotations, **kwargs) in the class, or set TRAIN_EVERY=0 so that events start no training",
    ),
    _cause(
        r"no token|LABEL_STUDIO_API_KEY|token was refused|refused the token|401|403 .*label studio|invalid token",
        "Label Studio refused the token, or there is none",
        "Set LABEL_STUDIO_API_KEY to a token of a user who may see the project, then restart the backend: {start}",
    ),
    _cause(
        r"Label Studio .*(cannot be reached|does not answer|not reachable|unavailable)|ConnectionError|"
        r"Max retries exceeded|Name or service not known|Connection refused",
        "Another server could not be reached",
        "Check LABEL_STUDIO_URL and the network from the worker's machine",
    ),
    _cause(
        r"its worker ended before it did|ended with their worker|worker was told to stop",
        "The worker ended while it trained",
        "Nothing is to be done: the events went to a later job. If this repeats, look into logs/rq.log",
    ),
    _cause(
        r"the training process (was killed|ended|closed)",
        "The training process crashed",
        "Read the end of the log. Crashes often come from native libraries: check their versions",
    ),
    _cause(
        r"wrong value|ParamsError|must be (a|an|one of) .*\(params?\)",
        "A parameter has a wrong value",
        "Correct it in Label Studio under Settings, Model, or in the model class",
    ),
    _cause(
        r"damaged|manifest|cannot be read: .*(sqlite|database)",
        "A file of the backend is damaged",
        "Look at `label-studio-ml doctor`; it names the file",
    ),
    _cause(
        r"is set aside|are set aside",
        "It failed too often, so its events were set aside",
        "Correct the cause, then press Retry, or run: {jobs}",
    ),
    _cause(
        r"^Training needs |^No task has an answer for each control",
        "The annotations are too few to learn from",
        "Label more tasks, of other labels too; the next training learns from all of them",
    ),
    _cause(r"\w*(Error|Exception|Exit|Interrupt)\b", "The model's fit raised an error", _SEE_LOG),
)


@dataclass(frozen=True, slots=True)
class Advice:
    """Why a training failed, in a few words, and what a person can do about it."""

    cause: str
    fix: str


def advice_for(error: str, folder: str = "DIR") -> Advice | None:
    """Return the advice for an error in a job's record, None if there is no error. `folder` is the backend's folder."""
    if not error:
        return None
    commands = {"jobs": our_command("jobs", folder, "--retry"), "start": our_command("start", folder)}
    text = error[:10_000]
    for known in CAUSES:
        if known.pattern.search(text):
            return Advice(known.cause, known.fix.format(**commands))
    return Advice("The training failed", _SEE_LOG)
