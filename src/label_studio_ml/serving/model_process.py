"""The process that runs the user's code for predictions: `python -m label_studio_ml.serving.model_process FD PAGE`.

It speaks the frames of `serving.messages` over the socket with file descriptor FD, and notes what it works on in the
`serving.begun` page with descriptor PAGE. The main thread imports the model
file and predicts; a second thread builds models, so that a new version loads beside the old one; a third reads.
When the socket closes, the server is gone, and so is this process.
"""

import collections
import contextlib
import logging
import os
import queue
import signal
import socket
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import msgspec

from label_studio_ml import logs
from label_studio_ml.adapter import reason
from label_studio_ml.errors import BackendError
from label_studio_ml.serving.begun import Begun
from label_studio_ml.serving.host import ModelHost
from label_studio_ml.serving.messages import (
    Failed,
    Frames,
    FromModel,
    Imported,
    ImportFailed,
    Load,
    Loaded,
    Predict,
    Predicted,
    Stop,
    ToModel,
    Unload,
    frame,
    to_model_decoder,
)
from label_studio_ml.settings import Settings

logger = logging.getLogger(__name__)


class Inbox:
    """What the server asks of the thread that predicts: in order, but interactive requests first."""

    def __init__(self) -> None:
        self._urgent: collections.deque[ToModel] = collections.deque()
        self._others: collections.deque[ToModel] = collections.deque()
        self._count: queue.SimpleQueue[None] = queue.SimpleQueue()

    def put(self, message: ToModel) -> None:
        """Add a message."""
        urgent = isinstance(message, Predict) and message.requests[0].interactive
        (self._urgent if urgent else self._others).append(message)
        self._count.put(None)

    def get(self) -> ToModel:
        """Remove and return the next message, as soon as there is one."""
        self._count.get()
        return self._urgent.popleft() if self._urgent else self._others.popleft()


class ModelProcess:
    """The three threads and what they share."""

    def __init__(self, connection: socket.socket, begun: Begun, settings: Settings) -> None:
        self._connection = connection
        self._begun = begun
        self._sending = threading.Lock()
        self._host = ModelHost(settings)
        self._predictions = Inbox()
        self._loads: queue.SimpleQueue[Load | None] = queue.SimpleQueue()

    def run(self) -> int:
        """Work until told to stop; return the exit status."""
        threading.Thread(target=self._read, daemon=True, name="reader").start()
        try:
            info = self._host.import_class()
            self._send(Imported(info))
        except BackendError as error:
            logger.error("%s", error)
            self._send(ImportFailed(error.message, error.fix, error.field))
            return 1
        except BaseException as error:
            logger.exception("The model class cannot be used")
            self._send(ImportFailed(reason(error), "", ""))
            return 1
        loader = threading.Thread(target=self._load, daemon=True, name="loader")
        loader.start()
        # One call at a time belongs to the main thread, where most libraries expect to be.
        threads = ThreadPoolExecutor(info.concurrency, "predict") if info.concurrency > 1 else None
        while not isinstance(message := self._predictions.get(), Stop):
            if isinstance(message, Unload):
                self._host.unload(message.live)
            elif isinstance(message, Predict) and threads is not None:
                threads.submit(self._answer, message)
            elif isinstance(message, Predict):
                self._answer(message)
        if threads is not None:
            threads.shutdown()
        self._loads.put(None)
        return 0

    def _read(self) -> None:
        frames = Frames()
        piece = memoryview(bytearray(1 << 20))
        try:
            while count := self._connection.recv_into(piece):
                for body in frames.feed(piece[:count]):
                    message = to_model_decoder.decode(body)
                    if isinstance(message, Load):
                        self._loads.put(message)
                    else:
                        self._predictions.put(message)
        finally:  # the server is gone, in order or not: a broken connection is an OSError
            os._exit(0)

    def _load(self) -> None:
        while (message := self._loads.get()) is not None:
            self._answer(message)

    def _answer(self, message: Load | Predict) -> None:
        """Do what is asked and send what comes of it, or why it failed."""
        answer: FromModel
        try:
            if isinstance(message, Load):
                answer = Loaded(message.call, self._host.load(message.live, message.spec, message.instead_of))
            else:
                self._begun.begin(message.call)
                answer = Predicted(message.call, self._host.predict(message.live, message.requests))
        except BaseException as error:  # SystemExit, say, would end this thread without a word
            logger.exception("A call failed")
            answer = Failed(message.call, reason(error))
        self._send(answer)
        if isinstance(message, Predict):
            self._begun.begin(0)

    def _send(self, message: FromModel) -> None:
        try:
            data = frame(message)
        except (msgspec.MsgspecError, TypeError, ValueError) as error:
            data = frame(Failed(getattr(message, "call", 0), f"the answer cannot be sent: {error}"))
        with self._sending:
            self._connection.sendall(data)


def main() -> int:
    """Run a model process on the socket and the page whose descriptors are the arguments."""
    for number in (
        signal.SIGINT,
        signal.SIGTERM,
    ):  # they go to the whole group; the server tells us when to stop
        signal.signal(number, signal.SIG_IGN)
    settings = Settings.from_env()
    with contextlib.suppress(OSError):  # the server has said so already
        logs.configure(settings.log_level, as_json=settings.log_json, file=settings.log_dir / "server.log")
    os.chdir(settings.backend_dir)
    connection = socket.socket(fileno=int(sys.argv[1]))
    connection.set_inheritable(False)
    page = int(sys.argv[2])
    begun = Begun(page)
    os.close(page)
    try:
        status = ModelProcess(connection, begun, settings).run()
    except OSError as error:
        logger.error("The server is gone: %s", error)
        status = 1
    logging.shutdown()
    sys.stdout.flush()
    # Threads and handlers of user code must not keep an ended model process alive.
    os._exit(status)


if __name__ == "__main__":
    main()
