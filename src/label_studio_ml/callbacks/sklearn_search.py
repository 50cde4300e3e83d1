"""Report a search of scikit-learn, such as GridSearchCV or HalvingRandomSearchCV, and stop it when cancelled.

Two places of a search are watched while it runs: `_run_search`, which scikit-learn documents for subclasses, gets the
function that evaluates candidates; and `__sklearn_clone__` of the estimator, which scikit-learn calls in this process
before each fit, also if the fits run in other processes.
"""

import contextlib
import inspect
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar

from label_studio_ml.callbacks.reported_values import log_numbers
from label_studio_ml.errors import TrainingCancelled
from label_studio_ml.training.job import TrainingJob

Search = TypeVar("Search")

_RUN, _CLONE = "_run_search", "__sklearn_clone__"


def fit_search(job: TrainingJob, search: Search, *data: Any, **params: Any) -> Search:
    """Call `search.fit(*data, **params)`, report it to `job`, and return the search.

    Reported are the fits that have begun, out of those of all candidates and folds (of a halving search, of all
    rounds), and `mean_test_score` (`mean_test_NAME` with several scorers) with the number of the candidate as step,
    when scikit-learn has it: at the end, or after each round of a halving search.
    Raises TrainingCancelled if the job is cancelled: with `n_jobs=1` before the next fit, else when the fits that run
    have ended. The data may be of any kind that `search.fit` takes, and it raises what that raises.
    """
    observer = _Observer(job, search)
    try:
        with observer.observing():
            fitted: Any = search
            fitted.fit(*data, **params)
    except Exception:
        if observer.is_stopped:
            raise TrainingCancelled("The search was stopped because the training was cancelled") from None
        raise
    if observer.is_stopped:
        raise TrainingCancelled("The search was stopped because the training was cancelled")
    job.progress(1.0, "the search is done")
    return search


class _Observer:
    """Watches one search in the thread that made this object."""

    def __init__(self, job: TrainingJob, search: Any) -> None:
        self._job = job
        self._search = search
        self._estimator = search.estimator
        self._thread = threading.current_thread()
        self._rounds = 0
        self._fits_in_round = 0
        self._candidates = 0
        self._fits_begun = 0
        self._logged = 0
        self.is_stopped = False

    @contextlib.contextmanager
    def observing(self) -> Iterator[None]:
        """Watch the search during the block."""
        hooks = {
            (self._search, _RUN): _RunHook(self._search._run_search, self._run),
            (self._estimator, _CLONE): _CloneHook(self._estimator, self._begin_fit),
        }
        for (owner, name), hook in hooks.items():
            owner.__dict__[name] = hook
        try:
            yield
        finally:
            for owner, name in hooks:
                owner.__dict__.pop(name, None)

    def _run(self, run: Callable[..., Any], evaluate: Callable[..., Any], options: Mapping[str, Any]) -> Any:
        """Run the search with a function in the place of `evaluate` that reports each round of candidates."""

        def evaluate_and_report(candidates: Iterable[Any], *arguments: Any, **keywords: Any) -> Any:
            listed = list(candidates)
            self._rounds += 1
            self._candidates = self._candidates or len(listed)
            self._fits_begun = 0
            self._fits_in_round = len(listed) * getattr(self._search, "n_splits_", 1)
            results = evaluate(listed, *arguments, **keywords)
            if self.is_stopped:
                raise TrainingCancelled("The search was stopped because the training was cancelled")
            self._log_new(results)
            return results

        return run(evaluate_and_report, **options)

    def _begin_fit(self, clone: Any) -> Any:
        """Report that a fit begins; return the estimator for it: `clone`, or one that fails if the job is cancelled.

        With several processes, fits are begun in threads of joblib, where an error would be lost.
        """
        if self.is_stopped or (self._rounds and self._job.cancelled):
            self.is_stopped = True
            if threading.current_thread() is self._thread:
                raise TrainingCancelled("The search was stopped because the training was cancelled")
            return _Stopped()
        if self._rounds and self._fits_in_round:
            self._fits_begun += 1
            self._report()
        return clone

    def _report(self) -> None:
        rounds = self._expected_rounds()
        done = min(1.0, (self._fits_begun - 1) / self._fits_in_round)
        which = f", round {self._rounds} of {rounds}" if rounds > 1 else ""
        number = min(self._fits_begun, self._fits_in_round)
        self._job.progress(
            min(1.0, (self._rounds - 1 + done) / max(rounds, self._rounds)),
            f"fit {number} of {self._fits_in_round}{which}",
        )

    def _expected_rounds(self) -> int:
        """Return the number of rounds: that of a halving search from its formula, since it tells only at the end."""
        search = self._search
        if not hasattr(search, "min_resources_"):
            return 1
        required = 1 + math.floor(math.log(max(1, self._candidates), search.factor))
        possible = 1 + math.floor(math.log(search.max_resources_ // search.min_resources_, search.factor))
        return required if search.aggressive_elimination else min(required, possible)

    def _log_new(self, results: Mapping[str, Any]) -> None:
        """Log the mean scores of the candidates that were evaluated last."""
        names = [name for name in results if name.startswith("mean_test_")]
        total = len(results["params"])
        for number in range(self._logged, total):
            log_numbers(self._job, number, {name: results[name][number] for name in names})
        self._logged = total


class _RunHook:
    """Stands for `_run_search` of one search. A copy for another process is of no use there, and holds nothing."""

    def __init__(self, run: Callable[..., Any], observed: Callable[..., Any] | None) -> None:
        self._original = run
        self._observed = observed
        self.__signature__ = inspect.signature(run)  # scikit-learn passes `callback_ctx` if it is there

    def __call__(self, evaluate: Callable[..., Any], **options: Any) -> Any:
        if self._observed is None:
            return self._original(evaluate, **options)
        return self._observed(self._original, evaluate, options)

    def __reduce__(self) -> tuple[Any, ...]:
        return _RunHook, (self._original, None)


class _CloneHook:
    """Stands for `__sklearn_clone__` of the search's estimator, and of the clone from which the fits are cloned."""

    def __init__(
        self, estimator: Any, begin_fit: Callable[[Any], Any] | None, *, is_base: bool = False
    ) -> None:
        self._estimator = estimator
        self._begin_fit = begin_fit
        self._is_base = is_base

    def __call__(self) -> Any:
        from sklearn.base import clone

        hook = self._estimator.__dict__.pop(_CLONE)
        try:
            copy = clone(self._estimator)
        finally:
            self._estimator.__dict__[_CLONE] = hook
        if self._begin_fit is None:
            return copy
        if self._is_base:
            return self._begin_fit(copy)
        copy.__dict__[_CLONE] = _CloneHook(copy, self._begin_fit, is_base=True)
        return copy

    def __reduce__(self) -> tuple[Any, ...]:
        return _CloneHook, (self._estimator, None)


class _Stopped:
    """An estimator whose `fit` fails, for the fits that remain after a cancellation. It can be sent to processes."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return no parameters."""
        return {}

    def set_params(self, **_: Any) -> "_Stopped":
        """Take any parameters."""
        return self

    def fit(self, *_: Any, **__: Any) -> "_Stopped":
        """Raise TrainingCancelled."""
        raise TrainingCancelled("The training was cancelled before this fit")
