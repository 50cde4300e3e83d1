"""CoNLL-2003: a text file with a token and its tag in each line, and an empty line after each sentence."""

from pathlib import Path

from label_studio_ml.errors import LabelConfigError
from label_studio_ml.storage.atomic_files import temporary_path
from label_studio_ml.targets.example_types import SpanExample
from label_studio_ml.targets.exports.class_list import Omitted
from label_studio_ml.targets.exports.exported import ExportedTargets
from label_studio_ml.targets.exports.output_folder import move_to_new, output_path
from label_studio_ml.targets.exports.word_tokens import Tokenize, sentences_of

#: Before each text.
_DOCUMENT = "-DOCSTART- -X- -X- O\n\n"


def write_conll(targets: ExportedTargets, file: Path | str | None, *, tokenize: Tokenize | None) -> Path:
    """Write a CoNLL file and return its path; the arguments and errors are those of `Targets.to_conll`."""
    require_spans(targets, "CoNLL")
    path = output_path(file, targets.workdir, "annotations.conll", "file")
    if path.exists():
        raise FileExistsError(f"{path} exists: pass another file, or remove it")
    path.parent.mkdir(parents=True, exist_ok=True)
    omitted = Omitted()
    unfinished = temporary_path(path)  # another export may be writing to the same path
    try:
        with unfinished.open("x", encoding="utf-8", errors="replace", newline="\n") as lines:
            for example in targets:
                lines.write(_DOCUMENT)
                for sentence in sentences_of(example, tokenize, omitted):
                    for token, tag in zip(sentence.tokens, sentence.tags, strict=True):
                        lines.write(f"{column(token)} -X- -X- {column(tag)}\n")
                    lines.write("\n")
        move_to_new(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
    omitted.log(f"The CoNLL file {path}")
    return path


def column(text: str) -> str:
    """Return a token or tag without white space, which separates the columns."""
    return "_".join(text.split())


def require_spans(targets: ExportedTargets, export: str) -> None:
    """Raise LabelConfigError if the targets are no spans of texts."""
    if not issubclass(targets.example_type, SpanExample):
        raise LabelConfigError(
            f"{export} has no form for what {targets.control} says",
            fix="It has the spans of <Labels> on texts; to_pandas() takes any control",
            field="label_config",
        )
