"""Checks of the connection from Label Studio to the backend: its address, its entry, its webhook, its events."""

import time
from dataclasses import replace
from typing import Any

from label_studio_ml.config.backend_login import asks_login
from label_studio_ml.connect import webhooks
from label_studio_ml.connect.addresses import webhook_host_fits
from label_studio_ml.connect.backend_client import TRUST_CERTIFICATE, certificate_problem
from label_studio_ml.connect.ownership import belongs_to
from label_studio_ml.connect.steps import arrived
from label_studio_ml.doctor.check import Check, fail, failed, ok, skip, warn
from label_studio_ml.doctor.context import Context
from label_studio_ml.errors import BackendError, StudioAuthError
from label_studio_ml.protocol.webhook_actions import SENT_ACTIONS
from label_studio_ml.studio.resources.label_studio import LabelStudio
from label_studio_ml.support.pinned_requests import untrusted
from label_studio_ml.support.server_urls import canonical
from label_studio_ml.support.texts import plural
from label_studio_ml.versions.state.project_state import Projects

_SERVER_FIRST = "Solve the problem of the server first; then run doctor again"


def entry(context: Context) -> Check:
    """Check that the backend is in the project, once, first, at its URL, and healthy for Label Studio.

    Sets `entry` and `first_backend` of the context.
    """
    if context.studio is None or context.project is None or context.number is None:
        return skip("backend", context.without_project)
    present = context.studio.backends.of_project(context.number)
    own_entries = [
        backend for backend in present if belongs_to(backend, context.name) or _same(backend, context.url)
    ]
    if not own_entries:
        return fail("backend", "it is not in the project", context.connect_command)
    own_entry = context.entry = own_entries[0]
    if len(own_entries) > 1:
        return fail(
            "backend", f"it is in the project {len(own_entries)} times", "Remove all but one in Label Studio"
        )
    if own_entry["id"] != present[0]["id"]:
        context.first_backend = str(present[0]["title"])
        return fail(
            "backend",
            f"Label Studio asks only the first backend of a project, and that is {context.first_backend!r}",
            f"Remove {context.first_backend!r} from the project in Label Studio",
        )
    if not _same(own_entry, context.url):
        return fail(
            "backend",
            f"Label Studio has it at {own_entry['url']}, not {context.url}",
            context.connect_command if context.about is not None else _SERVER_FIRST,
        )
    if own_entry.get("state") == "DI":
        return fail(
            "backend",
            f"Label Studio's health check of {own_entry['url']} fails",
            context.connect_command if context.about is not None else _SERVER_FIRST,
        )
    if own_entry.get("state") == "ER":
        return fail(
            "backend",
            f"Label Studio got an error from /setup: {own_entry.get('error_message')}",
            "See the backend's logs/server.log",
        )
    return ok(
        "backend", f"{own_entry['title']!r} at {own_entry['url']}, version {own_entry.get('model_version')}"
    )


def addresses(context: Context) -> Check:
    """Check that Label Studio accepts the backend's address for an ML backend and for a webhook."""
    if context.studio is None or context.project is None or context.number is None:
        return skip("address", context.without_project)
    webhook_url = webhooks.address(context.url)
    if not webhook_host_fits(context.url):
        return fail(
            "address",
            f"Label Studio accepts no webhook at {context.url}: its host name has no dot",
            "Give the backend an address or an alias with a dot, and connect with it as --backend-url",
        )
    refusals = {
        "ML_BLOCK_LOCAL_IP": context.studio.backends.refusal_of(context.number, context.url),
        "SSRF_PROTECTION_ENABLED": context.studio.webhooks.refusal_of(context.number, webhook_url),
    }
    names = [name for name, refusal in refusals.items() if refusal]
    if names:
        return fail(
            "address",
            f"Label Studio refuses {context.url}: {next(refusal for refusal in refusals.values() if refusal)}",
            f"Start Label Studio with {' and '.join(f'{name}=false' for name in names)}, "
            "or give the backend a public address",
        )
    if context.url.startswith("https:") and (reason := certificate_problem(context.url)):
        present = context.studio.backends.of_project(context.number)
        if not any(_same(backend, context.url) and backend.get("state") == "CO" for backend in present):
            return warn(
                "address",
                f"{untrusted(context.url, reason)}, and Label Studio verifies it",
                TRUST_CERTIFICATE,
            )
    return ok("address", f"Label Studio accepts {context.url}")


def webhook(context: Context) -> Check:
    """Check that the backend has one webhook in the project, with the right login and actions."""
    if context.studio is None or context.number is None or context.entry is None or context.about is None:
        return skip("webhook", context.without_entry)
    present = webhooks.of_backend(
        context.studio.webhooks.of_project(context.number), context.name, [context.url]
    )
    actions = webhooks.required_actions(context.about["events"], learns=bool(context.about["learns"]))
    desired = webhooks.fields(context.url, context.name, context.view.authorization(), actions)
    if not present:
        return fail(
            "webhook",
            "the project has no webhook of this backend, so no annotation arrives",
            context.connect_command,
        )
    if len(present) > 1:
        return fail(
            "webhook",
            f"the project has several webhooks of this backend ({len(present)}), so each event arrives more than once",
            context.connect_command,
        )
    problem = _problem(present[0], desired)
    if problem:
        return fail("webhook", problem, context.connect_command)
    if missing := sorted(set(actions) - set(_actions(present[0]))):
        return fail("webhook", f"it does not send {', '.join(missing)}", context.connect_command)
    if different := webhooks.differences(present[0], desired):
        return warn(
            "webhook",
            f"fields differ from what connect sets: {', '.join(different)}",
            context.connect_command,
        )
    login = (
        "with login" if context.view.authorization() else "without login, because the backend requires none"
    )
    return ok(
        "webhook", f"{present[0]['url']}, {login}, {plural(len(actions), 'kind of event', 'kinds of events')}"
    )


def _problem(present: dict[str, Any], desired: dict[str, Any]) -> str:
    if canonical(str(present["url"])) != canonical(desired["url"]):
        return f"it leads to {present['url']}, not {desired['url']}"
    if not present.get("is_active"):
        return "it is switched off"
    if not present.get("send_payload"):
        return "it sends no payload"
    authorization = (present.get("headers") or {}).get("Authorization")
    if desired["headers"].get("Authorization") != authorization:
        return "it has no login, or not the one that the backend requires"
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
            f"an event of Label Studio did not arrive; before it, {_last_event(before)}",
            "Solve the problem of the webhook first; if it has none, start Label Studio with "
            "SSRF_PROTECTION_ENABLED=false, or search its log for the webhook",
        )
    if asks_login(context.settings) and not receipt["authorized"]:
        return fail("events", "an event arrived without login", context.connect_command)
    return ok("events", f"an event arrived; before it, {_last_event(before)}")


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
    problem = "Label Studio has sent no token with /setup"
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


def _last_event(connection: dict[str, Any]) -> str:
    """Return a phrase with the kind and age of the last event that the backend has recorded for the project."""
    receipts = (connection.get("project") or {}).get("heard") or {}
    if not receipts:
        return "none had arrived"
    action, last = max(receipts.items(), key=lambda item: item[1]["at"])
    seconds = max(time.time() - float(last["at"]), 0.0)
    return f"the last was {action}, {seconds / 3600:.1f} h ago"


def _same(backend: dict[str, Any], url: str) -> bool:
    return canonical(str(backend.get("url"))) == canonical(url)
