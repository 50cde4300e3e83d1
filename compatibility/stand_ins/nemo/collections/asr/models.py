"""Models."""

import os


class EncDecCTCModel:
    @classmethod
    def from_pretrained(cls, model_name, **kwargs):
        return cls()

    def transcribe(self, paths2audio_files=(), **kwargs):
        return [f"{os.path.getsize(path)} bytes" for path in paths2audio_files]
