"""Model processes, real ones, and threads: what they answer and how they end."""

import asyncio
import json
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from helpers import run, strict, until
from label_studio_ml.config.settings import Settings
from label_studio_ml.errors import ModelFileError, ModelLoadError, ModelProcessDied, PredictError
from label_studio_ml.model_calls.adapter import ModelSpec
from label_studio_ml.model_calls.predictor import Request
from label_studio_ml.serving.requests.queue_item import RunnerClosed
from label_studio_ml.serving.runners.process_runner import ProcessRunner
from label_studio_ml.serving.runners.thread_runner import ThreadRunner
from label_studio_ml.versions.state.project_state import Project
from tricky import CONFIG, Tricky, alive, task

#: Seconds after which what a test waits for will not come any more.
PATIENCE = 100.0

SPEC = ModelSpec(project=Project(uid="1.2", label_config=CONFIG))

pytestmark = pytest.mark.usefixtures("clean_env")


@pytest.fixture
def tricky(tmp_path: Path) -> Tricky:
    return Tricky(tmp_path / "backend")


def asking(*tasks: dict[str, Any], interactive: bool = False) -> Request:
    return Request(json.dumps(tasks).encode(), b"{}", interactive)


@asynccontextmanager
async def started(make: Callable[[Settings], Any], settings: Settings) -> AsyncIterator[Any]:
    """Start a runner; end it, and see that no process is left."""
    runner = make(settings)
    await runner.start()
    try:
        yield runner
    finally:
        await asyncio.wait_for(runner.close(0), PATIENCE)
        assert runner.ended.done()
        if isinstance(runner, ProcessRunner):
            assert runner.pid is not None
            assert not alive(runner.pid)


both = pytest.mark.parametrize("make", [ProcessRunner, ThreadRunner])


@both
def test_it_imports_loads_predicts_and_unloads(make: Any, tricky: Tricky) -> None:
    async def test() -> None:
        async with started(make, tricky.settings()) as runner:
            info = await runner.info
            assert (info.name, info.generation) == ("Tricky", "seed")
            assert await runner.load(1, SPEC) == "INITIAL"
            [one, two] = await runner.predict(1, [asking(task(1)), asking(task(2), task(3))])
            assert [len(strict(answer.results)) for answer in (one, two)] == [1, 2]
            pid = strict(one.results)[0]["result"][0]["pid"]
            assert (pid == os.getpid()) == (make is ThreadRunner)
            runner.unload(1)
            with pytest.raises(ModelLoadError, match="not loaded"):
                await runner.predict(1, [asking(task(1))])

    run(test())


def test_what_goes_wrong_in_its_process_is_in_the_servers_log(tricky: Tricky) -> None:
    log = tricky.folder / "logs" / "server.log"

    async def test() -> None:
        async with started(ProcessRunner, tricky.settings()) as runner:
            await runner.load(1, SPEC)
            await runner.predict(1, [asking(task(1, "raise first"))])
            await until(
                lambda: "Traceback" in log.read_text() and "told to first" in log.read_text(), "it is there"
            )
            log.rename(log.with_suffix(".1"))  # the server rotates it
            await runner.predict(1, [asking(task(2, "raise second"))])

    run(test())
    before, after = log.with_suffix(".1").read_text(), log.read_text()
    assert "ValueError: told to first" in before
    assert "obedient.py" in before
    assert "ValueError: told to second" in after


@both
def test_a_model_that_was_never_loaded_is_said_so(make: Any, tricky: Tricky) -> None:
    async def test() -> None:
        async with started(make, tricky.settings()) as runner:
            with pytest.raises(ModelLoadError, match="model 9 is not loaded"):
                await runner.predict(9, [asking(task(1))])

    run(test())


@both
@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("import no_such_module_at_all", "no_such_module_at_all is not installed"),
        ("raise RuntimeError('no GPU')", "no GPU"),
        ("import sys; sys.exit('no weights')", "no weights"),
        ("def broken(:", "Syntax error in .*line 1"),
    ],
)
def test_a_file_that_cannot_be_imported_says_why(make: Any, code: str, said: str, tricky: Tricky) -> None:
    script = tricky.folder / "obedient.py"
    script.write_text(f"{code}\n{script.read_text()}")

    async def test() -> None:
        async with started(make, tricky.settings()) as runner:
            with pytest.raises(ModelFileError, match=said):
                await asyncio.wait_for(runner.info, PATIENCE)
            if make is ProcessRunner:
                await asyncio.wait_for(asyncio.shield(runner.ended), PATIENCE)

    run(test())


