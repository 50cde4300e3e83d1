"""The training policy of a model class, and the decision whether a project's next run is due.

The functions read no clock and no server: their arguments hold all they need.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from label_studio_ml.config.settings import Settings
from label_studio_ml.model_calls.adapter import ClassInfo
from label_studio_ml.protocol.webhook_actions import START_TRAINING

#: Milliseconds that a count of labelled tasks stays valid: an import of tasks with annotations sends no event.
RECOUNT_INTERVAL = 3_600_000


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The conditions for a run.

    `train_every` is the number of new annotations that start a run: with 1, every event does; with 0, only the training
    button does. `quiet_period` is the time in seconds that must have passed since the last event, `min_annotations` the
    number of labelled tasks that the project must have.
    """

    train_every: int = 1
    quiet_period: float = 0.0
    min_annotations: int = 0

    @classmethod
    def of(cls, info: ClassInfo, settings: Settings) -> "Policy":
        """Return the policy of a class; settings take precedence over the class's attributes."""
        return cls(
            train_every=info.train_every if settings.train_every is None else settings.train_every,
            quiet_period=info.quiet_period if settings.quiet_period is None else settings.quiet_period,
            min_annotations=(
                info.min_annotations if settings.min_annotations is None else settings.min_annotations
            ),
        )


class Entry(msgspec.Struct, frozen=True):
    """A queued event without its payload: stream id, action and number of new annotations.

    `caller` is the sender by the login, empty for an event without a login.
    """

    id: str
    action: str
    annotations: int
    caller: str = ""

    @property
    def time(self) -> int:
        """The time at which the event was stored, in ms."""
        return int(self.id.partition("-")[0])


def order(entry_id: str) -> tuple[int, ...]:
    """Return the sort key of a stream's entry id."""
    return tuple(int(part) for part in entry_id.split("-"))


def training_requester(entries: Iterable[Entry]) -> str:
    """Return the sender of the last training request (`START_TRAINING`) with a login among the events.

    Without such a request, it is the sender of the first event with a login; empty if no event has a login.
    """
    with_login = [entry for entry in entries if entry.caller]
    requests = [entry for entry in with_login if entry.action == START_TRAINING]
    return next((entry.caller for entry in (*requests[-1:], *with_login)), "")


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """Totals of queued events.

    `asked` tells whether a training request (`START_TRAINING`) is among them; `annotations` is the number of new
    annotations, `last` the time of the last event in ms.
    """

    asked: bool = False
    annotations: int = 0
    last: int = 0

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> "Tally":
        """Return the totals of `entries`."""
        asked, annotations, last = False, 0, 0
        for entry in entries:
            asked = asked or entry.action == START_TRAINING
            annotations += entry.annotations
            last = max(last, entry.time)
        return cls(asked=asked, annotations=annotations, last=last)


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a run is due, and if not, what the run waits for.

    The decision is made again after `need` more annotations or at the time `at` in ms, whichever comes first; None
    stands for no such condition. With neither, only a training request starts the run. `text` is the message, with
    `{have}` as a placeholder for `have`, the present number of annotations or labelled tasks.
    """

    due: bool = False
    need: int | None = None
    at: int | None = None
    have: int = 0
    text: str = ""

    @property
    def message(self) -> str:
        """The message that says what the run waits for."""
        return self.text.replace("{have}", str(self.have))


def decide(policy: Policy, tally: Tally, now: int, labelled: int | None) -> Decision:
    """Decide whether a run is due at the time `now` in ms.

    `labelled` is the project's number of labelled tasks; None stands for unknown and never delays a run. If both
    numbers are too small, the decision names the one that lacks more. A last event that is later than `now` by more
    than the quiet period does not delay a run either: the clock was set back since.
    """
    if tally.asked:
        return Decision(due=True)
    if policy.train_every == 0:
        return Decision(text="waits for the training button (train_every is 0)")
    unmet = []
    if policy.train_every > 1 and tally.annotations < policy.train_every:
        unmet.append(
            Decision(
                need=policy.train_every - tally.annotations,
                have=tally.annotations,
                text=f"waits for new annotations: {{have}} of {policy.train_every} (train_every)",
            )
        )
    if labelled is not None and labelled < policy.min_annotations:
        unmet.append(
            Decision(
                need=policy.min_annotations - labelled,
                at=now + RECOUNT_INTERVAL,
                have=labelled,
                text=f"waits for labelled tasks: {{have}} of {policy.min_annotations} (min_annotations)",
            )
        )
    if unmet:
        return max(unmet, key=lambda decision: decision.need or 0)
    quiet_period = round(policy.quiet_period * 1000)
    quiet_until = tally.last + quiet_period
    if tally.last <= now + quiet_period and now < quiet_until:
        return Decision(
            at=quiet_until, text=f"waits until no event has come for {policy.quiet_period:g} s (quiet_period)"
        )
    return Decision(due=True)
