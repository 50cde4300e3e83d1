"""Messages between the server and a model process, and their framing.

A frame is the length of its body as eight bytes, big-endian, then the body: one message as MessagePack.
"""

import struct

import msgspec

from label_studio_ml.model_calls.adapter import ClassInfo, ModelSpec
from label_studio_ml.model_calls.predictor import Answer, Request


class Load(msgspec.Struct, tag=True, frozen=True):
    """Build a model from `spec` and store it as model `number`, after removing model `instead_of` (0: none).

    The spec is packed as JSON, because it may contain integers that are too large for MessagePack.
    """

    call: int
    number: int
    packed: bytes
    instead_of: int = 0

    @classmethod
    def of(cls, call: int, number: int, spec: ModelSpec, instead_of: int = 0) -> "Load":
        """Return the message for `spec`."""
        return cls(call, number, msgspec.json.encode(spec), instead_of)

    @property
    def spec(self) -> ModelSpec:
        """The specification that the model is built from."""
        return msgspec.json.decode(self.packed, type=ModelSpec)


class Predict(msgspec.Struct, tag=True, frozen=True, gc=False):
    """Answer `requests`, all with equal params, by model `number`."""

    call: int
    number: int
    requests: list[Request]


class LongPoll(msgspec.Struct, tag=True, frozen=True):
    """Answer one request by model `number` in a thread beside the others, because `predict` may wait in it."""

    call: int
    number: int
    request: Request


class Unload(msgspec.Struct, tag=True, frozen=True):
    """Remove model `number`."""

    number: int


class Stop(msgspec.Struct, tag=True, frozen=True):
    """Finish earlier messages, then exit."""


class Imported(msgspec.Struct, tag=True, frozen=True):
    """The model file was imported and contains this class."""

    info: ClassInfo


class ImportFailed(msgspec.Struct, tag=True, frozen=True):
    """The model file cannot be used; the process exits."""

    message: str
    fix: str
    field: str


class Loaded(msgspec.Struct, tag=True, frozen=True):
    """Answer to Load: the model is ready, under this version name. `device` is where it computes, "" if unknown."""

    call: int
    version: str
    device: str = ""


class Predicted(msgspec.Struct, tag=True, frozen=True, gc=False):
    """Answer to Predict or LongPoll, with one answer for each request."""

    call: int
    answers: list[Answer]


class Failed(msgspec.Struct, tag=True, frozen=True):
    """Answer to a Load, Predict or LongPoll that failed as a whole, with message, fix and field of its error.

    `of_params`: the error is a ParamsError, which is no fault of the version.
    """

    call: int
    message: str
    fix: str = ""
    field: str = ""
    of_params: bool = False


ToModel = Load | Predict | LongPoll | Unload | Stop
FromModel = Imported | ImportFailed | Loaded | Predicted | Failed

_LENGTH = struct.Struct("!Q")
_encoder = msgspec.msgpack.Encoder()
to_model_decoder = msgspec.msgpack.Decoder(ToModel)
from_model_decoder = msgspec.msgpack.Decoder(FromModel)


def frame(message: ToModel | FromModel) -> bytes:
    """Return `message` as a frame."""
    body = _encoder.encode(message)
    return _LENGTH.pack(len(body)) + body


class Frames:
    """Splits a stream of bytes into the bodies of its frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes | memoryview) -> list[memoryview]:
        """Add the next bytes of the stream and return the bodies that are complete.

        The bodies may be views of `data`: decode them before its buffer changes.
        """
        if self._buffer:
            self._buffer += data
            if len(self._buffer) < self._missing():
                return []
            data, self._buffer = bytes(self._buffer), bytearray()
        view = memoryview(data)
        bodies: list[memoryview] = []
        start = 0
        while len(view) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(view, start)
            end = start + _LENGTH.size + length
            if len(view) < end:
                break
            bodies.append(view[start + _LENGTH.size : end])
            start = end
        self._buffer += view[start:]
        return bodies

    def _missing(self) -> int:
        """Return the number of buffered bytes at which the first frame, or its length field, is complete."""
        if len(self._buffer) < _LENGTH.size:
            return _LENGTH.size
        (length,) = _LENGTH.unpack_from(self._buffer)
        return _LENGTH.size + int(length)
