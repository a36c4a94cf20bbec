# `make study` and `make test` need nothing but Python 3.11 and pip: they make .venv themselves.
PYTHON ?= python3.11
BIN := .venv/bin
INSTALL := $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt
# Two test files at a time, for most of a test is one core compiling; and one thread for each, for
# PyTorch's threads wait for each other in a loop. In order, for files of few tests take longest.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

.PHONY: study test lint clean

study: .venv/study
	@echo "== running studies/quickstart.py (about 8 minutes on two cores) =="
	$(BIN)/rgf study run studies/quickstart.py --workers 2

test: .venv/test lint
	@echo "== all tests on PyTorch, which starts at once =="
	KERAS_BACKEND=torch $(PYTEST)
	@echo "== backend tests on TensorFlow =="
	KERAS_BACKEND=tensorflow $(PYTEST) -m "backend and not slow"
	@echo "== backend tests on JAX =="
	KERAS_BACKEND=jax $(PYTEST) -m "backend and not slow"

lint: .venv/test
	@echo "== ruff and mypy =="
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

.venv/bin/python:
	@echo "== making .venv =="
	$(PYTHON) -m venv .venv

.venv/study: .venv/bin/python pyproject.toml constraints.txt
	@echo "== installing rgf_keras with TensorFlow (a few minutes) =="
	$(INSTALL) -e .
	@touch $@

.venv/test: .venv/bin/python pyproject.toml constraints.txt
	@echo "== installing rgf_keras with TensorFlow, JAX, PyTorch and the test tools (minutes) =="
	$(INSTALL) -e ".[jax,torch,postgres,cluster,test]"
	@touch $@

clean:
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache
