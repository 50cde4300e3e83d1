"""Checks of the connection from Label Studio to the backend: its address, its entry, its webhook, its events."""

import time
from dataclasses import replace
from typing import Any

from label_studio_ml.config.backend_login import asks_login
from label_studio_ml.connect import webhooks
from label_studio_ml.connect.addresses import webhook_host_fits
from label_studio_ml.connect.backend_client import TRUST_CERTIFICATE, certificate_problem
from label_studio_ml.connect.ownership import is_ours
from label_studio_ml.connect.steps import arrived
from label_studio_ml.doctor.check import Check, fail, failed, ok, skip, warn
from label_studio_ml.doctor.context import Context
from label_studio_ml.errors import BackendError, StudioAuthError
from label_studio_ml.protocol.webhook_actions import SENT_ACTIONS
from label_studio_ml.studio.resources.label_studio import LabelStudio
from label_studio_ml.support.server_urls import canonical
from label_studio_ml.support.texts import plural
from label_studio_ml.versions.state.project_state import Projects

_SERVER_FIRST = "Mend the server first; then look again"


def entry(context: Context) -> Check:
    """Check that the backend is in the project, once, first, at its URL, and healthy for Label Studio; set `entry`."""
    if context.studio is None or context.project is None or context.number is None:
        return skip("backend", context.without_project)
    present = context.studio.backends.of_project(context.number)
    mine = [backend for backend in present if is_ours(backend, context.name) or _same(backend, context.url)]
    if not mine:
        return fail("backend", "it is not in the project", context.connect_command)
    own = context.entry = mine[0]
    if len(mine) > 1:
        return fail(
            "backend", f"it is in the project {len(mine)} times", "Remove all but one in Label Studio"
        )
    if own["id"] != present[0]["id"]:
        return fail(
            "backend",
            f"Label Studio asks only the first backend of a project, and that is {present[0]['title']!r}",
            f"Remove {present[0]['title']!r} from the project in Label Studio",
        )
    if not _same(own, context.url):
        return fail(
            "backend",
            f"Label Studio has it at {own['url']}, not {context.url}",
            context.connect_command if context.about is not None else _SERVER_FIRST,
        )
    if own.get("state") == "DI":
        return fail(
            "backend",
            f"Label Studio's health check of {own['url']} fails",
            context.connect_command if context.about is not None else _SERVER_FIRST,
        )
    if own.get("state") == "ER":
        return fail(
            "backend",
            f"Label Studio got an error from /setup: {own.get('error_message')}",
            "See the backend's logs/server.log",
        )
    return ok("backend", f"{own['title']!r} at {own['url']}, version {own.get('model_version')}")


def addresses(context: Context) -> Check:
    """Check that Label Studio accepts the backend's address for an ML backend and for a webhook."""
    if context.studio is None or context.project is None or context.number is None:
        return skip("address", context.without_project)
    place = webhooks.address(context.url)
    if not webhook_host_fits(context.url):
        return fail(
            "address",
            f"Label Studio takes no webhook at {context.url}: its host name has no dot",
            "Give the backend an address or an alias with a dot, and connect with it as --backend-url",
        )
    blocked = {
        "ML_BLOCK_LOCAL_IP": context.studio.backends.refusal_of(context.number, context.url),
        "SSRF_PROTECTION_ENABLED": context.studio.webhooks.refusal_of(context.number, place),
    }
    names = [name for name, why in blocked.items() if why]
    if names:
        return fail(
            "address",
            f"Label Studio refuses {context.url}: {next(why for why in blocked.values() if why)}",
            f"Start Label Studio with {' and '.join(f'{name}=false' for name in names)}, "
            "or give the backend a public address",
        )
    if context.url.startswith("https:") and (reason := certificate_problem(context.url)):
        present = context.studio.backends.of_project(context.number)
        if not any(_same(backend, context.url) and backend.get("state") == "CO" for backend in present):
            return warn(
                "address",
                f"the certificate of {context.url} is not of an authority that is known here ({reason}), and Label "
                "Studio verifies it",
                TRUST_CERTIFICATE,
            )
    return ok("address", f"Label Studio takes {context.url}")


