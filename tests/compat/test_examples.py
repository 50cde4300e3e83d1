"""Which backend of `backends/` stands for which example of the older releases, by the patterns that it relies on."""

import ast
from pathlib import Path

import pytest
from runner import cases

from .served import BACKENDS

#: Backend → the examples of upstream's releases 2.x that it stands for. An example may need two.
LATER = {
    "counter": ("bert_classifier", "huggingface_ner", "sklearn_text_classifier", "timeseries_segmenter"),
    "prompts": ("langchain_search_agent", "llm_interactive", "watsonx_llm", "grounding_dino"),
    "clicks": (
        *("deepgram", "grounding_dino", "interactive_substring_matching", "segment_anything_2_image"),
        *("segment_anything_model", "tesseract"),
    ),
    "tracker": ("segment_anything_2_video", "segment_anything_video_interactive"),
    "boxes": ("docling", "easyocr", "grounding_sam", "mmdetection-3", "yolo"),
    "spans": ("docling", "flair", "gliner", "huggingface_llm", "nemo_asr", "spacy"),
    "repeater": ("the_simplest_backend",),
}

#: Backend → the examples of release 1.0.9 and of the years before it.
FIRST = {
    "old_text": ("bert", "flair", "ner", "pytorch_transfer_learning", "simple_text_classifier"),
    "old_tools": ("huggingface", "mmdetection", "nemo", "substring_matching", "tesseract"),
    "repeater": ("dummy_model", "electra", "simple_text_classifier"),
}

#: What the examples do that an older release's successor may not notice → the backends that do it, and so are tested.
PATTERNS = {
    "label config by label_interface, with filters": ("prompts",),
    "label config by parsed_label_config in the constructor": ("boxes", "old_text", "old_tools"),
    "label config by XML": ("counter", "boxes"),
    "build_label_map in modules below the model's": ("boxes",),
    "weights in a file of MODEL_DIR, which is a relative path where it is not set": ("counter",),
    "weights in a module global, read when they are first needed": ("counter",),
    "weights in a class attribute, read when they are first needed": ("counter",),
    "weights read while the module is imported": ("spans", "clicks"),
    "weights where train_output says": ("old_text", "repeater"),
    "version set in setup": ("counter", "spans", "clicks"),
    "version set in the constructor": ("boxes",),
    "version set by fit": ("spans",),
    "bump_model_version": ("prompts",),
    "no version set at all": ("repeater", "tracker"),
    "project id from the event": ("counter", "repeater"),
    "tasks by the SDK's older client": ("counter", "spans", "repeater"),
    "tasks by the export API, with self.hostname and self.access_token": ("old_text",),
    "every N updates only": ("counter",),
    "fit that is not implemented": ("boxes",),
    "fit that returns {} or nothing": ("counter", "spans"),
    "fit(event, data) that returns a dict": ("repeater",),
    "fit(completions, workdir)": ("old_text",),
    "ModelResponse": ("counter", "prompts", "clicks", "tracker", "boxes", "spans"),
    "PredictionValue": ("counter", "prompts", "tracker", "spans"),
    "regions of the SDK's tags": ("counter", "prompts"),
    "plain dicts": ("clicks", "repeater", "old_text", "old_tools"),
    "nothing without a context": ("clicks", "tracker"),
    "one task of several": ("boxes", "clicks"),
    "messages to the annotator's page": ("tracker",),
    "extra_params": ("prompts", "boxes"),
    "flask.request in setup": ("tracker",),
    "an application mounted beside": ("prompts",),
    "environment set by _wsgi.py": ("tracker",),
    "a class under another name in _wsgi.py": ("spans",),
    "several model classes in a file": ("spans",),
    "label_studio_sdk.objects, as the examples of 2024 had it": ("spans",),
    "a model file of another name": ("clicks", "boxes", "old_text", "old_tools"),
    "config.json": ("boxes", "old_tools"),
    "constructor arguments of its own": ("clicks", "boxes", "old_text", "old_tools"),
    "threads and sessions in module globals": ("tracker",),
    "InMemoryLRUDictCache": ("clicks",),
    "temporary folders": ("tracker",),
    "get_local_path with a task's id": ("clicks", "tracker", "boxes"),
    "the SDK's own get_local_path": ("spans", "boxes"),
    "preload_task_data": ("counter", "prompts"),
    "a task changed by the SDK's client": ("clicks",),
}


def _tested() -> set[str]:
    """Return the backends that a test module serves both ways."""
    names = set()
    for module in Path(__file__).parent.glob("test_*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "serving":
                assert isinstance(node.args[0], ast.Constant)
                names.add(str(node.args[0].value))
    return names


#: Examples that `make compat` knows and that no backend stands for: the first is not valid Python, the second does what
#: `pytorch_transfer_learning` does.
ALONE = {"demo_active_learning", "tensorflow"}

#: An example of years before, which `make compat` has no input for.
EARLIER = {"ner"}


def test_every_example_of_make_compat_has_a_backend() -> None:
    stood_for = {example for table in (LATER, FIRST) for examples in table.values() for example in examples}
    known = {name.removeprefix("1.x/") for name in cases.load()}
    assert known - stood_for == ALONE
    assert stood_for - known == EARLIER


@pytest.mark.parametrize("table", [{**LATER, **FIRST}, dict.fromkeys(sum(PATTERNS.values(), ()))])
def test_every_backend_is_there_and_tested(table: dict[str, object]) -> None:
    folders = {folder.name for folder in BACKENDS.iterdir() if folder.is_dir()}
    assert set(table) == folders == _tested()
    assert all((BACKENDS / name / "_wsgi.py").is_file() for name in table)
