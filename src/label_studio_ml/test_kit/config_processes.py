"""The processes of the test with one label config: what they have measured, and their largest memory."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import msgspec

from label_studio_ml.config.settings import Settings
from label_studio_ml.test_kit.calls import absent_studio
from label_studio_ml.test_kit.check_catalogue import Phase
from label_studio_ml.test_kit.child_plan import Event, Plan
from label_studio_ml.test_kit.child_runner import ChildResult, Limits, run_child
from label_studio_ml.test_kit.report import Figures

#: Names of the measurements that the report shows.
_SECONDS = ("import_seconds", "build_seconds", "seconds_per_task", "fit_seconds")


class ConfigProcesses:
    """Runs plans in a process each, whose files are in `folder`; `values` is what the processes have sent by name."""

    def __init__(self, settings: Settings, limits: Limits, skipped: Collection[str], folder: Path) -> None:
        self._settings, self._limits, self._skipped, self._folder = settings, limits, skipped, folder
        self._memory = 0.0
        self.values: dict[str, Any] = {}

    def run(self, plan: Plan) -> ChildResult:
        """Run a plan in a new process."""
        self._folder.mkdir(exist_ok=True)
        plan = msgspec.structs.replace(plan, skipped=sorted(self._skipped))
        login = self._login(plan)
        result = run_child(self._settings, plan, self._limits, self._folder, self._take, login)
        self._memory = max(self._memory, result.memory)
        return result

    def _take(self, event: Event) -> None:
        self.values |= event.values

    def _login(self, plan: Plan) -> dict[str, str]:
        """Return the login for a Label Studio that does not exist, if `fit` may read from one and has no login."""
        is_needed = plan.phase is not Phase.PREDICT and self.values.get("generation") == "event"
        return absent_studio.LOGIN if is_needed and not self._settings.studio_api_key else {}

    def figures(self, label_config: str) -> Figures:
        """Return what was measured with the label config of this name."""
        seconds = {name: self.values.get(name) for name in _SECONDS}
        return Figures(label_config=label_config, memory=self._memory or None, **seconds)