@both
@pytest.mark.parametrize("line", ["TRAIN_EVENTS = None", "max_batch_size = 'many'"])
def test_a_class_that_describes_itself_wrongly_says_so(make: Any, line: str, tricky: Tricky) -> None:
    with (tricky.folder / "obedient.py").open("a") as file:
        file.write(f"\nTricky.{line}\n")

    async def test() -> None:
        async with started(make, tricky.settings()) as runner:
            with pytest.raises(ModelFileError, match=f"Tricky.{line.split()[0]} is "):
                await asyncio.wait_for(asyncio.shield(runner.info), PATIENCE)

    run(test())


@pytest.mark.parametrize(("order", "how"), [("kill", "killed by SIGKILL"), ("crash", "ended with status 3")])
def test_a_crash_while_importing_says_how_it_ended(order: str, how: str, tricky: Tricky) -> None:
    tricky.order("on_import", order)

    async def test() -> None:
        async with started(ProcessRunner, tricky.settings()) as runner:
            with pytest.raises(ModelFileError, match=f"{how}.* while it imported"):
                await asyncio.wait_for(asyncio.shield(runner.info), PATIENCE)

    run(test())


@both
@pytest.mark.parametrize("order", ["raise hell", "exit now", "interrupt it"])
def test_a_constructor_that_fails_says_why_and_the_next_one_loads(
    make: Any, order: str, tricky: Tricky
) -> None:
    tricky.order("on_load", order)

    async def test() -> None:
        async with started(make, tricky.settings()) as runner:
            with pytest.raises(ModelLoadError, match=f"told to .*{order.split()[1]}") as caught:
                await asyncio.wait_for(runner.load(1, SPEC), PATIENCE)
            assert caught.value.field == (
                "" if order.startswith("interrupt") else str(tricky.settings().script)
            )
            tricky.order("on_load")
            assert await asyncio.wait_for(runner.load(2, SPEC), PATIENCE) == "INITIAL"
            [answer] = await runner.predict(2, [asking(task(1))])
            assert answer.results

    run(test())


@pytest.mark.parametrize(
    ("make", "order"), [(ProcessRunner, "exit now"), (ProcessRunner, "thread"), (ThreadRunner, "exit now")]
)
def test_sys_exit_in_predict_is_a_failed_task_not_the_end(make: Any, order: str, tricky: Tricky) -> None:
    async def test() -> None:
        async with started(make, tricky.settings()) as runner:
            await runner.load(1, SPEC)
            [answer] = await asyncio.wait_for(runner.predict(1, [asking(task(1, order))]), PATIENCE)
            assert "SystemExit" in answer.error
            [answer] = await asyncio.wait_for(runner.predict(1, [asking(task(1))]), PATIENCE)
            assert answer.results

    run(test())


@pytest.mark.parametrize("class_name", ["Tricky", "TrickyTwice"])
def test_a_process_that_cannot_answer_any_more_ends(class_name: str, tricky: Tricky) -> None:
    """Its callers learn it at once, and do not wait for an answer that nobody can send."""

    async def test() -> None:
        async with started(ProcessRunner, tricky.settings(class_name)) as runner:
            await runner.load(1, SPEC)
            with pytest.raises(ModelProcessDied, match="ended with status 1"):
                await asyncio.wait_for(runner.predict(1, [asking(task(1, "close"))]), PATIENCE)

    run(test())


@pytest.mark.parametrize(
    ("order", "how"), [("kill", r"killed by SIGKILL \(out of memory\?\)"), ("crash", "ended with status 3")]
)
@pytest.mark.parametrize("where", ["predict", "load"])
def test_a_crash_reaches_every_caller(order: str, how: str, where: str, tricky: Tricky) -> None:
    async def test() -> None:
        async with started(ProcessRunner, tricky.settings()) as runner:
            await runner.load(1, SPEC)
            if where == "load":
                tricky.order("on_load", order)
            calls = [
                runner.load(2, SPEC) if where == "load" else runner.predict(1, [asking(task(1, order))]),
                runner.predict(1, [asking(task(2))]) if where == "predict" else runner.load(3, SPEC),
            ]
            done = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), PATIENCE)
            # What had not begun is not what ended it.
            second = RunnerClosed if where == "predict" else ModelProcessDied
            assert [type(one) for one in done] == [ModelProcessDied, second]
            with pytest.raises(ModelProcessDied, match=how):
                raise done[0]
            with pytest.raises(ModelProcessDied):
                await asyncio.wait_for(runner.predict(1, [asking(task(3))]), PATIENCE)

    run(test())


