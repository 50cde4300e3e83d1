"""Records of commands in Redis, as several servers see them, and in memory."""

from concurrent.futures import ThreadPoolExecutor
from itertools import product

import pytest

from label_studio_ml.errors import JobEnded, UnknownJob
from label_studio_ml.reports import command_records
from label_studio_ml.reports.command_record import TRANSITIONS, CommandRecord, CommandState, new_command
from label_studio_ml.reports.command_records import CommandRecords, MemoryCommandRecords, RedisCommandRecords
from label_studio_ml.training.records.job_store import JobStore
from training.conftest import embedded_url, job_store, redis_url, url  # noqa: F401


def _new(project: str = "1.1", server: str = "a", command: str = "predict") -> CommandRecord:
    return new_command(command, project, {"tasks": "all"}, user="ann", server=server)


@pytest.fixture(params=["memory", "redis"])
def records(request: pytest.FixtureRequest, job_store: JobStore) -> CommandRecords:  # noqa: F811
    return MemoryCommandRecords() if request.param == "memory" else RedisCommandRecords(lambda: job_store)


def test_a_record_goes_through_its_states_only() -> None:
    for before, after in product(CommandState, CommandState):
        record = _new().changed()
        for state in _way_to(before):
            record = record.changed(state=state)
        if before == after or after in TRANSITIONS[before]:
            assert record.changed(state=after).state == after
        else:
            with pytest.raises(ValueError, match=f"{before} cannot become {after}"):
                record.changed(state=after)


def _way_to(state: CommandState) -> list[CommandState]:
    if state == CommandState.WAITING:
        return []
    return [CommandState.RUNNING] if state == CommandState.RUNNING else [CommandState.RUNNING, state]


def test_states_have_their_times() -> None:
    record = _new()
    assert (record.started, record.ended, record.active) == (None, None, True)
    record = record.changed(state=CommandState.RUNNING, done=1)
    assert record.started is not None
    assert record.ended is None
    record = record.changed(state=CommandState.DONE)
    assert record.ended is not None
    assert not record.active


def test_records_are_listed_by_project_and_newest_first(records: CommandRecords) -> None:
    first, second, other = _new(), _new(command="rank"), _new("2.1")
    for record in (first, second, other):
        assert records.add(record) is None
    assert records.recent("1.1") == [second, first]
    assert records.recent(limit=2) == [other, second]
    assert records.get(first.id) == first
    assert records.get("unknown") is None
    assert records.output(first.id) == []


def test_a_project_has_one_active_record_of_a_command(records: CommandRecords) -> None:
    first, second = _new(server="a"), _new(server="b")
    assert records.add(first) is None
    assert records.add(second) == first
    assert records.recent("1.1") == [first]
    records.write(first.changed(state=CommandState.CANCELLED), [])
    assert records.add(second) is None


def test_of_servers_that_begin_a_command_at_once_one_succeeds(records: CommandRecords) -> None:
    new = [_new(server=str(number)) for number in range(8)]
    with ThreadPoolExecutor(len(new)) as threads:
        others = [*threads.map(records.add, new)]
    assert others.count(None) == 1
    (stored,) = records.recent("1.1")
    assert {other.id for other in others if other is not None} == {stored.id}


def test_progress_output_and_cancellation(records: CommandRecords) -> None:
    record = _new()
    records.add(record)
    running = record.changed(state=CommandState.RUNNING, done=3, total=10)
    assert records.write(running, ["one", "two"]) is None
    assert records.get(record.id) == running
    assert records.output(record.id) == ["one", "two"]
    assert records.cancel(record.id, "bob") == running
    assert records.write(running, []) == "bob"
    done = running.changed(state=CommandState.DONE)
    records.write(done, [])
    with pytest.raises(JobEnded, match="done"):
        records.cancel(record.id, "bob")
    with pytest.raises(UnknownJob):
        records.cancel("unknown", "bob")


def test_only_so_many_are_listed(records: CommandRecords, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command_records, "MAX_RECORDS", 3)
    added = [_new(f"{number}.1") for number in range(5)]
    for record in added:
        records.add(record)
    assert records.recent() == [added[4], added[3], added[2]]


def test_the_commands_of_a_lost_server_are_interrupted(job_store: JobStore) -> None:  # noqa: F811
    records = RedisCommandRecords(lambda: job_store)
    lost, alive = _new(server="lost"), _new(server="alive", command="rank")
    ended = _new(server="lost").changed(state=CommandState.FAILED)
    for record in (ended, alive, lost):
        assert records.add(record) is None
    assert records.recent() == [lost, alive, ended]
    job_store.redis.delete(job_store.keys.command_server("lost"))  # as Redis does after `ALIVE` seconds
    states = [record.state for record in records.recent()]
    assert states == [CommandState.INTERRUPTED, CommandState.WAITING, CommandState.FAILED]
    with pytest.raises(JobEnded, match="interrupted"):
        records.cancel(lost.id, "ann")
    records.write(lost, [])  # it was only late
    assert records.recent()[0].state == CommandState.WAITING
    seconds = job_store.redis.ttl(job_store.keys.command_server("lost"))
    assert 0 < seconds <= command_records.ALIVE


def test_records_of_another_release_are_left_out(job_store: JobStore) -> None:  # noqa: F811
    records = RedisCommandRecords(lambda: job_store)
    record = _new()
    records.add(record)
    job_store.redis.hset(job_store.keys.command(record.id), mapping={"record": b"{}", "output": b"\xff"})
    assert records.recent() == []
    assert records.output(record.id) == []


def test_a_forgotten_project_has_no_commands(job_store: JobStore) -> None:  # noqa: F811
    records = RedisCommandRecords(lambda: job_store)
    records.add(_new().changed(state=CommandState.CANCELLED))
    job_store.forget("1.1")
    assert records.recent("1.1") == []
