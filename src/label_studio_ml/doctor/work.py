"""Checks of one task's files and prediction, and of how predictions and scores show in Label Studio."""

from collections.abc import Iterator
from typing import Any

from label_studio_ml.doctor.check import Check, fail, failed, ok, skip, warn
from label_studio_ml.doctor.context import Context
from label_studio_ml.errors import BackendError, FileFetchError
from label_studio_ml.projects.rank import RANK_NAME
from label_studio_ml.protocol.prediction_json import ODD_SCORES
from label_studio_ml.studio.addresses.references import find_reference, missing_sub_path
from label_studio_ml.studio.files.fetch import FileAccess
from label_studio_ml.support.texts import plural
from label_studio_ml.support.url_secrets import mask
from label_studio_ml.validation.region_checks import INVALID, RegionChecks

_USE_CONFIG = "Let predict use the names and labels of self.parsed_label_config"
_DEBUG = "Run start --debug, which says for each task what to do, or set INVALID_PREDICTIONS=repair"
_PROBABILITY = "Let predict return a probability as score: Label Studio shows it as a percentage"
_FLAG = "ff_front_dev_1682_model_version_dropdown_070622_short=true"


def files(context: Context) -> Check:
    """Check that all files of one task can be fetched."""
    if context.task is None:
        return skip("files", context.without_task)
    settings = context.settings
    access = FileAccess(
        studio_url=settings.studio_url,
        token=settings.studio_api_key,
        cache_dir=settings.model_dir / "files",
        document_root=settings.document_root,
        verify_tls=settings.studio_verify_tls,
        rules=settings.files,
    )
    texts = list(_texts(context.task.get("data")))
    for text in texts:
        if prefix := missing_sub_path(text, settings.studio_url):
            address = settings.studio_url.rstrip("/") + prefix
            return fail(
                "files",
                f"task {context.task['id']} refers to {mask(text)}: Label Studio is below {prefix}",
                f"Set LABEL_STUDIO_URL (or --url) to {address}",
            )
    urls = [url for url in texts if find_reference(url, settings.studio_url)]
    for url in urls:
        try:
            access.local_path(url, task_id=context.task["id"])
        except FileFetchError as error:
            fix = error.fix or "Correct the URL in the task"
            return fail("files", f"task {context.task['id']}: {error.message}", fix, error.code)
    return ok("files", f"task {context.task['id']} {_files(urls)}")


def _files(urls: list[str]) -> str:
    """Return a phrase with the number of files that a task refers to, and the first of them."""
    return f"refers to {plural(len(urls), 'file')}: {mask(urls[0])}" if urls else "refers to no file"


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _texts(item)


def prediction(context: Context) -> Check:
    """Check that the backend predicts one task, and that the label config allows the prediction."""
    if context.task is None or context.about is None or context.project is None:
        return skip("prediction", context.without_task if context.task is None else "the backend is not up")
    config = str(context.project.get("label_config") or "")
    body = {
        "tasks": [context.task],
        "project": context.uid,
        "label_config": config,
        "params": {"context": None},
    }
    see_log = "See the backend's logs/server.log"
    try:
        results = context.view.predict({key: value for key, value in body.items() if value}).get("results")
    except BackendError as error:
        return fail("prediction", error.message, error.fix or see_log, error.code)
    first = results[0] if isinstance(results, list) and results else None
    if isinstance(first, list):
        first = first[0] if first else None
    if first is None and isinstance(results, list):
        return ok("prediction", f"the model returned no prediction for task {context.task['id']}")
    if not isinstance(first, dict) or not isinstance(first.get("result"), list):
        cause = first.get("error") if isinstance(first, dict) else "no result"
        refused = str(cause).startswith(INVALID)
        return fail("prediction", f"task {context.task['id']}: {cause}", _USE_CONFIG if refused else see_log)
    findings = RegionChecks(config).findings(first["result"], task=context.task)
    fault = next((finding for finding in findings if finding.is_fault), None)
    if fault is not None:
        return fail("prediction", f"Label Studio cannot show it: {fault}", fault.fix or _USE_CONFIG)
    if findings:
        return warn("prediction", f"Label Studio shows it in part: {findings[0]}", findings[0].fix)
    return ok("prediction", f"{plural(len(first['result']), 'region')}, version {first.get('model_version')}")