def test_an_interactive_call_goes_before_one_that_was_sent_ahead(tricky: Tricky) -> None:
    async def test() -> None:
        async with started(ProcessRunner, tricky.settings()) as runner:
            await runner.load(1, SPEC)
            calls = [asyncio.create_task(runner.predict(1, [asking(task(1, "block gate"))]))]
            await until(lambda: tricky.started("gate"), "predict blocks")
            for number in (2, 3, 4):
                request = asking(task(number), interactive=number == 4)
                calls.append(asyncio.create_task(runner.predict(1, [request])))
                await asyncio.sleep(0)
            assert (
                await asyncio.wait_for(runner.load(2, SPEC), PATIENCE) == "INITIAL"
            )  # all of it has arrived
            tricky.release("gate")
            await asyncio.wait_for(asyncio.gather(*calls), PATIENCE)
            assert tricky.lines("predicts") == ["[1]", "[4]", "[2]", "[3]"]

    run(test())


@pytest.mark.parametrize("order", ["block gate", "gil gate"])
def test_a_process_whose_call_never_returns_is_ended(order: str, tricky: Tricky) -> None:
    async def test() -> None:
        async with started(
            lambda settings: ProcessRunner(settings, longest_call=2.0), tricky.settings()
        ) as runner:
            await runner.load(1, SPEC)
            await runner.predict(1, [asking(task(1))])
            calls = [runner.predict(1, [asking(task(2, order))]), runner.predict(1, [asking(task(3))])]
            done = await asyncio.wait_for(asyncio.gather(*calls, return_exceptions=True), PATIENCE)
            assert [type(one) for one in done] == [PredictError, RunnerClosed]
            assert "more than 2 s" in str(done[0])
            assert "ended after a call" in runner.ended.result()

    run(test())


def test_a_process_that_is_idle_for_long_is_left_alone(tricky: Tricky) -> None:
    async def test() -> None:
        async with started(
            lambda settings: ProcessRunner(settings, longest_call=1.0), tricky.settings()
        ) as runner:
            await runner.load(1, SPEC)
            await runner.predict(1, [asking(task(1))])
            looks = 0
            check = runner._check_duration

            def counted() -> None:
                nonlocal looks
                looks += 1
                check()

            runner._check_duration = counted
            await until(lambda: looks > 20, "it was looked at for twice as long")
            assert not runner.ended.done()
            assert (await runner.predict(1, [asking(task(2))]))[0].results

    run(test())


def test_a_crash_is_noticed_though_a_forked_child_keeps_the_connection_open(tricky: Tricky) -> None:
    """As the workers of a data loader do when the model process runs out of memory."""

    async def test() -> None:
        async with started(ProcessRunner, tricky.settings()) as runner:
            await runner.load(1, SPEC)
            with pytest.raises(ModelProcessDied):
                await asyncio.wait_for(runner.predict(1, [asking(task(1, "fork"))]), PATIENCE)

    run(test())
    assert not alive(int((tricky.folder / "forked").read_text())), "it outlives the process that forked it"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lists the processes")
def test_what_predict_started_in_a_session_of_its_own_ends_though_the_guard_was_killed(
    tricky: Tricky,
) -> None:
    async def test() -> None:
        async with started(ProcessRunner, tricky.settings()) as runner:
            await runner.load(1, SPEC)
            await runner.predict(1, [asking(task(1, "daemon"))])
            daemon = int((tricky.folder / "daemon").read_text())
            assert alive(daemon)
            assert runner._process is not None
            os.kill(runner._process.pid, signal.SIGKILL)
            await asyncio.wait_for(asyncio.shield(runner.ended), PATIENCE)
            assert not alive(daemon), "it outlives the model process"

    run(test())


def test_close_waits_for_what_runs(tricky: Tricky) -> None:
    async def test() -> None:
        async with started(ProcessRunner, tricky.settings()) as runner:
            await runner.load(1, SPEC)
            call = asyncio.create_task(runner.predict(1, [asking(task(1, "block gate"))]))
            await until(lambda: tricky.started("gate"), "predict blocks")
            closing = asyncio.create_task(runner.close(60))
            await asyncio.sleep(0)
            tricky.release("gate")
            [answer] = await asyncio.wait_for(call, PATIENCE)
            assert answer.results
            await asyncio.wait_for(closing, PATIENCE)
            assert runner.ended.result() == "The model process ended with status 0"

    run(test())


@pytest.mark.parametrize("order", ["block gate", "gil gate"])
def test_close_kills_a_process_that_hangs(order: str, tricky: Tricky) -> None:
    async def test() -> None:
        async with started(ProcessRunner, tricky.settings()) as runner:
            await runner.load(1, SPEC)
            call = asyncio.create_task(runner.predict(1, [asking(task(1, order))]))
            await until(lambda: tricky.started("gate"), "predict hangs")
            await asyncio.wait_for(runner.close(0.1), PATIENCE)
            with pytest.raises(ModelProcessDied, match="SIGKILL"):
                await asyncio.wait_for(call, PATIENCE)

    run(test())


