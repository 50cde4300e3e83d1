# Everything here works on a fresh machine that has git, make, python3 and pip.
#   make demo                      a real Label Studio with a backend that learns handwritten digits
#   make demo ARGS="--help"        what the demo can be told
#   make test                      all tests, the ones against a real Label Studio and a real browser included: each part
#                                  runs though one before it failed, and the end says what failed
#   make matrix                    the unit tests on other Pythons and with the lowest dependencies
#   make soak                      the long tests: every kill at every step, both brokers, both ways of each older backend,
#                                  mutated requests; ARGS="-n 0 -k kill" goes to pytest (docs/development.md)
#   make gallery                   the gallery's models, heavy ones included, with their weights, in a real Label Studio; the
#                                  figures and pictures go into docs/gallery; ARGS="-k tabular" goes to pytest
#   make site                      the documentation site, into artefacts/site
#   make lock                      pin what the server's image installs, with hashes, and write the SBOM
#   make audit                     known vulnerabilities of what is pinned (docs/security.md)
#   make bench                     measure it beside its peers: twenty minutes, on an idle machine
#   make compat UPSTREAM=path      the examples of a checkout of the older package, run on this one (docs/compatibility.md);
#                                  ARGS=--stand-ins without their heavy packages
#   make check                     lint, formatting, types, the layers test and the form of messages only

PYTHON ?= python3
ARGS ?=

.PHONY: setup demo demo-clean test unit e2e soak gallery site lock tables vendor audit check matrix bench compat clean

setup:
	@$(PYTHON) scripts/setup

demo:
	@$(PYTHON) scripts/setup package studio
	@exec .venv/bin/python scripts/demo $(ARGS)

demo-clean:
	rm -rf demo

test:
	@PYTHON="$(PYTHON)" scripts/test $(ARGS)

check:
	@$(PYTHON) scripts/setup package
	@scripts/check

unit:
	@$(PYTHON) scripts/setup package
	.venv/bin/python -m pytest -v tests --ignore=tests/e2e $(ARGS)

e2e: setup
	.venv/bin/python -m pytest -v tests/e2e $(ARGS)

soak: setup
	@scripts/soak $(ARGS)

gallery: setup
	@scripts/gallery $(ARGS)

site:
	@$(PYTHON) scripts/setup site
	@scripts/site

tables:
	.venv/bin/python scripts/settings_tables
	.venv/bin/python scripts/gallery_tables
	.venv/bin/python scripts/message_templates

vendor:
	@$(PYTHON) scripts/vendor_scripts

lock: setup
	@$(PYTHON) scripts/lock

audit:
	@$(PYTHON) scripts/audit $(ARGS)

matrix: setup
	.venv/bin/python scripts/resolve --full
	.venv/bin/python scripts/matrix $(ARGS)

bench:
	@$(PYTHON) benchmarks/run.py $(ARGS)

compat:
	@test -n "$(UPSTREAM)" || { echo 'compat: name a checkout: make compat UPSTREAM=/path/to/label-studio-ml-backend'; exit 2; }
	@$(PYTHON) compatibility/run.py "$(UPSTREAM)" $(ARGS)

clean: demo-clean
	rm -rf .venv .venvs .cache artefacts .mypy_cache .ruff_cache .pytest_cache
