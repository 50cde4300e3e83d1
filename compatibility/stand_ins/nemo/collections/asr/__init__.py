"""Speech recognition that says how many bytes a file has."""

from nemo.collections.asr import models  # noqa: F401
