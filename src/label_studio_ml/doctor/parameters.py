"""Check of the parameters of the model class, with the extra params that Label Studio has for the backend."""

import json
import subprocess
from collections.abc import Iterator
from typing import Any

from label_studio_ml.doctor.check import Check, fail, ok, skip, warn
from label_studio_ml.doctor.context import Context
from label_studio_ml.processes.interpreter import command

#: Seconds within which the model file must be imported.
_TIMEOUT = 300.0


def parameters(context: Context) -> Iterator[Check]:
    """Check the values of the class's parameters for the project; a class without parameters yields nothing."""
    if not context.has_params:
        return
    extra_params = context.entry.get("extra_params") if context.entry is not None else None
    report = _report(context, extra_params)
    if report is None:
        yield skip("parameters", "the model file could not be imported again")
    elif error := report.get("error"):
        yield fail("parameters", str(error), str(report.get("fix") or "Correct the value"))
    elif unknown := report.get("unknown"):
        yield warn("parameters", str(unknown), "Correct the extra params of the backend in Label Studio")
    else:
        values = "; ".join(map(str, report.get("values", [])))
        note = "" if context.entry is not None else f"; extra params are not known: {context.without_entry}"
        yield ok("parameters", f"{values}{note}")


def _report(context: Context, extra_params: Any) -> dict[str, Any] | None:
    """Return what the child process says; None if it fails."""
    try:
        process = subprocess.run(
            command(context.settings, "label_studio_ml.cli.run.check_params"),
            env=context.settings.child_env(),
            input=json.dumps(extra_params),
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT,
        )
        report = json.loads(process.stdout.strip().rpartition("\n")[2])
    except (subprocess.TimeoutExpired, ValueError):
        return None
    return report if isinstance(report, dict) else None
