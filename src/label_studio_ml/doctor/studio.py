"""Checks of Label Studio as reached from this machine: its address, the token, the project, its clock."""

from label_studio_ml.doctor.check import Check, fail, failed, ok, skip, warn
from label_studio_ml.doctor.context import Context
from label_studio_ml.errors import BackendError, StudioRefusedError
from label_studio_ml.studio.transport.api_tokens import TokenKind
from label_studio_ml.support.texts import plural, whole_number

#: The oldest supported release: the first whose task list has the filters that a training needs.
_OLDEST_RELEASE = (1, 13)

#: Allowed difference of the clocks in seconds: access tokens expire after five minutes.
_MAX_CLOCK_DIFFERENCE = 30.0


def reachable(context: Context) -> Check:
    """Check that Label Studio answers at its address and is not too old; set `studio_works`."""
    if context.studio is None:
        return skip(
            "label studio", "give --url and --api-key-file, or set LABEL_STUDIO_URL and LABEL_STUDIO_API_KEY"
        )
    try:
        release = context.studio.version()
    except BackendError as error:
        return failed("label studio", error)
    context.studio_works = True
    parts = (whole_number(part) for part in release.split(".")[:2])
    numbers = tuple(part for part in parts if part is not None)
    if numbers and numbers < _OLDEST_RELEASE:
        return fail("label studio", f"{release} is too old", "Install Label Studio 1.13 or newer, best 1.23")
    return ok("label studio", f"{release} at {context.studio.url}")


def _unreached(context: Context) -> str:
    """Return why Label Studio cannot be asked, for the reason of a skipped check."""
    return (
        "Label Studio's address is not given"
        if context.studio is None
        else "Label Studio's API is not reached"
    )


def token(context: Context) -> Check:
    """Check that Label Studio accepts the token; clear `studio_works` if it does not."""
    studio = context.studio
    if studio is None or not context.studio_works:
        return skip("token", _unreached(context))
    kind = studio.api.http.token.kind
    if kind is TokenKind.NONE:
        context.studio_works = False
        return fail(
            "token",
            "none is given, and Label Studio's API requires one",
            f"Make a personal access token at {studio.url}/user/account, and set LABEL_STUDIO_API_KEY to it or give "
            "--api-key-file FILE with it",
        )
    try:
        studio.projects.check_token()
    except BackendError as error:
        context.studio_works = False
        if isinstance(error, StudioRefusedError) and error.status == 404:
            fix = (
                "Correct --url: Label Studio's address with its sub-path, if it has one, and nothing after it"
            )
            return fail("token", f"there is no API to try it on at {studio.url}", fix)
        return failed("token", error)
    if kind is TokenKind.ACCESS:
        return warn("token", "it is an access token, which expires within five minutes", kind.value)
    return ok("token", f"a {'personal access' if kind is TokenKind.PERSONAL else 'legacy'} token")


def project(context: Context) -> Check:
    """Check that the project exists and the token's user may see it; set `project` and `task`."""
    if context.studio is None:
        return skip("project", context.without_project)
    if context.number is None:
        return skip(
            "project",
            f"give --project ID, the number in the project's address: {context.studio.url}/projects/ID",
        )
    if not context.studio_works:
        return skip("project", _unreached(context))
    try:
        context.project = context.studio.projects.get(context.number)
        context.task = context.studio.tasks.first(context.number)
    except BackendError as error:
        return fail(
            "project",
            error.message,
            error.fix
            or "Correct --project: the number in the project's address; the token's user must see the project",
        )
    tasks = int(context.project.get("task_number") or 0)
    return ok("project", f"{context.number}: {context.project.get('title')}, {plural(tasks, 'task')}")


def clock(context: Context) -> Check:
    """Check that the clocks of Label Studio and of this machine differ by at most `_MAX_CLOCK_DIFFERENCE` seconds."""
    if context.studio is None or not context.studio_works:
        return skip("clock", _unreached(context))
    difference = context.studio.clock_difference()
    if difference is None:
        return skip("clock", "Label Studio's responses do not say its time")
    if abs(difference) > _MAX_CLOCK_DIFFERENCE:
        return warn(
            "clock",
            f"Label Studio's is {abs(difference):.0f} s {'ahead of' if difference > 0 else 'behind'} this machine's",
            "Set both clocks by NTP: tokens and time-outs go by them",
        )
    return ok("clock", f"{abs(difference):.0f} s apart")
