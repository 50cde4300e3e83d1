"""The model class under test: import it, build models of it, and describe failures with their place in its code."""

import time
from collections.abc import Mapping, Sequence
from typing import Any, cast

from label_studio_ml.config.settings import Settings
from label_studio_ml.controls import Controls
from label_studio_ml.errors import BackendError, LabelConfigError
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_calls.adapter import ClassInfo, ModelSpec, build, describe_class, reason
from label_studio_ml.test_kit.calls import absent_studio
from label_studio_ml.test_kit.calls.announced_calls import announced
from label_studio_ml.test_kit.check_catalogue import CHECKS
from label_studio_ml.test_kit.child.effects.side_effects import SideEffects
from label_studio_ml.test_kit.child_plan import CallKind, Plan
from label_studio_ml.test_kit.code_places import NOWHERE, Place, UserCode
from label_studio_ml.test_kit.report import Failure
from label_studio_ml.user_code.loading import user_class
from label_studio_ml.user_code.model_source import locate
from label_studio_ml.versions.state.key_values import MemoryState, State
from label_studio_ml.versions.state.project_state import Project

Json = dict[str, Any]

#: Characters of the longest message: exceptions repeat whole values.
_LONGEST = 500

#: What to do about a class of which a process can build one model only.
_SEVERAL = "Let a process build several models: the server builds one for each project and version"

#: Id of the project for which models are built, and of the second one.
PROJECT, OTHER_PROJECT = "1.1700000000", "2.1700000001"


class TestedClass:
    """The class that the settings name, and what was observed of it. `values` are results for the command."""

    __test__ = False  # for pytest

    cls: type[LabelStudioMLBase]
    info: ClassInfo
    model: LabelStudioMLBase

    def __init__(self, settings: Settings, plan: Plan) -> None:
        source = locate(settings.backend_dir, settings.script, settings.class_name)
        self.settings = settings
        self.plan = plan
        self.script = source.script
        self.code = UserCode(settings.backend_dir, source.script, source.class_name)
        self.effects = SideEffects(self.code)
        self.values: dict[str, Any] = {}
        #: Kinds of problems of regions that are reported already.
        self.known_kinds: set[str] = set()
        #: Checks that have failed, in this process and in those before.
        self.failed = set(plan.failed)

    def holds(self, *checks: str) -> bool:
        """Tell whether none of these checks has failed, or is left out on the user's demand."""
        return not self.failed.union(self.plan.skipped).intersection(checks)

    def load(self) -> None:
        """Import the class, without a network. Raises ModelFileError."""
        began = time.monotonic()
        self.effects.is_offline = True
        try:
            with self.effects.watching(), announced(CallKind.IMPORT):
                self.cls = cast("type[LabelStudioMLBase]", user_class(self.settings))
                self.info = describe_class(self.cls, self.settings.threads)
        finally:
            self.effects.is_offline = False
        self.values |= {"import_seconds": time.monotonic() - began, "generation": self.info.generation}

    def build(
        self,
        label_config: str | None = None,
        *,
        uid: str = PROJECT,
        state: State | None = None,
        version: str = "",
        train_output: Json | None = None,
    ) -> LabelStudioMLBase:
        """Build a model for the plan's label config and version, or for others. Raises ModelLoadError."""
        plan = self.plan
        config = plan.label_config if label_config is None else label_config
        spec = ModelSpec(
            project=Project(uid=uid, label_config=config),
            version=version or plan.version,
            train_output=plan.train_output if train_output is None else train_output,
        )
        with self.effects.watching(), announced(CallKind.BUILD):
            return build(self.cls, spec, self.settings, state or MemoryState(plan.state))

    def lacks_server(self, method: str) -> str:
        """Return the reason why a method is not tested that has failed to reach a server: the last one it asked."""
        addresses = [address for address, _ in self.effects.network]
        if not addresses or addresses[-1] == absent_studio.ADDRESS:
            return f"{method} asks Label Studio, which this test does not have"
        return f"{method} asks {addresses[-1]}, which this test does not have"

    @property
    def fields(self) -> list[str]:
        """The fields of tasks that the label config shows, the first control's first."""
        try:
            controls = Controls(self.plan.label_config)
        except LabelConfigError:
            return []
        names = [item.field for control in controls for item in control.objects]
        names += [item.field for item in controls.objects]
        return [name for name in dict.fromkeys(names) if name]

    def failure(
        self,
        check: str,
        message: str,
        *,
        field: str = "",
        task: Mapping[str, Any] | None = None,
        fix: str = "",
        place: Place = NOWHERE,
        methods: Sequence[str] = ("predict",),
    ) -> Failure:
        """Return a failure; without a place, at the first of `methods`, and without a fix, with the check's own."""
        file, line = place if place != NOWHERE else self.code.method(*methods)
        return Failure(
            check=check,
            message=message if len(message) <= _LONGEST else f"{message[:_LONGEST]}…",
            field=field,
            task=str(task.get("id", "")) if task is not None else "",
            fix=fix or CHECKS[check].fix,
            file=file,
            line=line,
        )

    def not_built(self, check: str, error: BackendError) -> Failure:
        """Return the failure that a model, for the version or label config of a check, cannot be built."""
        cause = error.__cause__
        is_file = error.field in ("", str(self.script))  # the place says more
        return self.failure(
            check,
            error.message if check == "build" else f"{CHECKS[check].claim}: {error.message}",
            field="label_config" if is_file else error.field,
            fix=error.fix or ("" if check == "build" else _SEVERAL),
            place=self.code.place_of(cause) if cause is not None else NOWHERE,
            methods=("setup", "__init__") if is_file else ("__init__",),
        )

    def raised(
        self,
        check: str,
        error: BaseException,
        beginning: str,
        *,
        field: str = "",
        task: Mapping[str, Any] | None = None,
        methods: Sequence[str] = ("predict",),
    ) -> Failure:
        """Return the failure that an exception is; `beginning` are the words before its text."""
        fix = ""
        if isinstance(error, SystemExit):
            fix = "Raise an exception that says what is wrong, instead of ending the process"
        if isinstance(error, KeyError) and not field and error.args:
            field = str(error.args[0])
        return self.failure(
            check,
            f"{beginning} {reason(error)}",
            field=field,
            task=task,
            fix=fix,
            place=self.code.place_of(error),
            methods=methods,
        )
