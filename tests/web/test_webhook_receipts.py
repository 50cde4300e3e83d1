"""The record of what webhooks brought."""

import asyncio
import threading
from collections.abc import Mapping
from pathlib import Path

import pytest

from label_studio_ml.web.webhook_receipts import WebhookReceipts


def test_seen_by_other_processes(tmp_path: Path) -> None:
    async def main() -> None:
        await WebhookReceipts(tmp_path).note("1.2", "PROJECT_UPDATED", authorized=True)
        found = await WebhookReceipts(tmp_path).of("1.2")
        assert list(found) == ["PROJECT_UPDATED"]
        assert found["PROJECT_UPDATED"]["authorized"] is True
        assert await WebhookReceipts(tmp_path).of("3.4") == {}

    asyncio.run(main())


def test_bursts_are_written_now_and_then_and_known_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr("label_studio_ml.web.webhook_receipts.time.monotonic", lambda: now)

    async def main() -> None:
        nonlocal now
        receipts = WebhookReceipts(tmp_path)
        await receipts.note("1.2", "TASKS_CREATED", authorized=True)
        await receipts.note("1.2", "ANNOTATION_CREATED", authorized=False)
        assert list(await WebhookReceipts(tmp_path).of("1.2")) == ["TASKS_CREATED"]
        assert sorted(await receipts.of("1.2")) == ["ANNOTATION_CREATED", "TASKS_CREATED"]
        now = 101.0
        await receipts.note("1.2", "PROJECT_UPDATED", authorized=True)
        assert len(await WebhookReceipts(tmp_path).of("1.2")) == 3

    asyncio.run(main())


def test_disk_that_fails_stops_no_event(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    asyncio.run(WebhookReceipts(tmp_path / "file").note("1.2", "PROJECT_UPDATED", authorized=True))
    assert "cannot be used" in caplog.text


def test_closing_waits_for_the_time_of_a_setup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A write after the end of the server would find its folder removed, or half removed."""
    begun, may_end = threading.Event(), threading.Event()
    receipts = WebhookReceipts(tmp_path)
    update = receipts._cache.update

    def slow(uid: str, changes: Mapping[str, str]) -> None:
        begun.set()
        assert may_end.wait(30)
        update(uid, changes)

    monkeypatch.setattr(receipts._cache, "update", slow)

    async def main() -> float | None:
        receipts.note_setup("1.2")
        assert await asyncio.to_thread(begun.wait, 30)
        closing = asyncio.ensure_future(receipts.close())
        await asyncio.sleep(0)
        assert not closing.done()
        may_end.set()
        await closing
        return await WebhookReceipts(tmp_path).last_setup("1.2")

    assert asyncio.run(main()) is not None
