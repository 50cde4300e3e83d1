"""Real containers for tests: podman with runc, a base image made on the spot, podman-compose reading compose files."""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from .conftest import ROOT, missing
from .processes import wait_until
from .studio import Studio

#: Programs and the Debian packages that bring them; `scripts/setup debian` installs all of it.
NEEDED = ("podman", "buildah", "runc", "mmdebstrap", "dnsmasq")

#: Images that stand in for the registry's: bare as NVIDIA's are, without Python, but with a Redis server, so that it is
#: the Redis image too; and the same with Python.
INCLUDED = "ca-certificates,redis-server,libmagic1"
ADDED = "python3 python3-venv"

#: Outside of the checkout: they, and the layers built on them, serve all test runs on this machine.
STORE = Path.home() / ".cache" / "label-studio-ml-tests" / "containers"

COMPOSE = ROOT / ".cache" / "tools" / "podman-compose"


def require_containers() -> None:
    """Fail or skip, saying what is missing, where containers cannot run."""
    if os.getuid() != 0:
        missing("containers are tested as root only")
    for program in NEEDED:
        if shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin") is None:
            missing(f"no {program} on PATH")
    if not (COMPOSE / "bin" / "podman-compose").is_file():
        missing(f"no podman-compose in {COMPOSE}")


class Podman:
    """Podman with a storage of its own below `folder`, and nothing of the machine's configuration."""

    def __init__(self, folder: Path, scratch: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        scratch.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.scratch = scratch
        (scratch / "containers.conf").write_text(
            '[containers]\ndefault_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]\n'
            '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\n'
        )
        (scratch / "storage.conf").write_text(
            f'[storage]\ndriver = "overlay"\ngraphroot = "{folder}/store"\nrunroot = "{folder}/run"\n'
        )
        self.env = {
            **os.environ,
            "CONTAINERS_CONF": str(scratch / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": str(scratch / "storage.conf"),
            "BUILDAH_ISOLATION": "chroot",
            "BUILDAH_FORMAT": "docker",  # healthchecks are not in the other one
            "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin",
        }

    def __call__(self, *words: str, deadline: float = 120.0, check: bool = True) -> str:
        """Run podman and return what it printed."""
        return self.run(["podman", *words], deadline=deadline, check=check)

    def run(
        self,
        command: Sequence[str],
        *,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
        deadline: float = 120.0,
        check: bool = True,
    ) -> str:
        done = subprocess.run(
            command,
            cwd=cwd,
            env={**self.env, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=deadline,
            check=False,
        )
        if check and done.returncode:
            raise AssertionError(f"{' '.join(command)}: status {done.returncode}\n{done.stdout[-4000:]}")
        return done.stdout

    def bases(self) -> tuple[str, str]:
        """Return the names of two images of a bare Debian, the second with Python; they are made if need be."""
        recipe = f"{_codename()} {INCLUDED} {ADDED}"
        tag = hashlib.sha256(recipe.encode()).hexdigest()[:12]
        bare, full = f"localhost/lsml-test-bare:{tag}", f"localhost/lsml-test-base:{tag}"
        with open(self.folder / "lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self("images", "--quiet", bare).strip():
                self._import(bare)
            if not self("images", "--quiet", full).strip():
                install = f"apt-get update && apt-get install -y --no-install-recommends {ADDED}"
                file = self.folder / "Dockerfile"
                file.write_text(f"FROM {bare}\nRUN {install} && rm -rf /var/lib/apt/lists/*\n")
                self("build", "--tag", full, "--file", str(file), str(self.scratch), deadline=400)
            self("image", "prune", "--force", "--filter", "until=72h")
        return bare, full

    def _import(self, name: str) -> None:
        packed = self.folder / "base.tar"
        wait_until(lambda: self._bootstrapped(packed), "there is Debian's core", 300, 5.0)
        self("import", str(packed), name, deadline=200)
        packed.unlink()

    def _bootstrapped(self, packed: Path) -> bool:
        """Download Debian's core; return whether that worked, as a mirror may fail for a moment."""
        packed.unlink(missing_ok=True)
        # Without a disk to wait for, dpkg is several times as fast.
        memory = Path("/dev/shm")
        roomy = memory.is_dir() and shutil.disk_usage(memory).free > 2 << 30
        command = ["mmdebstrap", "--variant=minbase", f"--include={INCLUDED}", _codename(), str(packed)]
        try:
            self.run(command, env={"TMPDIR": str(memory)} if roomy else {}, deadline=400)
        except AssertionError as error:
            print(error)
            return False
        return True


def _codename() -> str:
    for line in Path("/etc/os-release").read_text().splitlines():
        if line.startswith("VERSION_CODENAME="):
            return line.partition("=")[2].strip('"')
    raise AssertionError("this is no Debian")


def pip_volumes(scratch: Path) -> list[str]:
    """Return mounts that let pip in a build find packages as it does here; none of them has this package.

    The files of an index in a folder may lie beside that: the folder above is mounted.
    """
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=True
    )
    options: dict[str, str] = {}
    for line in listed.stdout.splitlines():
        name, _, value = line.partition("=")
        options[name.rpartition(".")[2]] = value.strip("'\"").replace("\\n", " ")
    kept = ("find-links", "index-url", "extra-index-url", "cert", "trusted-host", "proxy")
    text = "".join(f"{name} = {options[name]}\n" for name in kept if options.get(name))
    config = scratch / "pip.conf"
    config.write_text(f"[global]\n{text}")
    places = {
        str(Path(word.removeprefix("file://")).parent) if word.startswith("file:///") else word
        for name in kept
        for word in options.get(name, "").split()
        if word.startswith(("/", "file:///"))
    }
    there = sorted(place for place in places if Path(place).exists())
    return [f"{config}:/etc/pip.conf:ro", *(f"{place}:{place}:ro" for place in there)]


class Compose:
    """One compose project: the files in `folder`, read by podman-compose."""

    def __init__(self, podman: Podman, folder: Path, env: Mapping[str, str], files: Sequence[Path]) -> None:
        self._podman = podman
        self.folder = folder
        self.backend_url = ""
        self.build: tuple[str, ...] = ()
        self.studio = Studio("")
        self._env = {**env, "PYTHONPATH": str(COMPOSE)}
        self._files = [word for path in files for word in ("-f", str(path))]
        self.project = f"lsml{os.getpid()}"

    def __call__(self, *words: str, deadline: float = 400.0, check: bool = True) -> str:
        command = [sys.executable, str(COMPOSE / "bin" / "podman-compose"), "-p", self.project, *self._files]
        return self._podman.run(
            [*command, *words], cwd=self.folder, env=self._env, deadline=deadline, check=check
        )

    def container(self, service: str) -> str:
        """Return the name of a service's running container."""
        words = ("ps", "--format", "{{.Names}}", "--filter", f"label=com.docker.compose.service={service}")
        found = [
            name
            for name in self._podman(*words).split()
            if name.startswith((f"{self.project}_", f"{self.project}-"))
        ]
        return found[0] if found else ""

    def execute(self, service: str, *words: str, check: bool = True) -> str:
        """Run a command in a service's container."""
        name = wait_until(lambda: self.container(service), f"{service} runs")
        return self._podman("exec", name, *words, check=check)

    def logs(self) -> str:
        """Return what all containers said."""
        return "\n".join(
            f"--- {name}\n{self._podman('logs', '--tail', '60', name, check=False)}"
            for name in self._podman("ps", "--all", "--format", "{{.Names}}").split()
            if name.startswith(self.project)
        )
