"""When a project is trained: what a class or the settings ask for, and whether a run is due.

Nothing here asks a clock or a server: `decide` is told everything.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from label_studio_ml.adapter import ClassInfo
from label_studio_ml.settings import Settings

#: Milliseconds for which a count of labelled tasks is believed: tasks that are imported with annotations send no event.
RECOUNT = 3_600_000


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """When a class wants to be trained.

    `train_every` new annotations start a run: with 1 every event does, with 0 only the button. `quiet_period` is the
    seconds without an event that a run waits for, `min_annotations` the labelled tasks that the project must have.
    """

    train_every: int = 1
    quiet_period: float = 0.0
    min_annotations: int = 0

    @classmethod
    def of(cls, info: ClassInfo, settings: Settings) -> "Policy":
        """Return what a class asks for, where the settings do not say otherwise."""
        return cls(
            train_every=info.train_every if settings.train_every is None else settings.train_every,
            quiet_period=info.quiet_period if settings.quiet_period is None else settings.quiet_period,
            min_annotations=(
                info.min_annotations if settings.min_annotations is None else settings.min_annotations
            ),
        )


class Entry(msgspec.Struct, frozen=True):
    """One waiting event, as its mailbox has it: stream id, action, how many new annotations it brings, and its sender.

    `caller` is empty where no login was given.
    """

    id: str
    action: str
    annotations: int
    caller: str = ""

    @property
    def time(self) -> int:
        """When the event came, in ms."""
        return int(self.id.partition("-")[0])


def order(entry_id: str) -> tuple[int, ...]:
    """Return what ids of a stream are sorted by."""
    return tuple(int(part) for part in entry_id.split("-"))


def asker(entries: Iterable[Entry]) -> str:
    """Return who asked for the training of these events, else who sent the first with a login; empty if nobody did.

    Where several have asked for it, that is the last of them.
    """
    named = [entry for entry in entries if entry.caller]
    asked = [entry for entry in named if entry.action == "START_TRAINING"]
    return next((entry.caller for entry in (*asked[-1:], *named)), "")


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """What the waiting events amount to. `asked`: the button is among them. `last` is in ms."""

    asked: bool = False
    annotations: int = 0
    last: int = 0

    @classmethod
    def of(cls, entries: Iterable[Entry]) -> "Tally":
        """Count the waiting events."""
        asked, annotations, last = False, 0, 0
        for entry in entries:
            asked = asked or entry.action == "START_TRAINING"
            annotations += entry.annotations
            last = max(last, entry.time)
        return cls(asked=asked, annotations=annotations, last=last)


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether a run is due, and if not, what has to happen first.

    `need` more annotations are to come, or it is to be looked at again `at` a time in ms, whichever is first; with
    neither, only the button helps. `text` says so, with `{have}` for the number that is there.
    """

    due: bool = False
    need: int | None = None
    at: int | None = None
    have: int = 0
    text: str = ""

    @property
    def message(self) -> str:
        """What the run waits for."""
        return self.text.replace("{have}", str(self.have))


def decide(policy: Policy, tally: Tally, now: int, labelled: int | None) -> Decision:
    """Tell whether a run is due at the time `now` (ms). `labelled` is the project's labelled tasks, None if not known.

    Whatever is not known never holds a run up, and neither does a last event from the future: the clock was set back
    since it came, by more than the quiet time at least.
    """
    if tally.asked:
        return Decision(due=True)
    if policy.train_every == 0:
        return Decision(text="waits for the training button (train_every is 0)")
    lacking = []
    if policy.train_every > 1 and tally.annotations < policy.train_every:
        lacking.append(
            Decision(
                need=policy.train_every - tally.annotations,
                have=tally.annotations,
                text=f"waits for new annotations: {{have}} of {policy.train_every} (train_every)",
            )
        )
    if labelled is not None and labelled < policy.min_annotations:
        lacking.append(
            Decision(
                need=policy.min_annotations - labelled,
                at=now + RECOUNT,
                have=labelled,
                text=f"waits for labelled tasks: {{have}} of {policy.min_annotations} (min_annotations)",
            )
        )
    if lacking:
        return max(lacking, key=lambda one: one.need or 0)
    pause = round(policy.quiet_period * 1000)
    quiet = tally.last + pause
    if tally.last <= now + pause and now < quiet:
        return Decision(
            at=quiet, text=f"waits until no event has come for {policy.quiet_period:g} s (quiet_period)"
        )
    return Decision(due=True)
