"""Every template of label configs that the installed Label Studio offers, read by us and by its SDK."""

from pathlib import Path

import yaml
from label_studio_sdk.label_interface import LabelInterface

from built_regions import build
from label_studio_ml import regions, samples
from label_studio_ml.controls import Control, Controls
from label_studio_ml.protocol.control_tags import SELF_LABELLING
from label_studio_ml.regions import Region
from label_studio_ml.validation.region_checks import RegionChecks

#: Templates that label-studio 1.23 ships, and all of their controls; a later release may have more.
AT_LEAST = 100
CONTROLS_AT_LEAST = 187

#: Controls, by template and name, whose regions the SDK's validator refuses although they are right, with the reason.
REFUSED_BY_SDK = {
    ("chat/chat_eval/config.yml", "chat"): "of a <Chat> with toName it wants the type 'chat'",
    (
        "ranking-and-scoring/serp-ranking/config.yml",
        "dynamic_choices",
    ): "with allowNested, Label Studio shows paths of choices only; the validator wants names",
}


def templates(studio_venv: Path) -> dict[str, str]:
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
    configs = templates(studio_venv)
    assert len(configs) >= AT_LEAST
    problems = {}
    for name, config in configs.items():
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


def test_regions_of_all_controls_can_be_built(studio_venv: Path) -> None:
    """For each control of each template, regions of a sample task that our checks and the SDK's validator accept."""
    proven, faults, refused_by_sdk = 0, {}, set()
    for template, config in templates(studio_venv).items():
        controls, (task,) = Controls(config), samples.tasks(config, 1)
        checks, validator = RegionChecks(config), LabelInterface(config)
        for control in controls:
            built = build(control, controls, task)
            if validator.validate_prediction(regions.prediction(built), return_errors=True):
                refused_by_sdk.add((template, control.name))
            if refusal := checks.refusal(built):
                faults[template, control.name] = str(refusal)
            elif not any(_is_from(control, region) for region in built):
                faults[template, control.name] = f"no region of it in {built}"
            else:
                proven += 1
    assert faults == {}
    assert refused_by_sdk == set(REFUSED_BY_SDK)
    assert proven >= CONTROLS_AT_LEAST


def _is_from(control: Control, region: Region) -> bool:
    """Tell whether a region is one of `control`: of its name, or a track in a video with one of its labels."""
    if region["type"] == "videorectangle" and control.tag == "Labels":
        return set(region["value"]["labels"]) <= set(control.label_names)
    return bool(region["from_name"] == control.name)
