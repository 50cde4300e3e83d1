"""Run models in threads of the server's own process."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import BackendError, ModelLoadError, ModelProcessDied
from label_studio_ml.model import LabelStudioMLBase
from label_studio_ml.model_calls.adapter import ClassInfo, ModelSpec, reason
from label_studio_ml.model_calls.predictor import Answer, Request
from label_studio_ml.serving.requests.queue_item import Place
from label_studio_ml.serving.runners.futures import fail, settle
from label_studio_ml.serving.runners.long_polls import MAX_LONG_POLLS, too_many
from label_studio_ml.serving.runners.model_host import ModelHost

logger = logging.getLogger(__name__)


class ThreadRunner:
    """Runner in this process: for `--debug`, for tests, and for classes that no other process can import.

    A crash of the model ends the server. With `reimport`, user modules that are loaded already are imported again.
    `renewable` is False if trainings run in another process and `model_class` cannot be imported again. If the class
    has `concurrency` 1, each model is built and called in a thread of its own.
    """

    ahead = False
    own_memory = False

    def __init__(
        self,
        settings: Settings,
        model_class: type[LabelStudioMLBase] | None = None,
        *,
        reimport: bool = False,
        renewable: bool = True,
    ) -> None:
        loop = asyncio.get_running_loop()
        self.renewable = renewable
        self.info: asyncio.Future[ClassInfo] = loop.create_future()
        self.ended: asyncio.Future[str] = loop.create_future()
        self._host = ModelHost(settings, model_class, reimport=reimport)
        self._long_polls = ThreadPoolExecutor(MAX_LONG_POLLS, thread_name_prefix="long poll")
        self._polls: set[asyncio.Future[Any]] = set()
        self._loading = ThreadPoolExecutor(1, thread_name_prefix="load")
        self._load_turn = asyncio.Lock()
        self._shared_threads: ThreadPoolExecutor | None = None
        self._threads: dict[int, ThreadPoolExecutor] = {}
        self._one_at_a_time = threading.Lock()

    async def start(self) -> None:
        """Import the model file and settle `info`."""
        try:
            info = await self._call(self._loading, self._host.import_class)
            if info.concurrency > 1:
                self._shared_threads = ThreadPoolExecutor(info.concurrency, thread_name_prefix="predict")
            settle(self.info, info)
        except BackendError as error:
            fail(self.info, error)
            self.info.exception()

    async def load(self, number: int, spec: ModelSpec, instead_of: int = 0) -> str:
        """Build a model and return its version's name."""
        async with self._load_turn:
            if self._shared_threads is not None:
                return str(await self._call(self._loading, self._host.load, number, spec, instead_of))
            previous = self._threads.pop(instead_of, None)
            if previous is not None:
                try:
                    await self._call(previous, self._host.unload, instead_of)
                finally:
                    previous.shutdown(wait=False)
            thread = ThreadPoolExecutor(1, thread_name_prefix=f"model {number}")
            try:
                version = str(await self._call(thread, self._host.load, number, spec, instead_of))
                if self.ended.done():  # closed meanwhile: the model is not needed
                    raise ModelProcessDied(self.ended.result())
            except BaseException:
                thread.submit(self._host.unload, number)
                thread.shutdown(wait=False)
                raise
            self._threads[number] = thread
            return version

    async def predict(
        self, number: int, requests: Sequence[Request], place: Place | None = None
    ) -> list[Answer]:
        """Answer `requests` by model `number`. Raises ModelLoadError if there is none, ModelProcessDied if closed."""
        thread = self._shared_threads or self._threads.get(number)
        if thread is None:
            raise ModelLoadError(f"model {number} is not loaded")
        answers: list[Answer] = await self._call(thread, self._predict, number, list(requests))
        return answers

    async def long_poll(self, number: int, request: Request, session: str) -> Answer:
        """Answer a long poll in a thread of its own. Raises like `predict`, and Overloaded."""
        if len(self._polls) >= MAX_LONG_POLLS:
            raise too_many()
        poll = self._submit(self._long_polls, self._host.predict, number, [request])
        self._polls.add(poll)  # until its thread is free, even if the caller leaves
        poll.add_done_callback(self._poll_done)
        answers: list[Answer] = await self._outcome(asyncio.shield(poll))
        return answers[0]

    def _poll_done(self, poll: "asyncio.Future[Any]") -> None:
        self._polls.discard(poll)
        if not poll.cancelled():
            poll.exception()  # marks it as retrieved: the caller may have left

    def place(self, session: str, patience: float | None) -> None:
        """Return None: all threads share one process."""

    def release(self, session: str) -> None:
        """Do nothing: all threads share one process."""

    def _predict(self, number: int, requests: list[Request]) -> list[Answer]:
        with contextlib.nullcontext() if self._shared_threads is not None else self._one_at_a_time:
            return self._host.predict(number, requests)

    def unload(self, number: int) -> None:
        """Remove model `number`, after the predictions that were requested before."""
        thread = self._shared_threads or self._threads.pop(number, None)
        if thread is not None and not self.ended.done():
            thread.submit(self._host.unload, number)
            if thread is not self._shared_threads:
                thread.shutdown(wait=False)

    async def close(self, grace: float = 5.0) -> None:
        """End the threads. Calls that are running cannot be interrupted."""
        for thread in (
            *self._threads.values(),
            self._loading,
            self._long_polls,
            *([self._shared_threads] if self._shared_threads else []),
        ):
            thread.shutdown(wait=False, cancel_futures=True)
        settle(self.ended, "The model's thread was stopped")
        for poll in list(self._polls):
            poll.cancel()

    async def _call(self, threads: ThreadPoolExecutor, function: Callable[..., Any], *args: Any) -> Any:
        return await self._outcome(self._submit(threads, function, *args))

    def _submit(
        self, threads: ThreadPoolExecutor, function: Callable[..., Any], *args: Any
    ) -> "asyncio.Future[Any]":
        def call() -> Any:
            try:
                return function(*args)
            except BackendError:
                raise
            except BaseException as error:  # SystemExit, for example, would end the event loop
                logger.exception("A call failed")
                raise ModelLoadError(reason(error)) from error

        if self.ended.done():
            raise ModelProcessDied(self.ended.result())
        return asyncio.get_running_loop().run_in_executor(threads, call)

    async def _outcome(self, call: "asyncio.Future[Any]") -> Any:
        try:
            return await call
        except asyncio.CancelledError:
            if self.ended.done():  # the call was still waiting for the thread
                raise ModelProcessDied(self.ended.result()) from None
            raise
