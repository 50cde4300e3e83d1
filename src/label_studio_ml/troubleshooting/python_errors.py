"""Recognize Python's own errors in a text: a model's code raised them, not this package."""

import builtins
import re
from dataclasses import dataclass

#: The entries for failed calls of `predict` and `fit`.
CODES = ("LSML-E330", "LSML-E340")

#: What follows the name of an error in its explanation.
_PLACES = (
    "own predict or fit raised it, or what they call. The traceback names file and line. It is in:",
    "  logs/server.log       if predict raised it",
    "  logs/jobs/JOB.log     if fit raised it: label-studio-ml jobs my_backend --follow JOB",
    "To see it without Label Studio: label-studio-ml test my_backend",
)
#: Python's own classes of errors by their names in lower case.
_BUILTIN = {
    name.lower(): name
    for name, value in vars(builtins).items()
    if isinstance(value, type) and issubclass(value, BaseException)
}
_WORD = re.compile(r"\w+")
#: Those whose names are common words count only as Python prints them, before a colon.
_COMMON_WORDS = ("baseexception", "exception", "warning")
#: The name of a library's class of errors before a colon or at the end: `torch.cuda.OutOfMemoryError: …`.
_CLASS = re.compile(r"(?<![\w.])((?:\w+\.)*[A-Z]\w*[a-z](?:Error|Exception))(?=:|$)")
#: Texts of Python's errors without the name of the class: a pattern, and that name.
_TEXTS = tuple(
    (re.compile(pattern, re.IGNORECASE), name)
    for pattern, name in (
        (r"division (?:or modulo )?by zero|modulo by zero", "ZeroDivisionError"),
        (r"'NoneType' object (?:is not|cannot|does not)", "TypeError"),
        (r"has no attribute '", "AttributeError"),
        (r"^no module named ", "ModuleNotFoundError"),
        (r"^cannot import name ", "ImportError"),
        (r"index out of range|^pop from empty list|out of bounds for axis", "IndexError"),
        (r"name '\w+' is not defined|referenced before assignment|not associated with a value", "NameError"),
        (r"unsupported operand type|object is not (?:callable|iterable|subscriptable)", "TypeError"),
        (r"required positional argument|unexpected keyword argument|positional arguments? but", "TypeError"),
        (r"could not convert string to float|invalid literal for int\(\)|values to unpack", "ValueError"),
        (r"maximum recursion depth exceeded", "RecursionError"),
        (r"^(?:\[Errno \d+\] )?no space left on device", "OSError"),
        (r"^(?:\[Errno \d+\] )?no such file or directory", "FileNotFoundError"),
    )
)


@dataclass(frozen=True, slots=True)
class PythonError:
    """An error of Python or of a library by the name of its class, such as `ZeroDivisionError`."""

    name: str

    @property
    def explanation(self) -> str:
        """What the error is, where its traceback is, and what to do, in a few lines."""
        lines = [
            f"{self.name} is an error of Python or a library, without a code of this package: as a rule, the model's",
            *_PLACES,
        ]
        return "\n".join([*lines, *([self._advice] if self._advice else [])])

    @property
    def _advice(self) -> str:
        if self.name in ("ModuleNotFoundError", "ImportError"):
            return "Install what is missing where the backend runs, and name it in its requirements.txt"
        if self.name == "OSError":
            return "An OSError names what the system refused: check the disk, the path and the rights on it"
        return ""


def python_error(text: str) -> PythonError | None:
    """Return the error of Python or a library that a text names or has the words of, None if there is none."""
    line = " ".join(text.split())
    for word in _WORD.finditer(line):
        name = _BUILTIN.get(word[0].lower())
        if name and (name.lower() not in _COMMON_WORDS or line.startswith(f"{name}:", word.start())):
            return PythonError(name)
    for name in _CLASS.findall(line):
        return PythonError(name)
    return next((PythonError(name) for pattern, name in _TEXTS if pattern.search(line)), None)
