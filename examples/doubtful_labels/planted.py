"""Plant label errors in a real data set, and count how many of them `evaluate --doubtful` lists first.

    python examples/doubtful_labels/planted.py [--data digits] [--tasks 1797] [--errors 50] [--seed 0] [--curve FILE]

Data: `digits`, scikit-learn's handwritten digits, with the gallery's tabular model; or `packages`, the descriptions of
Debian's packages (of `apt-cache`) with their sections, and the model of texts_model.py. Needs no Label Studio. With
`--curve`, it measures a learning curve of the correct labels instead, and draws it.
"""

import argparse
import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
GALLERY = HERE.parent.parent / "src" / "label_studio_ml" / "gallery" / "models"
SECTIONS = ("fonts", "games", "graphics", "mail", "science", "sound")


def digits():
    """Return model file, object tag, and (value, label) of each of scikit-learn's digits."""
    from sklearn.datasets import load_digits

    data = load_digits()
    rows = [
        ({f"pixel {number}": float(value) for number, value in enumerate(row)}, str(label))
        for row, label in zip(data.data, data.target, strict=True)
    ]
    return GALLERY / "tabular" / "model.py", "Table", rows


def packages():
    """Return model file, object tag, and (description, section) of up to 300 packages of each section."""
    listed = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, text=True, check=True).stdout
    by_section = {section: {} for section in SECTIONS}
    for stanza in listed.split("\n\n"):
        fields = dict(re.findall(r"^([\w-]+): (.*(?:\n .*)*)", stanza, re.MULTILINE))
        found = by_section.get(fields.get("Section", ""))
        if found is not None and "Description" in fields:  # one package of each source
            name = (fields.get("Source") or fields["Package"]).split()[0]
            found.setdefault(name, fields["Description"].split("\n")[0])
    rows = []
    for section, found in by_section.items():
        names = random.Random(0).sample(sorted(found), min(300, len(found)))
        rows += [(found[name], section) for name in names]
    return HERE / "texts_model.py", "Text", rows


DATA = {"digits": digits, "packages": packages}


def make_backend(folder, model, tag, rows, planted):
    """Write the backend's folder, the label config and the export, whose labels are wrong where `planted` says so."""
    labels = sorted({label for _, label in rows})
    choices = "".join(f'<Choice value="{label}"/>' for label in labels)
    (folder / "config.xml").write_text(
        f'<View><{tag} name="item" value="$item"/><Choices name="label" toName="item" choice="single">'
        f"{choices}</Choices></View>"
    )
    tasks = []
    for number, (value, label) in enumerate(rows, 1):
        region = {
            "from_name": "label",
            "to_name": "item",
            "type": "choices",
            "value": {"choices": [planted.get(number, label)]},
        }
        tasks.append(
            {"id": number, "data": {"item": value}, "annotations": [{"id": number, "result": [region]}]}
        )
    (folder / "export.json").write_text(json.dumps(tasks))
    (folder / "backend").mkdir()
    shutil.copy(model, folder / "backend" / "model.py")


def evaluate(folder, *options):
    """Run `evaluate` in `folder`, and return its report."""
    command = [sys.executable, "-m", "label_studio_ml", "evaluate", "backend", "--annotations", "export.json"]
    command += ["--label-config", "config.xml", "--json", *map(str, options)]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout)


def main():
    """Plant the errors, look for them, and print how many were found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", choices=DATA, default="digits")
    parser.add_argument("--tasks", type=int, help="so many random tasks (default: all)")
    parser.add_argument("--errors", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--curve", type=Path, metavar="FILE")
    args = parser.parse_args()
    model, tag, rows = DATA[args.data]()
    order = random.Random(args.seed)
    order.shuffle(rows)
    rows = rows[: args.tasks]
    labels = sorted({label for _, label in rows})
    wrong = [] if args.curve else order.sample(range(1, len(rows) + 1), args.errors)
    planted = {
        number: order.choice([label for label in labels if label != rows[number - 1][1]]) for number in wrong
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_backend(folder, model, tag, rows, planted)
        if args.curve:
            report = evaluate(folder, "--curve", "--plot", args.curve.absolute())
            report.pop("measurements")
            print(json.dumps(report, indent=2))
            return
        report = evaluate(folder, "--doubtful", len(rows))
    listed = [doubt["task"] for doubt in report["doubts"]]
    for first in (args.errors, 2 * args.errors):
        found = len(planted.keys() & set(listed[:first]))
        print(f"{found} of {args.errors} planted errors among the first {first} ({len(listed)} are listed)")
    print(f"{report['likely']} of {len(rows)} labels are taken for errors")


if __name__ == "__main__":
    main()
