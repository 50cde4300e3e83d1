"""Examples of command lines, which the commands' help texts end with."""

#: Command → what its help shows as examples, below `label-studio-ml COMMAND`'s options.
EXAMPLES: dict[str, tuple[str, ...]] = {
    "init": (
        "label-studio-ml init my_backend --script model.py",
        "label-studio-ml init my_backend",
        "label-studio-ml init my_backend --project 1 --url http://localhost:8080 --install",
        "label-studio-ml init my_backend --example text-classifier",
    ),
    "test": (
        "label-studio-ml test my_backend",
        "label-studio-ml test my_backend --label-config config.xml --junit report.xml",
        'label-studio-ml test my_backend --skip "batch=it normalizes over the batch on purpose"',
    ),
    "start": (
        "label-studio-ml start my_backend",
        "label-studio-ml start my_backend --port 9091 --host 0.0.0.0 --with device=cuda",
    ),
    "connect": (
        "label-studio-ml connect my_backend --url http://localhost:8080 --project 1",
        "label-studio-ml connect my_backend --url http://localhost:8080 --new Reviews --label-config config.xml",
    ),
    "doctor": ("label-studio-ml doctor my_backend --url http://localhost:8080 --project 1",),
    "explain": (
        "label-studio-ml explain LSML-E310",
        "label-studio-ml explain Redis refuses the login",
    ),
    "conformance": (
        "label-studio-ml conformance http://localhost:9090",
        "label-studio-ml conformance http://localhost:9090 --label-config config.xml --tasks tasks.json --train",
    ),
    "predict": (
        "label-studio-ml predict my_backend --url http://localhost:8080 --project 1",
        'label-studio-ml predict my_backend --project 1 --where "total_annotations = 0"',
        "label-studio-ml predict my_backend --input tasks.json --output predictions.json --label-config config.xml",
    ),
    "rank": (
        "label-studio-ml rank my_backend --url http://localhost:8080 --project 1 --by entropy --top 100",
    ),
    "evaluate": (
        "label-studio-ml evaluate my_backend --project 1",
        "label-studio-ml evaluate my_backend --project 1 --version 20261123-141530-9f3a --test 0.2",
    ),
    "versions": ("label-studio-ml versions my_backend --project 1",),
    "jobs": (
        "label-studio-ml jobs my_backend",
        "label-studio-ml jobs my_backend --follow 20261123-141530-9f3a1b",
    ),
    "openapi": ("label-studio-ml openapi openapi.json",),
}


def epilog(command: str) -> str:
    """Return the last lines of a command's help text, empty if there are no examples of it."""
    lines = EXAMPLES.get(command, ())
    heading = "example:" if len(lines) == 1 else "examples:"
    return "\n".join([heading, *(f"  {line}" for line in lines)]) if lines else ""
