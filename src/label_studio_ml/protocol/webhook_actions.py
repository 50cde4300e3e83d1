"""The table of webhook actions. A new action of Label Studio is one row here."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

#: The action of a training request, from Label Studio's button, `/train` or the command line.
START_TRAINING = "START_TRAINING"


class Labelled(Enum):
    """Which annotations are in the payload of an action, with their tasks: in `task` and `annotation`."""

    NONE = "none"
    ONE = "one object each"
    SEVERAL = "a list each"


class Deleted(Enum):
    """Which ids are in the payload of an action, as a list of objects in the field of that name."""

    NONE = ""
    TASKS = "tasks"
    ANNOTATIONS = "annotations"


@dataclass(frozen=True, slots=True)
class Action:
    """A webhook action.

    `sent` tells whether Label Studio 1.23 sends it; that release refuses webhooks for other actions. `trains` tells
    whether it starts a training unless a class sets other `TRAIN_EVENTS`, `needed` whether the backend needs it anyway:
    for deletions and for the label config. The annotations of `labelled` count as new ones, those of `deleted` do not.
    `single` is the action of each of the single events that a bulk event stands for.
    """

    name: str
    sent: bool = True
    trains: bool = False
    needed: bool = False
    labelled: Labelled = Labelled.NONE
    deleted: Deleted = Deleted.NONE
    single: str = ""


ACTIONS = (
    Action("ANNOTATION_CREATED", trains=True, labelled=Labelled.ONE),
    Action("ANNOTATION_UPDATED", trains=True, labelled=Labelled.ONE),
    Action("ANNOTATIONS_CREATED", trains=True, labelled=Labelled.SEVERAL, single="ANNOTATION_CREATED"),
    Action(
        "ANNOTATIONS_DELETED",
        trains=True,
        needed=True,
        deleted=Deleted.ANNOTATIONS,
        single="ANNOTATION_DELETED",
    ),
    Action("ANNOTATION_DELETED", trains=True, sent=False),
    Action(START_TRAINING, trains=True, sent=False),
    Action("TASKS_CREATED"),
    Action("TASKS_DELETED", needed=True, deleted=Deleted.TASKS),
    Action("PROJECT_UPDATED", needed=True),
    Action("LABEL_LINK_CREATED"),
    Action("LABEL_LINK_UPDATED"),
    Action("LABEL_LINK_DELETED"),
)
_BY_NAME = {action.name: action for action in ACTIONS}

#: The actions that start a training unless a class sets other ones.
DEFAULT_TRAIN_EVENTS = tuple(action.name for action in ACTIONS if action.trains)
#: The actions of a project for which Label Studio sends webhooks.
SENT_ACTIONS = frozenset(action.name for action in ACTIONS if action.sent)
#: The actions among them that a backend needs, whatever starts its trainings.
NEEDED_ACTIONS = frozenset(action.name for action in ACTIONS if action.needed)


def action_named(name: str) -> Action:
    """Return the row of an action; for an unknown one, a row without annotations that starts no training."""
    return _BY_NAME.get(name) or Action(name, sent=False)


def training_actions(train_events: Iterable[str]) -> set[str]:
    """Return the actions that start a training; `train_events` are the class's `TRAIN_EVENTS`.

    These include training requests, and the bulk actions of single ones: Label Studio may send only those.
    """
    names = {*train_events, START_TRAINING}
    return names | {action.name for action in _BY_NAME.values() if action.single and action.single in names}