def webhook(context: Context) -> Check:
    """Check that the backend has one webhook in the project, with the right login and actions."""
    if context.studio is None or context.number is None or context.entry is None or context.about is None:
        return skip("webhook", context.without_entry)
    present = webhooks.ours(context.studio.webhooks.of_project(context.number), context.name, [context.url])
    actions = webhooks.wanted_actions(context.about["events"], learns=bool(context.about["learns"]))
    wanted = webhooks.fields(context.url, context.name, context.view.authorization(), actions)
    if not present:
        return fail("webhook", "there is none, so no annotation arrives", context.connect_command)
    if len(present) > 1:
        return fail("webhook", f"there are {len(present)}, so events arrive twice", context.connect_command)
    problem = _problem(present[0], wanted)
    if problem:
        return fail("webhook", problem, context.connect_command)
    if missing := sorted(set(actions) - set(_actions(present[0]))):
        return fail("webhook", f"it does not send {', '.join(missing)}", context.connect_command)
    if different := webhooks.differences(present[0], wanted):
        return warn(
            "webhook", f"it is not as connect makes it: {', '.join(different)}", context.connect_command
        )
    login = "with login" if context.view.authorization() else "without login, as none is asked for"
    return ok(
        "webhook", f"{present[0]['url']}, {login}, {plural(len(actions), 'kind of event', 'kinds of events')}"
    )


def _problem(present: dict[str, Any], wanted: dict[str, Any]) -> str:
    if canonical(str(present["url"])) != canonical(wanted["url"]):
        return f"it leads to {present['url']}, not {wanted['url']}"
    if not present.get("is_active"):
        return "it is switched off"
    if not present.get("send_payload"):
        return "it sends no payload"
    given = (present.get("headers") or {}).get("Authorization")
    if wanted["headers"].get("Authorization") != given:
        return "it has no login, or another one than the backend asks for"
    return ""


def _actions(present: dict[str, Any]) -> list[str]:
    return sorted(SENT_ACTIONS) if present.get("send_for_all_actions") else list(present.get("actions") or [])


def events(context: Context) -> Check:
    """Check that an event of Label Studio arrives, caused by saving the unchanged title of the project."""
    if context.studio is None or context.project is None or context.entry is None or context.about is None:
        return skip("events", context.without_entry)
    before = context.view.connection(context.uid)
    try:
        receipt = arrived(context.studio.projects, context.view, context.project)
    except BackendError as error:
        return failed("events", error)
    if not receipt:
        return fail(
            "events",
            f"an event of Label Studio did not arrive; {_lately(before)}",
            "Mend the webhook first; if it is well, start Label Studio with SSRF_PROTECTION_ENABLED=false, or look "
            "for the webhook in its log",
        )
    if asks_login(context.settings) and not receipt["authorized"]:
        return fail("events", "an event arrived without login", context.connect_command)
    return ok("events", f"an event arrived; before that, {_lately(before)}")


def annotations(context: Context) -> Check:
    """Warn if the backend has no token for Label Studio, whose annotations trainings would read with it."""
    if context.project is None or context.entry is None or context.about is None:
        return skip("annotations", context.without_entry)
    if not context.about["learns"]:
        return skip("annotations", "the model does not learn")
    about = context.view.connection(context.uid)  # since the first call, Label Studio may have called /setup
    settings = about.get("studio")
    if settings is None:
        return skip("annotations", "the running backend is of an older release: start it again")
    missing = [name for name, is_set in settings.items() if not is_set]
    if not missing:
        return ok("annotations", "trainings read them from Label Studio, by LABEL_STUDIO_API_KEY")
    problem = "/setup has brought no token"
    if (about.get("project") or {}).get("token"):
        if not (refusal := _setup_token_refusal(context)):
            return ok("annotations", "trainings read them from Label Studio, with the token of /setup")
        problem = f"the token of /setup is refused ({refusal})"
    return warn(
        "annotations",
        f"trainings get only those that webhooks deliver: the backend runs without {' and '.join(missing)}, and "
        f"{problem}",
        f"Start the backend{' and its workers' if context.settings.redis_url else ''} with "
        f"LABEL_STUDIO_URL={context.settings.studio_url} and LABEL_STUDIO_API_KEY, a personal access token from "
        f"{context.settings.studio_url}/user/account",
    )


def _setup_token_refusal(context: Context) -> str:
    """Return why Label Studio refuses the project's token of /setup; empty if not, or if it is not known here."""
    folder = context.settings.model_dir
    if not (folder / "projects.db").exists() or context.uid is None:  # opening would create the database
        return ""
    project = Projects(folder).get(context.uid)
    if project is None or not project.access_token:
        return ""
    studio = LabelStudio.open(replace(context.settings, studio_api_key=project.access_token))
    try:
        studio.projects.check_token()
    except StudioAuthError as error:
        return error.message
    finally:
        studio.api.close()
    return ""


def _lately(connection: dict[str, Any]) -> str:
    heard = (connection.get("project") or {}).get("heard") or {}
    if not heard:
        return "none was ever heard"
    action, last = max(heard.items(), key=lambda item: item[1]["at"])
    seconds = max(time.time() - float(last["at"]), 0.0)
    return f"the last was {action}, {seconds / 3600:.1f} h ago"


def _same(backend: dict[str, Any], url: str) -> bool:
    return canonical(str(backend.get("url"))) == canonical(url)
