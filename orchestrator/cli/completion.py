"""Values that a shell offers for an option: names of networks, models, recipes, studies and choices."""

from __future__ import annotations

import importlib.util
import os
import pkgutil
from collections.abc import Callable
from pathlib import Path

import typer

from orchestrator.spec.command_options import Option
from results import file_names
from results.cli.options import recorded_names


def complete(option: Option) -> Callable[[typer.Context], list[str]] | None:
    """Return what finds the values to offer; None for an option of which none are known."""
    offer = _OFFERS.get(option.name)

    def values(context: typer.Context) -> list[str]:
        typed = context.params
        folder = (
            typed["folder"] if "folder" in typed else typed.get("runs")
        )  # of commands where --runs is a number, of others
        usual = Path(folder or "runs").expanduser() / file_names.DATABASE
        database = str(typed.get("db") or os.environ.get("NAS_DB") or usual)
        return list(dict.fromkeys([*option.choices, *(offer(database) if offer else ())]))

    return values if offer or option.choices else None


def _networks(database: str) -> list[str]:
    from orchestrator.spec.base_model import BUILT_IN  # sqlalchemy: only to complete

    return [*_plugins("models"), *BUILT_IN, *recorded_names("models", database)]


def _plugins(folder: str) -> list[str]:
    """Return the names of the trainer's files in this folder, without importing it."""
    found = importlib.util.find_spec("trainer")
    places = found.submodule_search_locations if found else None
    modules = pkgutil.iter_modules([str(Path(place) / folder) for place in places or ()])
    return sorted(module.name for module in modules if not module.name.startswith("_"))


_OFFERS: dict[str, Callable[[str], list[str]]] = {
    "base": _networks,
    "model": _networks,
    "init": lambda database: recorded_names("models", database),
    "data": lambda database: ["digits", "cifar10", "torchvision:", "npz:", "folder:", "csv:"],
    "recipe": lambda database: _plugins("recipes"),
    "study": lambda database: recorded_names("studies", database),
    "warm_start": lambda database: recorded_names("studies", database),
}
