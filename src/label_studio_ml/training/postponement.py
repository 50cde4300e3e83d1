"""A project's next run that is postponed, as Redis has it: until when, and by which code that was decided."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a project's next run is not due.

    `at` is the time in ms at which to look again, None for not by itself; `since` is when that was decided.
    """

    code: str
    at: int | None = None
    since: int = field(default=0, compare=False)

    def waits(self, now: int) -> bool:
        """Tell whether the time to look again has yet to come, at the time `now` in ms.

        It has come if `now` is before the decision: nobody knows how long that is ago, the clock was set back.
        """
        return self.at is None or self.since <= now < self.at

    def holds(self, code: str, now: int) -> bool:
        """Tell whether it still holds for a model with this code, at the time `now` in ms."""
        return self.code == code and self.waits(now)
