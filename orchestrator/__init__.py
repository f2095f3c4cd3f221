"""Ask a solver for candidates, train each within its budget, and record every result.

The Python API is here: `from orchestrator import nas_search, hpo_search, evaluate, train, load_study,
load_model` (docs/api.md).
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestrator.api import (
        BadOption,
        StudyResult,
        evaluate,
        hpo_search,
        load_model,
        load_study,
        nas_search,
        train,
    )

__all__ = [
    "BadOption",
    "StudyResult",
    "evaluate",
    "hpo_search",
    "load_model",
    "load_study",
    "nas_search",
    "train",
]


def __getattr__(name: str) -> Any:
    """Import the API when it is first used: every command imports this package."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from orchestrator import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
