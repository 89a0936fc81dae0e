# Every target sets up what it needs in .venv, once; a changed pyproject.toml sets it up anew.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
MINUTES ?= 60

BIN := .venv/bin
DEMO := .venv/installed-local
DEV := .venv/installed-local+dev
NANO := .venv/installed-local+nano
BENCH := .venv/installed-local+bench
DOCS := .venv/installed-docs

.PHONY: help demo test check fix docs nano ceiling bench clean

help:  ## Show what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' Makefile

demo: $(DEMO)  ## Watch a million-parameter model carry out a long job (about a minute)
	@$(BIN)/nebulus demo

test: $(DEV)  ## Run all tests
	@scripts/test

check: $(DEV)  ## Check style and types
	@scripts/check

fix: $(DEV)  ## Mend what a tool can mend: formatting, order of imports, the reference pages
	@scripts/fix

docs: $(DOCS)  ## Build the site of the documents into site/
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "open site/index.html"

nano: $(NANO)  ## Train the nano model anew (MINUTES=60)
	$(BIN)/python -m nano.train --out src/nebulus/data/nano.gguf --minutes $(MINUTES)

ceiling: $(BENCH)  ## Measure the depth curve: success by number of steps, with and without each law
	$(BIN)/python bench/ceiling.py --write docs/measured

bench: $(BENCH)  ## Run every benchmark that needs no other model than the one in the package
	@set -e; for program in $(filter-out bench/zero_server.py bench/thinking.py bench/answers.py bench/tool_forms.py bench/real_%.py bench/memory_%.py,$(wildcard bench/*.py)); do echo "== $$program"; $(BIN)/python $$program; done

clean:  ## Remove .venv and every cache
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage build dist site

.venv/installed-%: pyproject.toml scripts/setup
	@echo "setting up .venv ($*)" >&2
	@PYTHON=$(PYTHON) scripts/setup $(subst +, ,$*)
	@touch $@
