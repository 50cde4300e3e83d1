"""Kinds of models."""

import enum


class ModelTypes(enum.Enum):
    GRANITE_13B_INSTRUCT_V2 = "ibm/granite-13b-instruct-v2"
