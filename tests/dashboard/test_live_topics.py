"""Pages that follow a topic share one reading of it, which ends when no page follows it any more."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

import msgspec
import pytest

from label_studio_ml.dashboard import live_topics
from label_studio_ml.dashboard.live_topics import LiveTopics, read_json
from label_studio_ml.dashboard.page_request import Topic
from label_studio_ml.errors import BrokerError, Overloaded, RequestError
from label_studio_ml.http_server.responses.event_stream import ServerSentEvent

Events = AsyncGenerator[ServerSentEvent, None]

#: Seconds that a test waits for something that must happen.
PATIENCE = 20.0


class Counter:
    """The value of a topic, which the test sets; counts its readings by subject."""

    def __init__(self) -> None:
        self.value: Any = 0
        self.reads: dict[str, int] = {}

    async def read(self, subject: str) -> Any:
        self.reads[subject] = self.reads.get(subject, 0) + 1
        if isinstance(self.value, Exception):
            raise self.value
        return {"subject": subject, "value": self.value}


async def received(events: Events) -> tuple[str, Any]:
    """Return name and value of the next event."""
    event = await asyncio.wait_for(anext(events), PATIENCE)
    return event.event, msgspec.json.decode(event.data)


async def until(condition: Callable[[], bool]) -> None:
    async def poll() -> None:
        while not condition():  # noqa: ASYNC110 - the topics have no event for it
            await asyncio.sleep(0.005)

    await asyncio.wait_for(poll(), PATIENCE)


def run(test: Callable[[Counter, LiveTopics], Awaitable[None]], interval: float = 0.01) -> Counter:
    counter = Counter()

    async def main() -> None:
        topics = LiveTopics([Topic("job", counter.read, interval)])
        await test(counter, topics)
        assert topics.reading == []

    asyncio.run(main())
    return counter


def test_fifty_pages_cost_one_reading() -> None:
    async def test(counter: Counter, topics: LiveTopics) -> None:
        pages = [topics.follow(["job:7"]) for _ in range(50)]
        assert counter.reads == {}
        for events in pages:
            assert await received(events) == ("job:7", {"subject": "7", "value": 0})
        assert topics.reading == ["job:7"]
        assert counter.reads == {"7": 1}  # the interval of an hour is not over
        for events in pages:
            await events.aclose()

    run(test, interval=3600.0)


def test_an_event_is_sent_for_each_change_only() -> None:
    async def test(counter: Counter, topics: LiveTopics) -> None:
        events = topics.follow(["job:1"])
        assert (await received(events))[1]["value"] == 0
        seen = counter.reads["1"]
        await until(lambda: counter.reads["1"] > seen + 3)
        counter.value = 1
        assert (await received(events))[1]["value"] == 1
        await events.aclose()

    run(test)


def test_a_page_that_comes_later_gets_the_last_value_at_once() -> None:
    async def test(counter: Counter, topics: LiveTopics) -> None:
        first = topics.follow(["job:1"])
        await received(first)
        later = topics.follow(["job:1", "job:2"])
        assert {(await received(later))[0], (await received(later))[0]} == {"job:1", "job:2"}
        assert counter.reads == {"1": 1, "2": 1}
        await later.aclose()
        assert topics.reading == ["job:1"]
        await first.aclose()

    run(test, interval=3600.0)


def test_nothing_is_read_when_nobody_follows() -> None:
    async def test(counter: Counter, topics: LiveTopics) -> None:
        events = topics.follow(["job:1"])
        await received(events)
        await events.aclose()
        reads = dict(counter.reads)
        await asyncio.sleep(0.05)  # five intervals
        assert counter.reads == reads

    run(test)


def test_a_page_that_is_closed_before_its_first_event_leaves_nothing() -> None:
    async def test(counter: Counter, topics: LiveTopics) -> None:
        events = topics.follow(["job:1"])
        await events.aclose()
        assert counter.reads == {}
        waiting = asyncio.create_task(anext(topics.follow(["job:1"])))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        await until(lambda: topics.reading == [])

    run(test, interval=3600.0)


def test_a_failed_reading_is_told_in_words_and_tried_again() -> None:
    async def test(counter: Counter, topics: LiveTopics) -> None:
        counter.value = BrokerError("Redis does not answer", fix="Start it")
        events = topics.follow(["job:1"])
        assert (await received(events))[1] == {"error": "Redis does not answer. Start it"}
        counter.value = 3
        assert (await received(events))[1]["value"] == 3
        await events.aclose()

    run(test)


def test_an_error_of_ours_shows_no_details() -> None:
    counter = Counter()
    counter.value = ValueError("secret")
    value = msgspec.json.decode(asyncio.run(read_json(Topic("job", counter.read), "")))
    assert value == {"error": "internal error (ValueError): see logs/server.log"}
    counter.value = "\ud800"  # half a character, which JSON in UTF-8 cannot hold: the reading goes on
    value = msgspec.json.decode(asyncio.run(read_json(Topic("job", counter.read), "")))
    assert "internal error" in value["error"]


@pytest.mark.parametrize("keys", [[], ["nothing"], ["job:\x1b"], ["job"] * 9])
def test_wrong_topics_are_refused(keys: list[str]) -> None:
    topics = LiveTopics([Topic("job", Counter().read)])
    with pytest.raises(RequestError):
        topics.follow(keys)


def test_too_many_pages_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_topics, "MAX_PAGES", 2)

    async def test(counter: Counter, topics: LiveTopics) -> None:
        pages = [topics.follow(["job"]) for _ in range(2)]
        for events in pages:
            await received(events)
        with pytest.raises(Overloaded):
            topics.follow(["job"])
        await pages[0].aclose()
        again = topics.follow(["job"])
        await received(again)
        for events in (*pages, again):
            await events.aclose()

    run(test)


def test_too_many_different_subjects_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_topics, "MAX_READINGS", 2)

    async def test(counter: Counter, topics: LiveTopics) -> None:
        first = topics.follow(["job:1", "job:2"])
        await received(first)
        with pytest.raises(Overloaded):
            topics.follow(["job:3"])
        same = topics.follow(["job:1"])
        await received(same)
        for events in (first, same):
            await events.aclose()

    run(test)


def test_a_page_has_to_connect_again_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_topics, "MAX_DURATION", 0.05)

    async def test(counter: Counter, topics: LiveTopics) -> None:
        events = topics.follow(["job"])
        assert len([event async for event in events]) == 1

    run(test, interval=3600.0)
