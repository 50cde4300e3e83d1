"""The SDK's label interface, imported without what only its generated samples need."""

import subprocess
import sys

import pytest

CONFIG = (
    """<View><Text name="t" value="$t"/><Choices name="c" toName="t"><Choice value="A"/></Choices></View>"""
)


def run(code: str) -> list[str]:
    """Run code in a new interpreter, as below a model file's first line; return the lines that it prints."""
    code = (
        f"import sys\nimport label_studio_ml.model\nfrom label_studio_ml.import_paths import late_jsf\n{code}"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.parametrize("module", ["label_studio_sdk.label_interface", "label_studio_ml.response"])
def test_the_label_interface_comes_without_jsf(module: str) -> None:
    printed = run(
        f"import {module}\nprint([name for name in ('jsf', 'faker', 'smart_open') if name in sys.modules])"
    )
    assert printed == ["[]"]


def test_samples_are_generated_and_jsf_is_the_real_module_afterwards() -> None:
    printed = run(
        "from label_studio_sdk.label_interface import LabelInterface\n"
        f"interface = LabelInterface({CONFIG!r})\n"
        "sample = interface.generate_sample_prediction()\n"
        "print(sample['result'][0]['value'], 'smart_open' in sys.modules)\n"
        "import jsf, jsf.parser, smart_open\n"
        "print(jsf.JSF is jsf.parser.JSF, hasattr(smart_open, 'parse_uri'))\n"
        "with jsf.parser.s_open('/dev/null') as file:\n"
        "    print(file.read())\n"
    )
    assert printed == ["{'choices': ['A']} False", "True True", ""]


def test_another_use_of_jsf_in_the_sdk_gets_the_real_module() -> None:
    printed = run(
        "with late_jsf._stand_in('jsf', 'JSF', late_jsf._generator):\n"
        "    from jsf import parser\n"
        "    from jsf.schema_types import Object\n"
        "    import jsf\n"
        "print(parser.JSF.__module__, Object.__module__)\n"
        "import jsf\n"
        "print(jsf.JSF is parser.JSF)\n"
    )
    assert printed == ["jsf.parser jsf.schema_types.object", "True"]


def test_an_imported_jsf_stays() -> None:
    printed = run(
        "import jsf\n"
        "from label_studio_sdk.label_interface import interface\n"
        "print(interface.JSF is jsf.JSF, sys.modules['jsf'] is jsf)"
    )
    assert printed == ["True True"]


def test_the_module_keeps_its_source_and_its_reload() -> None:
    printed = run(
        "import importlib, inspect\n"
        "from label_studio_sdk.label_interface import interface\n"
        "print('class LabelInterface' in inspect.getsource(interface))\n"
        "importlib.reload(interface)\n"
        "print('jsf' in sys.modules)"
    )
    assert printed == ["True", "False"]
