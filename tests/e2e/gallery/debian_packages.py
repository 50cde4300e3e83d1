"""Descriptions of Debian's packages, a line each, with their sections and tags: real texts that people labelled."""

import random
import re
import shutil
import subprocess
from collections.abc import Collection
from dataclasses import dataclass

import pytest


@dataclass(frozen=True)
class Package:
    """The description of a package, its section such as "games", and its tags such as "works-with::image"."""

    description: str
    section: str
    tags: frozenset[str]


def packages(sections: Collection[str], each: int, tags: Collection[str] = ()) -> list[Package]:
    """Return up to `each` packages of each section in a random order that is always the same.

    With `tags`, they are packages with any of these tags. Of the packages of one source, which have similar
    descriptions, there is one. Skips the test where apt has no lists.
    """
    if shutil.which("apt-cache") is None:
        pytest.skip("the texts are those of Debian's package lists")
    listed = subprocess.run(["apt-cache", "dumpavail"], capture_output=True, text=True, check=True).stdout
    by_section: dict[str, dict[str, Package]] = {section: {} for section in sections}
    for stanza in listed.split("\n\n"):
        fields: dict[str, str] = dict(re.findall(r"^([\w-]+): (.*(?:\n .*)*)", stanza, re.MULTILINE))
        found = by_section.get(fields.get("Section", ""))
        if found is None or "Description" not in fields:
            continue
        package = Package(
            fields["Description"].split("\n")[0], fields["Section"], _tags(fields.get("Tag", ""))
        )
        if not tags or package.tags & set(tags):
            found.setdefault((fields.get("Source") or fields["Package"]).split()[0], package)
    order = random.Random(0)
    sample = []
    for section, found in by_section.items():
        if len(found) < min(each, 10):
            pytest.skip(f"apt has no lists with the section {section}: run apt-get update")
        names = sorted(found)
        sample += [found[name] for name in order.sample(names, min(each, len(names)))]
    order.shuffle(sample)
    return sample


def _tags(field: str) -> frozenset[str]:
    """Return the tags of a field such as "role::program, works-with::{audio, image}"."""
    tags = []
    for facet, several, one in re.findall(r"([\w-]+)::(?:\{([^}]*)\}|([^,\s]+))", field):
        tags += [f"{facet}::{name.strip()}" for name in (several.split(",") if several else [one])]
    return frozenset(tags)
