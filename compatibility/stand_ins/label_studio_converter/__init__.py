"""A stand-in for label-studio-converter, with what is in the SDK."""

from label_studio_sdk.converter import brush  # noqa: F401
