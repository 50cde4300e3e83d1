"""Event files, as TensorBoard itself reads them."""

from pathlib import Path
from typing import Any

from label_studio_ml.trackers.messages import RunDescription, RunResult
from label_studio_ml.trackers.tensorboard_run import open_run

from .packages import package


def _read(folder: Path) -> Any:
    accumulator = package("tensorboard.backend.event_processing.event_accumulator")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    assert accumulator
    events = EventAccumulator(str(folder))
    events.Reload()
    return events


def test_tensorboard_reads_metrics_parameters_and_the_end(tmp_path: Path) -> None:
    package("tensorboardX")
    description = RunDescription(
        job="j1", name="project-7-j1", tensorboard_dir=str(tmp_path), page="http://localhost:6006"
    )
    run = open_run(description)
    run.log_params({"lr": "0.1", "label_config": "<View>\n a | b</View>"})
    run.log_points(
        [
            {"time": "2026-12-01T00:00:00.000+00:00", "step": 4, "loss": 0.5, "nothing": None},
            {"time": "2026-12-01T00:00:01.000+00:00", "step": 1, "loss": 0.25},
        ]
    )
    result = RunResult(status="finished", version="v1")
    run.log_result(result)
    run.close(result)
    assert run.link.place == str(tmp_path / "project-7-j1")
    assert run.link.url.startswith("http://localhost:6006/#")
    events = _read(tmp_path / "project-7-j1")
    assert [(event.step, event.value) for event in events.Scalars("loss")] == [(4, 0.5), (1, 0.25)]
    assert events.Scalars("loss")[0].wall_time == 1796083200.0
    (params,) = events.Tensors("parameters/text_summary")
    assert b"| lr | 0.1 |" in params.tensor_proto.string_val[0]
    assert b"&lt;View&gt; a &#124; b&lt;/View&gt;" in params.tensor_proto.string_val[0]
    (result,) = events.Tensors("result/text_summary")
    assert b"| version | v1 |" in result.tensor_proto.string_val[0]


def test_a_second_try_of_a_job_writes_to_the_same_folder(tmp_path: Path) -> None:
    package("tensorboardX")
    description = RunDescription(job="j1", name="project-7-j1", tensorboard_dir=str(tmp_path))
    for step in (1, 2):
        run = open_run(description)
        run.log_points([{"time": "2026-12-01T00:00:00.000+00:00", "step": step, "loss": 1.0}])
        run.close(RunResult(status="failed"))
    assert {event.step for event in _read(tmp_path / "project-7-j1").Scalars("loss")} == {1, 2}