def test_close_kills_a_process_whose_import_hangs(tricky: Tricky) -> None:
    tricky.order("on_import", "gil gate")

    async def test() -> None:
        async with started(ProcessRunner, tricky.settings()) as runner:
            await until(lambda: tricky.started("gate"), "the import hangs")
            await asyncio.wait_for(runner.close(0.1), PATIENCE)
            with pytest.raises(ModelFileError):
                await asyncio.wait_for(asyncio.shield(runner.info), PATIENCE)

    run(test())


def test_a_process_ends_when_its_server_is_gone(tricky: Tricky) -> None:
    async def test() -> None:
        async with started(ProcessRunner, tricky.settings()) as runner:
            await runner.load(1, SPEC)
            runner._transport.abort()
            await until(lambda: not alive(runner.pid), "the process has ended")

    run(test())


def test_a_model_loads_while_another_predicts(tricky: Tricky) -> None:
    async def test() -> None:
        async with started(ProcessRunner, tricky.settings()) as runner:
            await runner.load(1, SPEC)
            call = asyncio.create_task(runner.predict(1, [asking(task(1, "block gate"))]))
            await until(lambda: tricky.started("gate"), "predict blocks")
            assert await asyncio.wait_for(runner.load(2, SPEC), PATIENCE) == "INITIAL"
            assert not call.done()
            tricky.release("gate")
            await asyncio.wait_for(call, PATIENCE)

    run(test())


@both
def test_calls_after_the_end_are_refused_at_once(make: Any, tricky: Tricky) -> None:
    async def test() -> None:
        async with started(make, tricky.settings()) as runner:
            await runner.load(1, SPEC)
            await asyncio.wait_for(runner.close(PATIENCE), 2 * PATIENCE)
            for call in (runner.load(2, SPEC), runner.predict(1, [asking(task(1))])):
                with pytest.raises(ModelProcessDied):
                    await asyncio.wait_for(call, PATIENCE)

    run(test())


@pytest.mark.parametrize("way", ["close", "cancel"])
def test_a_model_that_nobody_waits_for_any_more_leaves_no_thread(tricky: Tricky, way: str) -> None:
    async def test() -> None:
        tricky.order("on_load", "block gate")
        async with started(ThreadRunner, tricky.settings()) as runner:
            loading = asyncio.create_task(runner.load(1, SPEC))
            await until(lambda: tricky.started("gate"), "the model is built")
            if way == "close":
                await asyncio.wait_for(runner.close(0), PATIENCE)
            else:
                loading.cancel()
                await asyncio.wait([loading])
            tricky.release("gate")
            with pytest.raises(ModelProcessDied if way == "close" else asyncio.CancelledError):
                await asyncio.wait_for(loading, PATIENCE)
            await until(lambda: not runner._host._predictors, "the model is forgotten")
            await until(lambda: not _threads("model 1"), "its thread has ended")

    run(test())


def _threads(name: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith(name)]


def test_a_call_that_waits_for_a_thread_that_is_closed_is_told(tricky: Tricky) -> None:
    async def test() -> None:
        async with started(ThreadRunner, tricky.settings()) as runner:
            await runner.load(1, SPEC)
            running = asyncio.create_task(runner.predict(1, [asking(task(1, "block gate"))]))
            await until(lambda: tricky.started("gate"), "predict blocks")
            waiting = asyncio.create_task(runner.predict(1, [asking(task(2))]))
            await asyncio.sleep(0)
            await asyncio.wait_for(runner.close(0), PATIENCE)
            with pytest.raises(ModelProcessDied):
                await asyncio.wait_for(waiting, PATIENCE)
            tricky.release("gate")
            await asyncio.wait_for(running, PATIENCE)

    run(test())


def test_the_users_code_runs_in_the_folder_of_the_command_without_the_secrets_on_its_command_line(
    tricky: Tricky,
) -> None:
    async def test() -> None:
        settings = tricky.settings(
            basic_auth_user="u", basic_auth_pass="C4NARY-pass", studio_api_key="C4NARY-key", redis_url=""
        )
        async with started(ProcessRunner, settings) as runner:
            await runner.load(1, SPEC)
            process = Path(f"/proc/{runner.pid}")
            assert (process / "cwd").resolve() == Path.cwd()
            assert b"C4NARY" not in (process / "cmdline").read_bytes()

    run(test())
