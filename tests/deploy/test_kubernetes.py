"""The Kubernetes manifests, checked against Kubernetes' published schemas and against each other."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from label_studio_ml.config.settings import Settings

ROOT = Path(__file__).resolve().parents[2] / "deploy" / "kubernetes"
VERSIONS = ("1.29", "1.33")

Manifest = dict[str, Any]

#: The secret that is made by hand, as base/kustomization.yaml says.
SECRET_NAME = "backend"
SECRET = {"REDIS_PASSWORD": "made-up", "LABEL_STUDIO_API_KEY": "made-up"}


def _kustomization(folder: str) -> Manifest:
    loaded: Manifest = yaml.safe_load((ROOT / folder / "kustomization.yaml").read_text())
    return loaded


def _resources(folder: str) -> Iterator[Manifest]:
    """Yield what a kustomization names, as files; kustomizations that it builds on are left out."""
    for name in _kustomization(folder)["resources"]:
        path = ROOT / folder / name
        assert path.exists(), f"{path} is named and missing"
        if path.is_file():
            yield from yaml.safe_load_all(path.read_text())


ALL = [*_resources("base"), *_resources("autoscaling")]


def _of(kind: str) -> list[Manifest]:
    return [manifest for manifest in ALL if manifest["kind"] == kind]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("manifest", ALL, ids=lambda one: f"{one['kind']}-{one['metadata']['name']}")
def test_each_is_what_kubernetes_takes(manifest: Manifest, version: str) -> None:
    kubernetes_validate.validate(manifest, version, strict=True)


def test_the_schema_refuses_a_field_that_is_none() -> None:
    broken = {**_of("Deployment")[0], "spec": {**_of("Deployment")[0]["spec"], "replica": 2}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, VERSIONS[0], strict=True)


def test_every_file_is_named() -> None:
    for folder in ("base", "autoscaling"):
        files = {path.name for path in (ROOT / folder).glob("*.yaml")} - {"kustomization.yaml"}
        assert files <= set(_kustomization(folder)["resources"])


def test_no_file_has_a_password_and_the_command_that_makes_them_is_there() -> None:
    for path in ROOT.rglob("*.yaml"):
        text = path.read_text()
        assert "secretGenerator" not in text, path
        assert "change-me" not in text, path
        assert all(one is None or one["kind"] != "Secret" for one in yaml.safe_load_all(text)), path
    (made,) = [
        line
        for line in (ROOT / "base" / "kustomization.yaml").read_text().splitlines()
        if "create secret generic" in line
    ]
    assert f"create secret generic {SECRET_NAME} " in made
    (redis,) = _of("StatefulSet")
    (container,) = redis["spec"]["template"]["spec"]["containers"]
    (password,) = container["env"]
    assert password["name"] == "REDIS_PASSWORD"
    assert password["valueFrom"]["secretKeyRef"] == {"name": SECRET_NAME, "key": "REDIS_PASSWORD"}


def test_selectors_choose_the_pods_they_mean() -> None:
    pods = {
        manifest["metadata"]["name"]: manifest["spec"]["template"]["metadata"]["labels"]
        for kind in ("Deployment", "StatefulSet")
        for manifest in _of(kind)
    }
    for kind, name in (("Deployment", "backend"), ("Deployment", "worker"), ("StatefulSet", "redis")):
        (workload,) = [one for one in _of(kind) if one["metadata"]["name"] == name]
        assert workload["spec"]["selector"]["matchLabels"].items() <= pods[name].items()
    for service in _of("Service"):
        chosen = [
            name for name, labels in pods.items() if service["spec"]["selector"].items() <= labels.items()
        ]
        assert chosen == [service["metadata"]["name"]]
    targets = {one["spec"]["scaleTargetRef"]["name"] for one in _of("HorizontalPodAutoscaler")}
    assert targets == {one["metadata"]["name"] for one in _of("Deployment")}


def test_policies_let_the_backends_pods_reach_redis_and_nothing_reach_a_worker() -> None:
    policies = {one["metadata"]["name"]: one["spec"] for one in _of("NetworkPolicy")}
    assert policies.keys() == {"redis", "worker"}
    pods = {
        one["metadata"]["name"]: one["spec"]["template"]["metadata"]["labels"]
        for kind in ("Deployment", "StatefulSet")
        for one in _of(kind)
    }
    for name, policy in policies.items():
        chosen = [pod for pod, labels in pods.items() if _matches(policy["podSelector"], labels)]
        assert chosen == [name]
        assert policy["policyTypes"] == ["Ingress"]
    assert "ingress" not in policies["worker"]
    (rule,) = policies["redis"]["ingress"]
    (sender,) = rule["from"]
    assert sorted(pod for pod, labels in pods.items() if _matches(sender["podSelector"], labels)) == [
        "backend",
        "worker",
    ]
    (redis,) = _of("StatefulSet")
    (container,) = redis["spec"]["template"]["spec"]["containers"]
    assert [one["port"] for one in rule["ports"]] == [one["name"] for one in container["ports"]]


def _matches(selector: Manifest, labels: Manifest) -> bool:
    return bool(selector["matchLabels"].items() <= labels.items())


def test_what_pods_refer_to_is_there_and_their_settings_are_understood(tmp_path: Path) -> None:
    made = _kustomization("base")
    generated = {one["name"] for one in made["configMapGenerator"]} | {SECRET_NAME}
    claims = {claim["metadata"]["name"] for claim in _of("PersistentVolumeClaim")}
    for deployment in _of("Deployment"):
        pod = deployment["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        assert container["image"] in {image["name"] for image in made["images"]}
        env = {one["name"]: one["value"] for one in container["env"]}
        for source in container["envFrom"]:
            (reference,) = source.values()
            assert reference["name"] in generated
        for one in made["configMapGenerator"]:
            env |= dict(literal.split("=", 1) for literal in one["literals"])
        settings = Settings.from_env({**env, **SECRET}, backend_dir=tmp_path)
        assert settings.redis_url == "redis://:made-up@redis:6379/0"
        assert settings.grace < pod["terminationGracePeriodSeconds"] or container["name"] == "server"
        assert settings.linger + settings.drain < pod["terminationGracePeriodSeconds"]
        mounted = {mount["name"] for mount in container["volumeMounts"]}
        assert mounted == {volume["name"] for volume in pod["volumes"]}
        for volume in pod["volumes"]:
            claim = volume.get("persistentVolumeClaim")
            assert claim is None or claim["claimName"] in claims


def test_with_a_store_each_pod_has_a_folder_of_its_own_that_holds_more_than_the_cache(tmp_path: Path) -> None:
    made = _kustomization("store")
    assert made["resources"] == ["../base"]
    env: dict[str, str] = {}
    for folder in ("base", "store"):
        for one in _kustomization(folder)["configMapGenerator"]:
            assert one["name"] == "backend"
            assert folder == "base" or one["behavior"] == "merge"
            env |= dict(literal.split("=", 1) for literal in one["literals"])
    settings = Settings.from_env({**env, **SECRET}, backend_dir=tmp_path)
    assert settings.store_url == "s3://bucket/prefix"
    patches = [yaml.safe_load((ROOT / "store" / patch["path"]).read_text()) for patch in made["patches"]]
    for deployment in _of("Deployment"):
        (patch,) = [one for one in patches if one["metadata"]["name"] == deployment["metadata"]["name"]]
        (volume,) = patch["spec"]["template"]["spec"]["volumes"]
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        (mount,) = [one for one in container["volumeMounts"] if one["name"] == volume["name"]]
        assert Path(mount["mountPath"]) == settings.model_dir
        claimed = deployment["spec"]["template"]["spec"]["volumes"]
        assert {"name": volume["name"], "persistentVolumeClaim": {"claimName": "models"}} in claimed
        assert volume["persistentVolumeClaim"] is None
        room = int(volume["emptyDir"]["sizeLimit"].removesuffix("Gi")) << 30
        assert room >= 2 * settings.model_cache_bytes, "versions in training need room, too"
    (gone,) = [one for one in patches if one.get("$patch") == "delete"]
    assert gone["metadata"]["name"] in {claim["metadata"]["name"] for claim in _of("PersistentVolumeClaim")}
