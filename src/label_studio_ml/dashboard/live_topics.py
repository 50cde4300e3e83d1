"""Send the values of topics to pages as server-sent events. All pages that follow a topic share one reading of it."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from label_studio_ml.dashboard.page_request import Topic
from label_studio_ml.errors import BackendError, Overloaded, RequestError
from label_studio_ml.http_server.responses.event_stream import ServerSentEvent

logger = logging.getLogger(__name__)

#: The most pages at a time that follow topics, the most topics of one page, and the most topics (with different
#: subjects) that are read at a time.
MAX_PAGES, MAX_TOPICS, MAX_READINGS = 500, 8, 250
#: Seconds after which a page has to connect again, so that a session that has ended is noticed.
MAX_DURATION = 3600.0


class _Reading:
    """The repeated reading of one topic and subject: the last value as JSON, and how often it has changed."""

    def __init__(self, topic: Topic, subject: str) -> None:
        self.value = b""
        self.changes = 0
        self.followers: set[asyncio.Event] = set()
        self._topic = topic
        self._subject = subject
        self._task = asyncio.create_task(self._repeat())

    async def _repeat(self) -> None:
        while True:
            value = await read_json(self._topic, self._subject)
            if value != self.value:
                self.value = value
                self.changes += 1
                for follower in self.followers:
                    follower.set()
            await asyncio.sleep(self._topic.interval)

    async def stop(self) -> None:
        """End the reading."""
        self._task.cancel()
        await asyncio.wait([self._task])


class LiveTopics:
    """The topics of the dashboard and the readings of those that are being followed."""

    def __init__(self, topics: Iterable[Topic]) -> None:
        self._topics: Mapping[str, Topic] = {topic.name: topic for topic in topics}
        self._readings: dict[str, _Reading] = {}
        self._pages = 0

    @property
    def reading(self) -> list[str]:
        """The keys of the topics that are being read now."""
        return list(self._readings)

    def find(self, key: str) -> tuple[Topic, str]:
        """Return the topic and subject of a key such as `trainings` or `training:JOB`. Raises RequestError."""
        name, _, subject = key.partition(":")
        topic = self._topics.get(name)
        if topic is None:
            raise RequestError(f"There is no topic {name!r}", field="topics")
        return topic, subject

    def follow(self, keys: Sequence[str]) -> AsyncGenerator[ServerSentEvent, None]:
        """Return the events of one page: the name of each is its topic's key, the data its value as JSON.

        Raises RequestError for an unknown topic or too many, and Overloaded if too many pages follow topics.
        """
        if not 1 <= len(keys) <= MAX_TOPICS:
            raise RequestError(f"topics must name 1 to {MAX_TOPICS} topics", field="topics")
        for key in keys:
            self.find(key)
            if not key.isprintable():
                raise RequestError("topics has characters that cannot be printed", field="topics")
        if self._pages >= MAX_PAGES:
            raise Overloaded(f"{self._pages} pages follow this server already", fix="Close some of them")
        if len(self._readings.keys() | set(keys)) > MAX_READINGS:
            raise Overloaded(
                "Pages follow too many different things on this server", fix="Close some of them"
            )
        return self._events(dict.fromkeys(keys))

    async def _events(self, keys: Iterable[str]) -> AsyncGenerator[ServerSentEvent, None]:
        changed = asyncio.Event()
        seen = dict.fromkeys(keys, 0)
        deadline = asyncio.get_running_loop().time() + MAX_DURATION
        self._pages += 1
        try:
            readings = {key: self._join(key, changed) for key in seen}
            changed.set()
            while (left := deadline - asyncio.get_running_loop().time()) > 0:
                # Not `wait_for`: in Python 3.11 it ignores a cancellation at the moment when the event is set.
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(left):
                        await changed.wait()
                changed.clear()
                for key, reading in readings.items():
                    if reading.changes != seen[key]:
                        seen[key] = reading.changes
                        yield ServerSentEvent(reading.value.decode(), event=key)
        finally:
            self._pages -= 1
            for key in seen:
                await self._leave(key, changed)

    def _join(self, key: str, changed: asyncio.Event) -> _Reading:
        reading = self._readings.get(key)
        if reading is None:
            reading = self._readings[key] = _Reading(*self.find(key))
        reading.followers.add(changed)
        return reading

    async def _leave(self, key: str, changed: asyncio.Event) -> None:
        reading = self._readings.get(key)
        if reading is None:
            return
        reading.followers.discard(changed)
        if not reading.followers:
            del self._readings[key]
            await reading.stop()

    async def close(self) -> None:
        """End all readings."""
        for key in list(self._readings):
            await self._readings.pop(key).stop()


async def read_json(topic: Topic, subject: str) -> bytes:
    """Return a topic's present value as JSON: an object with `error`, the cause in words, if it cannot be read."""
    try:
        return msgspec.json.encode(await topic.read(subject))
    except BackendError as error:
        value: dict[str, Any] = {"error": str(error)}
    except Exception as error:
        logger.exception("The dashboard cannot read %s", topic.name)
        value = {"error": f"internal error ({type(error).__name__}): see logs/server.log"}
    return msgspec.json.encode(value)
