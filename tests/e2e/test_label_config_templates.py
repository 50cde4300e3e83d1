"""Every template of label configs that the installed Label Studio offers, read by us and by its SDK."""

from pathlib import Path

import yaml
from label_studio_sdk.label_interface import LabelInterface

from label_studio_ml.controls import Controls
from label_studio_ml.protocol.control_tags import SELF_LABELLING

#: Templates that label-studio 1.23 ships; a later release may have more.
AT_LEAST = 100


def _templates(studio_venv: Path) -> dict[str, str]:
    """Return the label configs by the path of their files."""
    [folder] = studio_venv.glob("lib/python3*/site-packages/label_studio/annotation_templates")
    configs = {}
    for path in sorted(folder.rglob("config.*")):
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".yml":
            text = yaml.safe_load(text).get("config") or ""
        configs[str(path.relative_to(folder))] = text
    return configs


def test_controls_of_all_templates_are_those_that_the_sdk_finds(studio_venv: Path) -> None:
    templates = _templates(studio_venv)
    assert len(templates) >= AT_LEAST
    problems = {}
    for name, config in templates.items():
        try:
            _compare(config)
        except AssertionError as error:
            problems[name] = str(error)
    assert problems == {}


def _compare(config: str) -> None:
    controls = Controls(config)
    by_sdk = {control.name: control for control in LabelInterface(config).controls}
    assert {control.name for control in controls} == by_sdk.keys()
    for control in controls:
        theirs = by_sdk[control.name]
        if control.tag in SELF_LABELLING:  # a ChatMessage for the SDK, without objects
            continue
        assert control.tag == theirs.tag
        assert list(control.to_names) == theirs.to_name
        assert control.kind.tag == control.tag, "the table of control tags lacks it"
        assert [item.name for item in control.objects] == [item.name for item in theirs.objects or []]
        assert set(control.label_names) == set(theirs.labels or [])
        for item in control.objects:
            allowed = control.kind.objects
            assert not allowed or item.tag in allowed, f"the table says that {control} is not possible"
