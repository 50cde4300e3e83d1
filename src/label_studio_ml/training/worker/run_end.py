"""The ways in which a training run can end, and the table of what follows from each of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto

from label_studio_ml.training.policy import Decision, Entry


class EndKind(Enum):
    """How a run ended."""

    #: The outcome of the run is known: a version, no new version, or an error that another run would not fix.
    SETTLED = auto()
    #: The run broke off after some events; their outcome was committed from its progress file.
    RECOVERED = auto()
    #: The training process found that no run is due by the policy of the model class.
    NOT_DUE = auto()
    #: The run was cancelled or exceeded a limit.
    CUT_SHORT = auto()
    #: The run or the commit failed for a cause that may pass: disk, store of versions, Label Studio.
    MAY_PASS = auto()
    #: The outcome covers only the events before one that cannot be processed.
    STUCK = auto()
    #: The training process died without an outcome.
    CRASHED = auto()
    #: The worker was told to stop.
    INTERRUPTED = auto()
    #: Another worker may have the lease: it handles the events and the files of the run.
    LEASE_LOST = auto()
    #: The new version was refused because the lease was lost, or another run has committed one meanwhile.
    OVERTAKEN = auto()
    #: Too many runs of the same events ended with their worker.
    WORN_OUT = auto()


class Fate(Enum):
    """What happens to the events of a run, to the record of its job, and to the next run."""

    #: The events are removed, and the record has their outcome. Later events wake a worker.
    REMOVED = auto()
    #: The events stay queued, and the job is interrupted. The sweeper wakes a worker for them.
    KEPT = auto()
    #: The events stay queued, and the job waits until the decision is due.
    POSTPONED = auto()
    #: The events are moved out of the queue until a person brings them back; the job is failed.
    SET_ASIDE = auto()


class Starts(Enum):
    """What happens to the number of runs that have begun since the last outcome; MAX_STARTS limits it."""

    #: The run stays counted until the next outcome.
    KEPT = auto()
    #: The run does not count.
    UNDONE = auto()
    #: The number begins at 0 again: this worker lives.
    RESET = auto()


@dataclass(frozen=True)
class Limit:
    """The number of runs of the same events that may end in one way before the events are set aside.

    `counter` is the field of the project's attempts in Redis, `runs` describes the runs in messages.
    """

    counter: str
    most: int
    runs: str


@dataclass(frozen=True, kw_only=True)
class Rule:
    """What follows from one way of ending.

    `counted` is the name under which the run counts in the metrics: a fixed one, FINAL_STATE for the job's final state,
    or empty for none. `renews_lease`: the lease is renewed first, because the run may have ended while it was lost.
    `recovers`: the completed events of the progress file are committed first. `removes_folder`: the folder of the
    version that the run began is removed; where this is not set, it is committed or removed already, or another worker
    does it. `removes_progress`: the progress file is removed. `starts`: what happens to the number of begun runs,
    unless the outcome removes it. `limit`: the number of such ends after which the events are set aside instead.
    """

    fate: Fate
    counted: str = ""
    renews_lease: bool = False
    recovers: bool = False
    removes_folder: bool = True
    removes_progress: bool = True
    starts: Starts = Starts.KEPT
    limit: Limit | None = None


#: Stands for the job's final state in `Rule.counted`.
FINAL_STATE = "state"
#: Number of runs of the same events that may end with their worker before the events are set aside.
MAX_STARTS = 10
#: Three crashes; and as many failures for a cause that may pass as there are in about a day.
CRASH_LIMIT = Limit("crashes", 3, "runs crashed")
RETRY_LIMIT = Limit("tries", 100, "tries")

RULES: Mapping[EndKind, Rule] = {
    EndKind.SETTLED: Rule(fate=Fate.REMOVED, counted=FINAL_STATE, removes_folder=False),
    EndKind.RECOVERED: Rule(fate=Fate.REMOVED, removes_folder=False),
    EndKind.NOT_DUE: Rule(fate=Fate.POSTPONED, starts=Starts.RESET),
    EndKind.CUT_SHORT: Rule(fate=Fate.REMOVED, counted=FINAL_STATE, renews_lease=True),
    EndKind.MAY_PASS: Rule(fate=Fate.POSTPONED, starts=Starts.RESET, limit=RETRY_LIMIT),
    EndKind.STUCK: Rule(fate=Fate.SET_ASIDE),
    EndKind.CRASHED: Rule(
        fate=Fate.KEPT, counted="crashed", recovers=True, starts=Starts.RESET, limit=CRASH_LIMIT
    ),
    EndKind.INTERRUPTED: Rule(
        fate=Fate.KEPT, counted="interrupted", renews_lease=True, recovers=True, starts=Starts.UNDONE
    ),
    EndKind.LEASE_LOST: Rule(
        fate=Fate.KEPT, counted="interrupted", removes_folder=False, removes_progress=False
    ),
    EndKind.OVERTAKEN: Rule(fate=Fate.KEPT, counted="interrupted", removes_progress=False),
    EndKind.WORN_OUT: Rule(fate=Fate.SET_ASIDE),
}


@dataclass(frozen=True)
class RunEnd:
    """The end of a run, or of a part of its events.

    `entries` are the events, `job_id` is their job, None if they have none yet. `version_id` names the version that the
    run began, empty if it began none, or if another end of the run names it. `error` is the cause, empty if there is no
    error, `error_code` its code. `fields` are those of the job's record; `decision` says until when a run that is not
    due is postponed.
    """

    kind: EndKind
    entries: Sequence[Entry]
    job_id: str | None
    version_id: str = ""
    error: str = ""
    error_code: str = ""
    fields: Mapping[str, object] = field(default_factory=dict)
    decision: Decision | None = None
