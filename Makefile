# The two commands: `make demo` and `make test`. Each sets up what it needs, in .venv, and a second run is quick.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

.PHONY: demo test check bench long fuzz format clean help
.DEFAULT_GOAL := help

help: ## what can be made
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -e 's/:[^#]*## /	/' | expand -t 10

$(READY): pyproject.toml constraints.txt tools/setup.sh
	@sh tools/setup.sh "$(PYTHON)" "$(VENV)"
	@touch $(READY)

demo: $(READY) ## the main job from end to end, under two minutes
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh examples/demo.sh

test: $(READY) ## all tests, in two processes
	@PYTHONHASHSEED=0 $(BIN)/python -m pytest -n 2 --dist loadfile # both must collect the same, in one order

check: $(READY) ## ruff, mypy, import-linter, documents
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/check_docs.py

bench: $(READY) ## figures, as ratios to a limit measured in the same run
	@$(BIN)/python -m tools.bench

long: $(READY) ## what takes longer than a change may wait: kills of writers, imports, gates and workers, exhaustive flips
	@LINEAGE_LONG=1 $(BIN)/python -m pytest -m "" tests/test_log/test_kill.py tests/test_audit/test_flips.py tests/test_import_kill.py tests/test_gate_resume.py tests/test_api_workers.py tests/test_origin/test_judge_random.py tests/test_proofs/test_proof_mutants.py tests/test_proofs/test_proof_omissions.py tests/test_proofs/test_proof_fuzz.py

fuzz: $(READY) ## random ancestry proofs for ten minutes
	@$(BIN)/python -m tools.fuzz_proofs 600

format: $(READY) ## lay the code out
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean: ## remove what was made
	rm -rf $(VENV) .cache .demo .bench .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info
