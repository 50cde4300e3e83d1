"""What the server and a model process say to each other, and how it lies on the wire.

A frame is the length of its body as eight bytes, most significant first, then the body: one message as MessagePack.
"""

import struct

import msgspec

from label_studio_ml.adapter import ClassInfo, ModelSpec
from label_studio_ml.predictor import Answer, Request


class Load(msgspec.Struct, tag=True, frozen=True):
    """Build a model from `spec` and keep it as number `live`, after forgetting number `instead_of` (0: none).

    The spec is packed as JSON: what people wrote into it may hold larger numbers than MessagePack does.
    """

    call: int
    live: int
    packed: bytes
    instead_of: int = 0

    @classmethod
    def of(cls, call: int, live: int, spec: ModelSpec, instead_of: int = 0) -> "Load":
        """Return the message for `spec`."""
        return cls(call, live, msgspec.json.encode(spec), instead_of)

    @property
    def spec(self) -> ModelSpec:
        """What the model is built from."""
        return msgspec.json.decode(self.packed, type=ModelSpec)


class Predict(msgspec.Struct, tag=True, frozen=True):
    """Answer `requests`, all with equal params, with model number `live`."""

    call: int
    live: int
    requests: list[Request]


class Unload(msgspec.Struct, tag=True, frozen=True):
    """Forget model number `live`."""

    live: int


class Stop(msgspec.Struct, tag=True, frozen=True):
    """Finish what was asked before, then end."""


class Imported(msgspec.Struct, tag=True, frozen=True):
    """The model file is imported, and holds this class."""

    info: ClassInfo


class ImportFailed(msgspec.Struct, tag=True, frozen=True):
    """The model file cannot be used; the process ends."""

    message: str
    fix: str
    field: str


class Loaded(msgspec.Struct, tag=True, frozen=True):
    """Answer to Load: the model is live, under this version name."""

    call: int
    version: str


class Predicted(msgspec.Struct, tag=True, frozen=True):
    """Answer to Predict, one for each request."""

    call: int
    answers: list[Answer]


class Failed(msgspec.Struct, tag=True, frozen=True):
    """Answer to a call that failed as a whole."""

    call: int
    message: str


ToModel = Load | Predict | Unload | Stop
FromModel = Imported | ImportFailed | Loaded | Predicted | Failed

_LENGTH = struct.Struct("!Q")
_encoder = msgspec.msgpack.Encoder()
to_model_decoder = msgspec.msgpack.Decoder(ToModel)
from_model_decoder = msgspec.msgpack.Decoder(FromModel)


def frame(message: ToModel | FromModel) -> bytes:
    """Return `message` as it lies on the wire."""
    body = _encoder.encode(message)
    return _LENGTH.pack(len(body)) + body


class Frames:
    """Cuts a stream of bytes into the bodies of its frames."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes | memoryview) -> list[memoryview]:
        """Take the next bytes of the stream and return the bodies that are complete now.

        The bodies are views of `data` where it holds whole frames: they are to be read before it changes.
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
        """Return how many bytes there must be for the first frame to be whole."""
        if len(self._buffer) < _LENGTH.size:
            return _LENGTH.size
        (length,) = _LENGTH.unpack_from(self._buffer)
        return _LENGTH.size + int(length)
