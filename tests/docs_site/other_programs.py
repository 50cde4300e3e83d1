"""The lines of the tutorial and the guides that call other programs: which test runs each, or why none does."""

from functools import cache

from .blocks import PAGES, blocks_of
from .command_lines import commands_in, without_explanation

#: Lines that a test runs, and that test.
RUN = {
    ". tutorial-env/bin/activate": "tests/e2e/test_tutorial.py",
    "label-studio start": "tests/e2e/test_tutorial.py",
    "pip install .": "tests/e2e/test_install.py",
    "redis-server --appendonly yes --appendfsync always --maxmemory-policy noeviction --requirepass …": (
        "tests/docs_site/test_other_programs.py"
    ),
    "curl --head http://localhost:9090/metrics": "tests/web/routes/test_health.py",
    "cd my_backend": "tests/e2e/test_containers.py",
    "docker compose up --build --detach": "tests/e2e/test_containers.py",
}

_NETWORK = "installs from the network; `make setup` or `make soak` installs the same packages"
_ROOT = "changes a machine as root"

#: Lines that no test runs, and the reason.
NOT_RUN = {
    "python3 -m venv tutorial-env": _NETWORK,
    "pip install --upgrade pip": _NETWORK,
    "pip install label-studio": _NETWORK,
    "pip install . scikit-learn": _NETWORK,
    "pip install '.[s3]'": _NETWORK,
    "pip install mlflow": _NETWORK,
    "pip install wandb": _NETWORK,
    "pip install tensorboardX tensorboard": _NETWORK,
    "sudo python3 -m venv /opt/label-studio-ml": _ROOT,
    "sudo /opt/label-studio-ml/bin/pip install . -r my_backend/requirements.txt": _ROOT,
    "sudo useradd --system label-studio-ml": _ROOT,
    "sudo mkdir -p /srv/label-studio-ml /etc/label-studio-ml": _ROOT,
    "sudo cp -r my_backend /srv/label-studio-ml/": _ROOT,
    "sudo chown -R label-studio-ml /srv/label-studio-ml": _ROOT,
    "sudo systemctl enable --now label-studio-ml": _ROOT,
    "curl https://ml.example.com/readyz": "needs a public host; tests/runtime/test_roles.py asks /readyz",
    "mlflow server --backend-store-uri sqlite:///my_backend/logs/mlflow/mlflow.db": (
        "runs until it is ended; tests/training/test_real_trackers.py reads this file with MLflow"
    ),
    "tensorboard --logdir my_backend/logs/tensorboard": (
        "runs until it is ended; tests/training/test_trackers.py reads the event files"
    ),
}


@cache
def other_lines() -> frozenset[str]:
    """Return the lines of the shell in the tutorial and the guides without a command of ours and without `export`."""
    pages = [page for page in PAGES if page.startswith("docs/guides/") or page == "docs/tutorial.md"]
    texts = [block.text for page in pages for block in blocks_of(page) if block.language == "console"]
    lines = {without_explanation(line) for text in texts for line in text.splitlines()}
    return frozenset(
        line for line in lines if line and not line.startswith("export ") and not list(commands_in(line))
    )


@cache
def exported() -> frozenset[str]:
    """Return the names of all variables that lines of the shell on the pages export."""
    texts = [block.text for page in PAGES for block in blocks_of(page) if block.language == "console"]
    lines = [without_explanation(line) for text in texts for line in text.splitlines()]
    words = [word for line in lines if line.startswith("export ") for word in line.split()[1:]]
    return frozenset(word.partition("=")[0] for word in words if "=" in word)