def invalid_predictions(context: Context) -> Check:
    """Warn if the running server made predictions that Label Studio cannot show, in part or at all."""
    if context.about is None:
        return skip("invalid predictions", "the backend is not up")
    kinds: dict[str, int] = context.about.get("invalid_predictions") or {}
    if not kinds:
        return ok("invalid predictions", "none since the server started")
    worst = max(kinds, key=lambda kind: kinds[kind])
    others = f" (and {plural(len(kinds) - 1, 'other kind')})" if len(kinds) > 1 else ""
    fix = _PROBABILITY if worst == ODD_SCORES else _USE_CONFIG if "label config" in worst else _DEBUG
    return warn("invalid predictions", f"{plural(kinds[worst], 'time')} {worst}{others}", fix)


def prelabeling(context: Context) -> Check:
    """Check that tasks show predictions of this backend, live or stored."""
    if context.project is None or context.entry is None:
        reason = context.without_project if context.project is None else "the backend is not in the project"
        return skip("pre-labeling", reason)
    if context.first_backend:
        return skip("pre-labeling", f"Label Studio asks {context.first_backend!r} instead")
    chosen, title = context.project.get("model_version") or "", context.entry["title"]
    if chosen == title and context.project.get("show_collab_predictions"):
        return ok("pre-labeling", f"tasks show the predictions of {title!r}")
    if RANK_NAME.fullmatch(chosen):
        return ok("pre-labeling", f"tasks are in the order of {chosen}, whose predictions they show")
    if not chosen or not context.project.get("show_collab_predictions"):
        return warn("pre-labeling", "no predictions show in tasks", context.connect_command)
    if chosen == context.entry.get("model_version") or _has_stored(context, chosen):
        return ok("pre-labeling", f"tasks show the stored predictions of version {chosen}")
    return warn(
        "pre-labeling",
        f"the project's model version is {chosen!r}, not this backend's title {title!r}",
        context.connect_command,
    )


def _has_stored(context: Context, version: str) -> bool:
    """Tell whether a task of the project has a stored prediction of `version`; False if Label Studio fails."""
    if context.studio is None or context.number is None:
        return False
    try:
        task = context.studio.tasks.predicted(context.number, version) or {}
    except BackendError:
        return False
    stored = task.get("predictions") or []
    return any(
        isinstance(prediction, dict) and prediction.get("model_version") == version for prediction in stored
    )


def score_column(context: Context) -> Check:
    """Check that Label Studio's prediction score column, by which tasks are ordered by uncertainty, shows scores."""
    if context.studio is None or context.project is None or context.number is None:
        return skip("scores", context.without_project)
    chosen = context.project.get("model_version") or ""
    served = str((context.entry or {}).get("model_version") or "")
    try:  # not all tasks have the chosen version: `rank` skips labelled tasks; nor the served one, after a training
        tasks_of_versions = (
            context.studio.tasks.predicted(context.number, version) for version in (chosen, served) if version
        )
        task = next((task for task in tasks_of_versions if task), None) or context.studio.tasks.predicted(
            context.number
        )
    except BackendError as error:
        return failed("scores", error)
    if task is None:
        return skip("scores", "no task has a prediction yet")
    scored = [
        prediction
        for prediction in task.get("predictions") or []
        if isinstance(prediction, dict) and prediction.get("score") is not None
    ]
    if task.get("predictions_score") is not None or not scored:
        return ok("scores", "the column shows them" if scored else "the predictions have none")
    version = _version_to_show(scored, served)
    return warn(
        "scores",
        f"the column is empty: it shows predictions of version {chosen!r} only, and theirs is {version!r}",
        f"Start Label Studio with {_FLAG}, or choose version {version} in the project's settings, Predictions",
    )


def _version_to_show(scored: list[dict[str, Any]], served: str) -> Any:
    """Return the version whose scores the column should show: the served one, else that of the newest prediction."""
    versions = [prediction.get("model_version") for prediction in scored]
    if served in versions:
        return served
    return max(scored, key=lambda prediction: str(prediction.get("created_at", ""))).get("model_version")
