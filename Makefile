# Everything a person does with this repository. `make demo` and `make test` need only python3, make
# and a C toolchain: .venv is made first, and the rest comes from package registries.

PY := .venv/bin/python
READY := .venv/.ready
# Trust what the machine trusts: a company's proxy may sign its own certificates.
export UV_SYSTEM_CERTS := 1

.PHONY: demo up test test-all test-again lint types fmt proto docs bench lock

demo: $(READY)            ## say a sentence, get a workflow, watch it run; ends by itself
	@.venv/bin/flowloom demo

up: $(READY)              ## the whole mesh on this machine, until Ctrl-C
	@.venv/bin/flowloom up

test: $(READY)            ## every level but the long ones; at most four minutes on two cores, who wait a lot
	@$(PY) -m pytest -n 3 --no-loadscope-reorder -q

test-all: $(READY)        ## test, and the long ones too
	@$(PY) -m pytest -n 2 --no-loadscope-reorder -q --long

test-again: $(READY)      ## what failed last, one by one, if that is at most three tests
	@$(PY) tests/again.py

lint: $(READY)            ## ruff, import-linter, buf
	@.venv/bin/ruff check . && .venv/bin/ruff format --check .
	@.venv/bin/lint-imports
	@.venv/bin/buf lint && .venv/bin/buf format --diff --exit-code

types: $(READY)           ## pyright, strict
	@.venv/bin/pyright

fmt: $(READY)             ## write what ruff and buf would have it
	@.venv/bin/ruff check --fix . ; .venv/bin/ruff format . ; .venv/bin/buf format --write

proto: $(READY)           ## compile proto/ into shared/pb/
	@$(PY) proto/generate.py

docs: $(READY)            ## write the reference pages that follow from the code
	@$(PY) docs/generate.py

bench: $(READY)           ## speed and memory, as a table
	@$(PY) -m bench

lock:                     ## resolve pyproject.toml anew into requirements.lock
	@$(or $(shell command -v uv),.venv/bin/uv) pip compile pyproject.toml --all-extras --universal \
	  --generate-hashes --no-header --no-annotate --quiet --output-file requirements.lock

$(READY): pyproject.toml requirements.lock $(wildcard proto/flowloom/*/v1/*.proto) proto/generate.py
	@python3 -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else f"Flowloom needs Python 3.11 or newer; python3 is {v[0]}.{v[1]}.")'
	@test -x $(PY) || python3 -m venv .venv
	@command -v uv >/dev/null || test -x .venv/bin/uv || $(PY) -m pip install --quiet uv
	@UV=$$(command -v uv || echo .venv/bin/uv); \
	  $$UV pip install --quiet --compile-bytecode --python $(PY) --require-hashes -r requirements.lock && \
	  $$UV pip install --quiet --python $(PY) --no-deps --editable .
	@touch $@
