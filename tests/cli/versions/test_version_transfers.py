"""`push` and `pull` with a real S3 server."""

from pathlib import Path

import pytest

from label_studio_ml.cli import main as cli
from label_studio_ml.versions.remote.object_store import ObjectStore
from label_studio_ml.versions.remote.remote_store import RemoteStore
from label_studio_ml.versions.state.key_values import StoredState
from label_studio_ml.versions.state.project_state import Projects
from s3_server import S3Server, s3
from versions.made import Made, P

__all__ = ["s3"]

pytestmark = pytest.mark.usefixtures("clean_env", "own_logging")


@pytest.fixture
def made(s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    """Versions a, b and c of a backend; the environment has the login of the S3 server."""
    for name, value in s3.env.items():
        monkeypatch.setenv(name, value)
    made = Made(tmp_path / "one" / "data")
    for name in "abc":
        folder = made.store.folder(P, f"id-{name}")
        made.add(
            name,
            train_output={"weights": str(folder / "weights")},
            state={"path": str(folder), "n": name},
            created=f"2026-01-01T00:00:0{ord(name) - ord('a')}+00:00",
        )
    StoredState(made.folder, P).set("n", "mine")
    return made


def _written(s3: S3Server) -> dict[str, int]:
    """Return when each object of a version was written."""
    base = s3.objects / "versions"
    return {str(one.relative_to(base)): one.stat().st_mtime_ns for one in base.rglob("*") if one.is_file()}


def test_push_goes_on_after_a_failure_and_puts_each_version_once(
    made: Made, s3: S3Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put = ObjectStore.put_file

    def fails(self: ObjectStore, path: Path, name: str) -> None:
        if "id-c" in name:
            s3.kill()
        put(self, path, name)

    with monkeypatch.context() as patch:
        patch.setattr("label_studio_ml.versions.remote.uploads.retry_store", lambda call, *_: call())
        patch.setattr(ObjectStore, "put_file", fails)
        assert cli.main(["push", str(made.folder.parent), s3.url]) == 1
    printed = capsys.readouterr()
    assert "2 of 3: version b is in" in printed.out
    assert "at the moment" in printed.err
    s3.start()
    before = _written(s3)
    assert not any("id-c" in name for name in before)
    assert cli.main(["push", str(made.folder.parent), s3.url, "--promote"]) == 0
    printed = capsys.readouterr()
    assert f"Copied 1 version; 2 of them in {s3.url} before" in printed.out
    after = _written(s3)
    assert {name: after[name] for name in before} == before, "what was there was not written again"
    assert StoredState(made.folder, P).get("n") == "mine", "what is served here keeps its pairs"
    assert not (made.folder / "transfers").exists()

    server = RemoteStore(s3.url, made.folder.parent.parent / "server")
    server.synchronise(P)
    served = server.served(P)
    assert served is not None
    assert (served.id, served.name) == ("id-c", "c")
    assert Path(served.train_output["weights"]).read_text() == "weights of c"
    assert StoredState(made.folder.parent.parent / "server", P).get("n") == "c"


def test_pull_fetches_and_checks(made: Made, s3: S3Server, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["push", str(made.folder.parent), s3.url]) == 0
    capsys.readouterr()
    other = Made(made.folder.parent.parent / "two" / "data")
    Projects(other.folder).update("9.19", title="of another Label Studio")
    where = ["pull", str(other.folder.parent), s3.url]
    assert cli.main(where) == 0, "the store has one project, and so has the backend"
    printed = capsys.readouterr().out
    assert printed.startswith(
        "1 of 3: version a is here\n2 of 3: version b is here\n3 of 3: version c is here\n"
    )
    found = {one.name: one for one in other.store.versions("9.19")}
    assert sorted(found) == ["a", "b", "c"]
    assert Path(found["b"].train_output["weights"]).read_text() == "weights of b"
    assert found["b"].state["path"] == str(other.store.folder("9.19", "id-b"))
    assert other.served("9.19") == ""
    assert not (other.folder / "transfers").exists()
    assert cli.main([*where, "b", "--promote"]) == 0
    assert other.served("9.19") == "b"

    (weights,) = (s3.objects / "versions" / P / "files" / "id-a").iterdir()
    weights.write_text("weights of x")
    third = Made(made.folder.parent.parent / "three" / "data")
    third.folder.mkdir(parents=True)
    assert cli.main(["pull", str(third.folder.parent), s3.url]) == 1
    assert "weights was changed after it was written" in capsys.readouterr().err
    assert third.names() == ""
