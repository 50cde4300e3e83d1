"""Re-export of `legacy.exceptions` under its older import path."""

from label_studio_ml.legacy.exceptions import AnswerException, answer, exception_handler

__all__ = ["AnswerException", "answer", "exception_handler"]
