"""What a worker remembers of the children's answers, so that it need not start one to hear that no run is due.

Only hints: a child decides for itself. Whoever does not know starts a child.
"""

import contextlib
import hashlib

import msgspec

from label_studio_ml.errors import BrokerError
from label_studio_ml.settings import Settings
from label_studio_ml.training.mailbox import Mailboxes, broker_errors
from label_studio_ml.training.policy import RECOUNT, Entry, Policy, order


class _Known(msgspec.Struct, frozen=True, kw_only=True):
    code: str
    policy: Policy
    generation: str


class _Labelled(msgspec.Struct, frozen=True, kw_only=True):
    count: int
    last: str
    at: int


class Memory:
    """What the last child said of the class, and of a project's labelled tasks. `code` tells one class from another."""

    def __init__(self, board: Mailboxes, settings: Settings) -> None:
        self._board = board
        self._settings = settings

    @property
    def code(self) -> str:
        """What the class's code and the settings are known by: they change when a file of the backend's does."""
        folders = {self._settings.backend_dir}
        if self._settings.script is not None:
            folders.add((self._settings.backend_dir / self._settings.script).parent)
        seen: list[object] = [self._settings.script, self._settings.class_name]
        seen += [self._settings.train_every, self._settings.quiet_period, self._settings.min_annotations]
        for folder in sorted(folders):
            for path in sorted(folder.glob("*.py")):
                try:
                    status = path.stat()
                except OSError:
                    continue
                seen.append((str(path), status.st_mtime_ns, status.st_size))
        return hashlib.sha256(repr(seen).encode()).hexdigest()[:16]

    def policy(self, code: str) -> Policy | None:
        """Return when the class wants to be trained, None if that is not known."""
        known = self._known(code)
        return known.policy if known else None

    def generation(self, code: str) -> str:
        """Return the class's generation, empty if that is not known."""
        known = self._known(code)
        return known.generation if known else ""

    def _known(self, code: str) -> _Known | None:
        with broker_errors():
            text = self._board.redis.get(self._board.keys.policy)
        if text is None:
            return None
        known = msgspec.json.decode(text, type=_Known)
        return known if known.code == code else None

    def learn(self, code: str, policy: Policy, generation: str) -> None:
        """Remember what a child said of its class. A Redis that takes nothing costs only the memory."""
        known = _Known(code=code, policy=policy, generation=generation)
        with contextlib.suppress(BrokerError):
            if known != self._known(code):
                with broker_errors():
                    self._board.redis.set(self._board.keys.policy, msgspec.json.encode(known))

    def forget(self) -> None:
        """Forget the class and all holds: what a worker does when it starts, since it may have come with other code."""
        with broker_errors():
            self._board.redis.delete(self._board.keys.policy)
            for project in self._board.dirty():
                self._board.redis.delete(self._board.keys.hold(project), self._board.keys.labelled(project))

    def learn_labelled(self, project: str, count: int, last: str, at: int) -> None:
        """Remember how many labelled tasks a child counted at the time `at` (ms), and the last event then."""
        known = _Labelled(count=count, last=last, at=at)
        with broker_errors():
            self._board.redis.set(self._board.keys.labelled(project), msgspec.json.encode(known))

    def labelled(self, project: str, entries: list[Entry], now: int) -> int | None:
        """Return how many labelled tasks a project has at most, the waiting events taken in; None if not known."""
        with broker_errors():
            text = self._board.redis.get(self._board.keys.labelled(project))
        if text is None:
            return None
        known = msgspec.json.decode(text, type=_Labelled)
        if not 0 <= now - known.at < RECOUNT:
            return None
        after = order(known.last)
        return known.count + sum(entry.annotations for entry in entries if order(entry.id) > after)
