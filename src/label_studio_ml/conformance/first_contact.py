"""The first two calls of a backend, and the one-line errors about addresses where there is none."""

from collections.abc import Mapping
from urllib.parse import urlsplit

from label_studio_ml.conformance.answer import Answer
from label_studio_ml.conformance.hidden_login import hide_login
from label_studio_ml.conformance.studio_calls import StudioCalls, Untrusted
from label_studio_ml.conformance.transport.run_limit import OutOfTime
from label_studio_ml.conformance.trial import Trial
from label_studio_ml.errors import BackendError
from label_studio_ml.support.pinned_requests import TRUST_ON_THIS_MACHINE, untrusted
from label_studio_ml.support.url_secrets import without_login

#: Names in Label Studio's answer to GET /api/version, which no ML backend has.
_STUDIO_PACKAGES = ("label-studio-os-package", "label-studio-os-backend")


class NoBackend(BackendError):
    """There is no ML backend at the address."""

    code = "LSML-E432"


def first_contact(trial: Trial) -> None:
    """Send the calls with which Label Studio adds a backend, and keep the answers in `trial`.

    Raises NoBackend if nothing answers at the address, its certificate is not trusted, another server than an ML
    backend answers, or a login is needed that was not given.
    """
    shown = without_login(trial.calls.url)
    try:
        _add(trial, shown)
    except Untrusted as error:
        raise NoBackend(untrusted(shown, str(error)), fix=TRUST_ON_THIS_MACHINE) from None
    except OutOfTime:
        return  # each check says it


def _add(trial: Trial, shown: str) -> None:
    """Send the calls. Raises NoBackend, Untrusted and OutOfTime."""
    trial.health = trial.calls.get("/health", trial.calls.limits.health)
    if trial.health.unreachable:
        failure = hide_login(trial.health.failure, trial.calls.used_login)
        raise NoBackend(f"No backend answers at {shown}: {failure}", fix=trial.health.failure_fix)
    trial.setup = trial.set_up(trial.first)
    if trial.setup.is_error or trial.setup.body().error:
        _refuse_other_servers(trial.calls, trial.health, trial.setup, shown)


def _refuse_other_servers(calls: StudioCalls, health: Answer, setup: Answer, shown: str) -> None:
    """Raise NoBackend if the answers to both calls are those of another server, or ask for a login."""
    if setup.status == 401:
        if calls.login is None and not urlsplit(calls.url).username:
            raise NoBackend(
                f"The backend at {shown} asks for a login",
                fix="Give --basic-auth-user and --basic-auth-pass, or set BASIC_AUTH_USER and _PASS",
            )
        raise NoBackend(
            f"The backend at {shown} refuses the login: {hide_login(str(setup), calls.used_login)}",
            fix="Correct --basic-auth-user and --basic-auth-pass. If they are right, Label Studio is refused as well",
        )
    if setup.status < 400 and not setup.body().error:
        return
    about = calls.get("/api/version", calls.limits.versions).body().value
    if isinstance(about, Mapping) and any(name in about for name in _STUDIO_PACKAGES):
        raise NoBackend(
            f"{shown} is a Label Studio, not an ML backend",
            fix="Give the address that is entered for the backend in the project's settings, Model",
        )
    if health.status in range(200, 400) and not health.body().error:
        return
    if setup.is_html and health.is_html and health.status < 500:
        raise NoBackend(
            f"{shown} answers with web pages, not as an ML backend (GET /health: "
            f"{hide_login(str(health), calls.used_login)})",
            fix="Give the backend's address as it is entered in Label Studio, with port and path",
        )
    if {health.status, setup.status} <= {404, 405}:
        raise NoBackend(
            f"There is no ML backend at {shown}: GET /health and POST /setup are answered {setup.status}",
            fix="Give the backend's address as it is entered in Label Studio, with port and path",
        )
