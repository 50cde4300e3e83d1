"""Lines of the tutorial and the guides that call other programs, and variables that any page exports."""

import shlex

from redis_server import MakeRedis, make_redis

from .blocks import ROOT
from .other_programs import NOT_RUN, RUN, exported, other_lines

__all__ = ["make_redis"]

#: Variables of Label Studio and of drivers.
OTHERS = {"ML_BLOCK_LOCAL_IP", "SSRF_PROTECTION_ENABLED", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}


def test_each_line_is_run_or_has_a_reason() -> None:
    assert not set(RUN) & set(NOT_RUN)
    assert other_lines() == set(RUN) | set(NOT_RUN)
    assert all((ROOT / test).is_file() for test in RUN.values())


def test_exported_variables_are_settings_or_parameters() -> None:
    pages = ("docs/production.md", "docs/files.md", "docs/trackers.md")
    texts = [(ROOT / page).read_text(encoding="utf-8") for page in pages]
    models = [
        path.read_text(encoding="utf-8") for path in ROOT.glob("src/label_studio_ml/gallery/models/*/*.py")
    ]
    declared = {name for name in exported() if any(f"| `{name}`" in text for text in texts)}
    parameters = {
        name
        for name in exported()
        if any(f'"{name.lower()}": Param(' in text or f'environ.get("{name}"' in text for text in models)
    }
    assert len(exported()) > 12
    assert exported() - declared - parameters - OTHERS == set()


def test_redis_takes_the_options_of_the_guide(make_redis: MakeRedis) -> None:
    (line,) = (line for line in RUN if line.startswith("redis-server "))
    server = make_redis(*shlex.split(line.replace("…", "secret"))[1:])
    with server.client(password="secret", decode_responses=True) as client:
        policy = client.config_get("maxmemory-policy", "appendonly", "appendfsync")
    assert policy == {"maxmemory-policy": "noeviction", "appendonly": "yes", "appendfsync": "always"}
