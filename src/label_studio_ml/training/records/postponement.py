"""The postponement of a project's next run, as it is stored in Redis."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Postponement:
    """A decision that a project's next run is not due, made for the model with the fingerprint `code`.

    `at` is the time in ms of the next check, None if no check is planned; `since` is the time in ms of the decision.
    """

    code: str
    at: int | None = None
    since: int = field(default=0, compare=False)

    def waits(self, now: int) -> bool:
        """Tell whether the next check is still to come at the time `now` in ms; True if none is planned.

        A `now` before the decision means that the clock was set back: then the check is due, because the time since the
        decision is unknown.
        """
        return self.at is None or self.since <= now < self.at

    def applies(self, code: str, now: int) -> bool:
        """Tell whether the postponement applies to a model with the fingerprint `code` at the time `now` in ms."""
        return self.code == code and self.waits(now)
