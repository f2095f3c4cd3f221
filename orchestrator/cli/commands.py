"""The commands, and what each does with its options."""

from __future__ import annotations

from orchestrator.cli.options import Given, run_command
from orchestrator.evaluation.options import EvaluationOptions
from orchestrator.spec.search_options import HpoOptions, NasOptions, SearchOptions
from orchestrator.training.options import TrainingOptions

# what runs a study is imported by the command that needs it: --help answers at once


def nas_search() -> None:
    """The entry point `nas-search`."""
    run_command(NasOptions, lambda given: _search(NasOptions, given))


def hpo_search() -> None:
    """The entry point `hpo-search`."""
    run_command(HpoOptions, lambda given: _search(HpoOptions, given))


def nas_evaluate() -> None:
    """The entry point `nas-evaluate`."""
    run_command(EvaluationOptions, _evaluate)


def nas_train() -> None:
    """The entry point `nas-train`."""
    run_command(TrainingOptions, _train)


def _search(model: type[SearchOptions], given: Given) -> None:
    from orchestrator.cli import main

    if "server" in given:
        from orchestrator.cli import client
        from orchestrator.console import json_lines

        emit_end = json_lines.emit_end if given.get("json") else None
        main.report_errors(model.program, lambda: client.start(model, given), emit_end)
    else:
        from orchestrator.study.check_trainer import check_trainer
        from orchestrator.study.plan import show_plan
        from orchestrator.study.run import run_study

        show = check_trainer if given.get("check_trainer") else show_plan
        main.answer(model, given, run_study, show)


def _evaluate(given: Given) -> None:
    from orchestrator.cli import main
    from orchestrator.evaluation.run import run_evaluation, show_plan

    main.answer(EvaluationOptions, given, run_evaluation, show_plan)


def _train(given: Given) -> None:
    from orchestrator.cli import main
    from orchestrator.training.run import run_training, show_plan

    main.answer(TrainingOptions, given, run_training, show_plan)
