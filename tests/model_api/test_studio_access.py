"""Label Studio's URL and token as a model sees them."""

from pathlib import Path
from typing import Any

import pytest

from label_studio_ml.errors import StudioError
from label_studio_ml.model_api.model_context import ModelContext
from label_studio_ml.model_api.studio_access import StudioAccess
from label_studio_ml.studio.files.fetch import FileAccess


def _files(tmp_path: Path) -> FileAccess:
    return FileAccess(cache_dir=tmp_path, studio_url="http://ls:8080", token="CANARY")


def test_the_token_is_sent_to_its_own_label_studio_only(tmp_path: Path) -> None:
    access = StudioAccess(ModelContext(files=_files(tmp_path)), "", "")
    assert access.files().token == "CANARY"
    assert access.files("http://ls:8080/sub").token == "CANARY"
    other = access.files("http://elsewhere")
    assert (other.studio_url, other.token) == ("http://elsewhere", "")
    assert access.files("http://elsewhere", "given").token == "given"


def test_the_backend_s_login_comes_before_the_model_s(tmp_path: Path) -> None:
    context = ModelContext(files=_files(tmp_path), studio_url="http://ls:8080", studio_token="CANARY")
    assert StudioAccess(context, "http://mine", "own").login() == ("http://ls:8080", "CANARY")
    assert "own" not in repr(StudioAccess(ModelContext(), "http://mine", "own"))


def test_a_client() -> None:
    made: list[dict[str, Any]] = []

    def create(**arguments: Any) -> str:
        made.append(arguments)
        return "client"

    access = StudioAccess(ModelContext(), "http://ls:8080", "")
    with pytest.raises(StudioError, match="URL or token is not known"):
        access.client(create)
    assert access.client_if_possible(create) == "client"
    assert made == [{"base_url": "http://ls:8080"}]

    def fail(**arguments: Any) -> None:
        raise RuntimeError("no")

    assert access.client_if_possible(fail) is False
