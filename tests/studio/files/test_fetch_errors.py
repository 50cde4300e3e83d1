"""What to do about a file that cannot be fetched."""

import pytest

from label_studio_ml.studio.addresses.references import Kind
from label_studio_ml.studio.files.fetch_errors import advice


@pytest.mark.parametrize(
    ("status", "kind", "ours", "fix", "field"),
    [
        (403, Kind.UPLOAD, False, "If this is Label Studio", "LABEL_STUDIO_URL"),
        (401, Kind.WEB, True, "token is sent for uploads", ""),
        (403, Kind.WEB, True, "token is sent for uploads", ""),
        (403, Kind.LOCAL, True, "LOCAL_FILES_SERVING_ENABLED", "LOCAL_FILES_DOCUMENT_ROOT"),
        (403, Kind.UPLOAD, True, "a user who may see the project", "LABEL_STUDIO_API_KEY"),
        (403, Kind.CLOUD, True, "a user who may see the project", "LABEL_STUDIO_API_KEY"),
        (500, Kind.UPLOAD, True, "was deleted", ""),
        (404, Kind.UPLOAD, True, "was deleted", ""),
        (404, Kind.CLOUD, True, "Connect the bucket", ""),
        (404, Kind.LOCAL, True, "Add the folder", ""),
        (500, Kind.LOCAL, True, "", ""),
        (401, Kind.LOCAL, True, "", ""),
        (404, Kind.WEB, False, "", ""),
    ],
)
def test_advice(status: int, kind: Kind, ours: bool, fix: str, field: str) -> None:
    found = advice(status, kind, from_studio=ours)
    assert fix in found[0]
    assert bool(fix) == bool(found[0])
    assert found[1] == field
