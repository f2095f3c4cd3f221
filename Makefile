# Every target but gpu-session makes the environment first if it is not there, and anew where another PYTHON made it;
# VENV is where.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
MADE := $(VENV)/interpreter
# whatever environment PYTHON itself is in
INTERPRETER := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2], sys.base_prefix)')

# one thread a process: two processes of two threads on two cores are many times slower;
# and bytecode is kept, for tests start many processes
test test-slow test-slurm: export OMP_NUM_THREADS := 1
test test-slow test-slurm: export PYTHONDONTWRITEBYTECODE :=

.PHONY: install demo check test test-slow test-slurm test-docker test-gpu benchmark benchmark-trainer gpu-session pictures

install: $(INSTALLED)

ifneq ($(INTERPRETER),$(shell cat $(MADE) 2>/dev/null))
.PHONY: $(MADE)
endif

# what is cleared is an environment that was made here, and no other folder
$(MADE):
	$(PYTHON) -m venv $(if $(wildcard $(MADE) $(INSTALLED)),--clear) $(VENV)
	echo '$(INTERPRETER)' > $@

$(INSTALLED): pyproject.toml $(MADE)
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

demo: install
	$(BIN)/nas-search --base senet18 --demo

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

test: install
	$(BIN)/pytest -n 2

test-slow: install
	$(BIN)/pytest -m slow --timeout 3000
	$(BIN)/pytest -m hypothesis --hypothesis-profile thorough --timeout 3000

# as root, with Debian's slurm-wlm and munge: a cluster of two nodes on this machine, made and thrown away
test-slurm: install
	$(BIN)/pytest -m slurm --timeout 600

# builds both images and runs them: with Docker, or as root with buildah (tests/test_docker_images.py)
test-docker: install
	$(BIN)/pytest -s -m docker --timeout 3600

test-gpu: install
	$(BIN)/pytest -m gpu --timeout 600

benchmark: install
	$(BIN)/python benchmarks/orchestration.py

# on this machine, GPU or not: speed beside the papers' way of training, and whether budgets are kept
benchmark-trainer: install
	$(BIN)/python benchmarks/trainer_speed.py
	$(BIN)/python benchmarks/overshoot.py

# thirteen minutes of a GPU at most; say it again to go on (docs/reproduction.md). It installs nothing: PYTHON may be
# that of a machine without a network, which has what the trainer needs and nothing of a search
gpu-session: export PYTHONPATH := $(CURDIR)
gpu-session:
	$(if $(wildcard $(INSTALLED)),$(BIN)/python,$(PYTHON)) benchmarks/gpu.py $(SESSION)

# docs/images from today's output, of a demo that it runs (with apt-get's chromium and chromium-driver)
pictures: install
	$(BIN)/python benchmarks/pictures.py
