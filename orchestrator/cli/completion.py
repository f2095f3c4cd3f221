"""Values that a shell offers for an option: names of networks, models, recipes, studies and choices."""

from __future__ import annotations

import importlib.util
import pkgutil
from collections.abc import Callable, Iterable
from pathlib import Path

import typer

from orchestrator.spec.options import Option
from results import file_names


def complete(option: Option) -> Callable[[typer.Context], list[str]] | None:
    """Return what finds the values to offer; None for an option of which none are known."""
    offer = _OFFERS.get(option.name)
    if offer is None and not option.choices:
        return None

    def values(context: typer.Context) -> list[str]:
        return [*option.choices, *(offer(_database(context)) if offer else ())]

    return values


def _networks(database: str) -> Iterable[str]:
    from orchestrator.spec.base_model import BUILT_IN

    return [*_plugins("models"), *BUILT_IN, *_recorded(database, "models")]


def _recipes(database: str) -> Iterable[str]:
    return _plugins("recipes")


def _studies(database: str) -> Iterable[str]:
    return _recorded(database, "studies")


_OFFERS = {
    **dict.fromkeys(("base", "model"), _networks),
    **dict.fromkeys(("study", "warm_start"), _studies),
    "recipe": _recipes,
}


def _plugins(folder: str) -> list[str]:
    """Return the names of the trainer's files in this folder, without importing it."""
    found = importlib.util.find_spec("trainer")
    places = found.submodule_search_locations if found else None
    modules = pkgutil.iter_modules([str(Path(place) / folder) for place in places or ()])
    return sorted(module.name for module in modules if not module.name.startswith("_"))


def _recorded(database: str, what: str) -> list[str]:
    """Return the names of the recorded models or studies; none where there is no database."""
    # sqlalchemy: only to complete these
    from results.db.store import Store
    from results.errors import StoreError

    try:
        with Store(database, read_only=True) as store:
            return list(dict.fromkeys(row.name for row in getattr(store, what)()))
    except StoreError:
        return []


def _database(context: typer.Context) -> str:
    """Return the results database that the words typed so far name."""
    runs = Path(context.params.get("runs") or "runs").expanduser()
    return str(context.params.get("db") or runs / file_names.DATABASE)
