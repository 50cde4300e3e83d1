"""The list of all checks, ordered by their dependencies, and the loop that runs them."""

from collections.abc import Callable, Iterator

from label_studio_ml.doctor import link, machine, parameters, server, studio, work
from label_studio_ml.doctor.check import Check, Status, fail, failed
from label_studio_ml.doctor.context import Context
from label_studio_ml.errors import BackendError

CHECKS: tuple[Callable[[Context], Check | Iterator[Check]], ...] = (
    machine.packages,
    machine.settings,
    machine.disk,
    machine.store,
    machine.decisions,
    machine.set_aside,
    studio.reachable,
    studio.token,
    studio.project,
    studio.clock,
    machine.model_file,
    machine.label_config,
    server.server,
    server.redis_durability,
    server.queue,
    server.spool,
    server.trainings,
    link.addresses,
    link.entry,
    parameters.parameters,
    link.webhook,
    link.events,
    link.annotations,
    work.files,
    work.prediction,
    work.invalid_predictions,
    work.prelabeling,
    work.score_column,
)


#: Checks that run the model's code, fetch files or send requests that Label Studio acts on.
SLOW: frozenset[Callable[[Context], Check | Iterator[Check]]] = frozenset(
    (
        machine.model_file,
        machine.label_config,
        link.addresses,
        link.events,
        parameters.parameters,
        work.files,
        work.prediction,
    )
)


def examine(context: Context, *, quick: bool = False) -> Iterator[Check]:
    """Run all checks and yield their results. An exception in a check becomes a failure; the other checks still run.

    With `quick`, those in `SLOW` are left out.
    """
    for check in CHECKS:
        if quick and check in SLOW:
            continue
        name = check.__name__.replace("_", " ")
        try:
            result = check(context)
            yield from (result,) if isinstance(result, Check) else result
        except BackendError as error:
            yield failed(name, error)
        except Exception as error:  # noqa: BLE001 - a check with an error must not hide the others
            yield fail(
                name, f"an error in the check itself: {type(error).__name__}: {error}", "Report it as a bug"
            )


def exit_code(checks: list[Check]) -> int:
    """Return 1 if a check failed, else 0."""
    return int(any(check.status is Status.FAIL for check in checks))
