"""What goes over the wire comes back as it was, however the bytes are cut."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from label_studio_ml.model_calls.adapter import ClassInfo, ModelSpec
from label_studio_ml.model_calls.predictor import Answer, Request
from label_studio_ml.serving.runners.messages import (
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
    from_model_decoder,
    to_model_decoder,
)
from label_studio_ml.versions.state.project_state import Project

PROJECT = Project(uid="1.2", label_config="<View/>", extra_params={"a": [1, None]}, access_token="t")

TO_MODEL: list[ToModel] = [
    Load.of(1, 2, ModelSpec(project=PROJECT, version="v", train_output={"n": 1.5})),
    Load.of(1, 2, ModelSpec(project=Project(uid="é"))),
    Predict(3, 4, [Request(b"[]", b"{}"), Request(b'[{"id": 1}]', b"{}", True)]),
    Unload(5),
    Stop(),
]
FROM_MODEL: list[FromModel] = [
    Imported(ClassInfo(name="M", generation="seed", train_events=("A", "B"), max_batch_size=7)),
    ImportFailed("what", "fix", "field"),
    Loaded(1, "v1"),
    Predicted(2, [Answer(results=b"[]"), Answer(error="x", invalid=True, failed=3)]),
    Failed(3, "why", "fix"),
]


@pytest.mark.parametrize("message", TO_MODEL, ids=lambda one: type(one).__name__)
def test_what_the_server_says_arrives(message: Any) -> None:
    [body] = Frames().feed(frame(message))
    assert to_model_decoder.decode(body) == message


@pytest.mark.parametrize("message", FROM_MODEL, ids=lambda one: type(one).__name__)
def test_what_the_model_process_says_arrives(message: Any) -> None:
    [body] = Frames().feed(frame(message))
    assert from_model_decoder.decode(body) == message


@given(st.lists(st.integers(1, 40), min_size=1))
def test_frames_come_out_whole_however_they_are_cut(cuts: list[int]) -> None:
    stream = b"".join(frame(message) for message in TO_MODEL)
    frames, bodies, start = Frames(), [], 0
    for cut in [*cuts, len(stream)]:
        bodies += frames.feed(stream[start : start + cut])
        start += cut
    assert [to_model_decoder.decode(body) for body in bodies] == TO_MODEL
    assert frames.feed(b"") == []


def test_a_large_frame_in_small_pieces_is_put_together() -> None:
    message = Predict(1, 1, [Request(b"[" + b" " * 3_000_000 + b"]", b"{}")])
    data, frames = frame(message), Frames()
    bodies = [body for at in range(0, len(data), 65536) for body in frames.feed(data[at : at + 65536])]
    assert [to_model_decoder.decode(body) for body in bodies] == [message]
    assert not frames._buffer


def test_the_two_directions_are_not_mistaken_for_each_other() -> None:
    [body] = Frames().feed(frame(Stop()))
    with pytest.raises(msgspec.ValidationError):
        from_model_decoder.decode(body)
