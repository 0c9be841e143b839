# Text Diffusion Lab. `make app` installs and opens the lab, `make test` installs and runs every test.
#
#   make PYTHON=/path/to/python3.12 app     choose the Python that creates .venv (3.11 or 3.12)
#   make app ARGS="--device cpu"            arguments for app.py
#   make test PYTEST_ARGS="-k space"        arguments for pytest
#   make test WORKERS=4                     processes that share the tests (2 unless told); 0 for none beside pytest's own
#   make app TORCH_INDEX=                   take torch from PyPI alone (on Linux its build for NVIDIA GPUs, 3 GB); where no
#                                           GPU is found, its CPU index (200 MB) is looked at too

VENV        := .venv
PYTHON      ?=
TORCH_INDEX ?= $(if $(shell command -v nvidia-smi),,https://download.pytorch.org/whl/cpu)
ARGS        ?=
PYTEST_ARGS ?=
WORKERS     ?= 2

BIN         := $(VENV)/bin
PIP         := $(BIN)/python -m pip --disable-pip-version-check install
TORCH       := $(shell sed -n 's/^\(torch==[0-9.]*\).*/\1/p' constraints.txt)
PYTEST      := $(BIN)/python -m pytest --numprocesses $(WORKERS) --dist worksteal
FIND_PYTHON := sh scripts/find_python.sh $(if $(PYTHON),"$(PYTHON)")

.PHONY: help app test test-fast lint resolve space clean
.DELETE_ON_ERROR:

help:
	@sed -n '/^#/!q; s/^# \{0,1\}//p' Makefile
	@echo
	@echo "Targets: app, test, test-fast (no browser, nothing slow), lint, resolve, space, clean"

app: $(VENV)/.run-time
	$(BIN)/python app.py $(ARGS)

test: $(VENV)/.development
	$(PYTEST) $(PYTEST_ARGS)

test-fast: $(VENV)/.development
	$(PYTEST) -m "not slow and not browser" $(PYTEST_ARGS)

lint: $(VENV)/.development
	$(BIN)/python -m ruff check .

# Do the ranges of requirements.txt resolve on the platforms of a ZeroGPU Space? Reads metadata only, installs nothing.
resolve: $(VENV)/.development
	@for torch in 2.9.1 2.11.0; do \
	  printf 'torch==%s\n' $$torch | $(BIN)/python -m uv pip compile --quiet --no-config --python-version 3.12 \
	    --python-platform x86_64-manylinux_2_28 --constraints /dev/stdin requirements.txt >/dev/null \
	    && echo "Python 3.12 with torch $$torch: resolves" || exit 1; \
	done

space:
	@python="$$($(FIND_PYTHON))" && "$$python" scripts/space.py

clean:
	rm -rf build .pytest_cache .ruff_cache .hypothesis .gradio
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

# Each stamp says which requirement files its environment was built from. torch goes first and by its exact version, so
# that no other package's range chooses a different build of it.
$(BIN)/python:
	@python="$$($(FIND_PYTHON))" && echo "Creating $(VENV) with $$python" && "$$python" -m venv --clear $(VENV)

$(VENV)/.run-time: requirements.txt constraints.txt | $(BIN)/python
	@sh scripts/find_python.sh $(BIN)/python >/dev/null
	$(PIP) $(TORCH) --no-deps $(if $(TORCH_INDEX),--retries 1 --timeout 15 --extra-index-url $(TORCH_INDEX))
	$(PIP) -r requirements.txt -c constraints.txt
	@touch $@

$(VENV)/.development: requirements-dev.txt requirements-train.txt $(VENV)/.run-time
	$(PIP) -r requirements-train.txt -r requirements-dev.txt -c constraints.txt
	@touch $@
