"""All checks, in the order in which one needs what another found."""

from collections.abc import Callable, Iterator

from label_studio_ml.doctor import link, machine, server, studio, work
from label_studio_ml.doctor.check import Check, Status, fail, failed
from label_studio_ml.doctor.context import Context
from label_studio_ml.errors import BackendError

CHECKS: tuple[Callable[[Context], Iterator[Check]], ...] = (
    machine.packages,
    machine.disk,
    machine.store,
    machine.decisions,
    machine.set_aside,
    machine.model_file,
    studio.reachable,
    studio.token,
    studio.project,
    studio.clock,
    machine.label_config,
    server.server,
    server.redis_durability,
    server.queue,
    server.spool,
    server.trainings,
    link.addresses,
    link.entry,
    link.webhook,
    link.events,
    work.files,
    work.prediction,
    work.invalid_predictions,
    work.prelabeling,
    work.score_column,
)


def examine(context: Context) -> Iterator[Check]:
    """Yield what each check finds; one that cannot be made is a failure of its own, and the others go on."""
    for check in CHECKS:
        name = check.__name__.replace("_", " ")
        try:
            yield from check(context)
        except BackendError as error:
            yield failed(name, error)
        except Exception as error:  # noqa: BLE001 - a check that breaks must not hide the others
            yield fail(name, f"the check itself broke: {type(error).__name__}: {error}", "Report it as a bug")


def exit_code(found: list[Check]) -> int:
    """Return 1 if something does not work, else 0."""
    return int(any(check.status is Status.FAIL for check in found))
