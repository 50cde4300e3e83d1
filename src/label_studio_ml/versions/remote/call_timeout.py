"""Call fsspec's drivers with a timeout, so that a call ends even if the store accepts connections and never answers.

The drivers' own timeouts do not cover every step: waiting to send has none.
"""

import importlib
import threading
import time
from typing import Any


def call(system: Any, name: str, *arguments: Any, seconds: float, **options: Any) -> Any:
    """Call the method `name` of the fsspec file system `system`, and return its result.

    Raises what the method raises, and TimeoutError after `seconds` without progress: `put_file` and `get_file` report
    progress, any other call has `seconds` in all. A driver without coroutines is called without a timeout.
    """
    method = getattr(system, f"_{name}", None)
    if not getattr(system, "async_impl", False) or method is None:
        return getattr(system, name)(*arguments, **options)
    loop, done, tasks, last_progress = system.loop, threading.Event(), list[Any](), [time.monotonic()]
    if name in ("put_file", "get_file"):

        def tick(*_: Any, **__: Any) -> None:
            last_progress[0] = time.monotonic()

        options["callback"] = importlib.import_module("fsspec.callbacks").Callback(hooks={"tick": tick})

    def begin() -> None:
        task = loop.create_task(method(*arguments, **options))
        task.add_done_callback(lambda _: done.set())
        tasks.append(task)

    def cancel() -> None:
        for task in tasks:
            task.cancel()

    loop.call_soon_threadsafe(begin)
    try:
        while not done.wait(max(0.01, last_progress[0] + seconds - time.monotonic())):
            if time.monotonic() - last_progress[0] >= seconds:
                raise TimeoutError(f"no progress for {seconds:.0f} s")
    finally:
        if not done.is_set():
            loop.call_soon_threadsafe(cancel)
    return tasks[0].result()
