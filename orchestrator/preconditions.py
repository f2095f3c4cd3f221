"""What must hold before a study runs, beyond what its options say by themselves."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import URL

from orchestrator.inquiry import Inquiry
from orchestrator.options import BadOption


def own(folder: Path, url: URL) -> None:
    """Make a study's folder; raise BadOption for one that holds the trials of another database.

    A file is named relative to the folder, so that both may move together.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if url.get_backend_name() == "sqlite" and url.database:
        database = os.path.relpath(url.database, folder)
    else:
        database = url.render_as_string(hide_password=True)
    owner = folder / "database.txt"
    if not owner.exists():
        owner.write_text(database + "\n")
    elif owner.read_text().strip() != database:
        raise BadOption(
            f"{folder} holds trials on record in {owner.read_text().strip()}; give another --runs or --study"
        )


def check_budget(inquiry: Inquiry) -> None:
    """Raise BadOption where the replicates leave no training, or no hours for one, to the search."""
    before = inquiry.replicates
    if inquiry.request.trials <= before:
        raise BadOption(
            f"--trials {inquiry.request.trials} leaves none for the search, after {before} of the base "
            f"network; give at least {before + 1}"
        )
    hours, seconds = inquiry.request.max_gpu_hours, inquiry.training.budget.seconds
    if hours is not None and seconds is not None and 3600 * hours < (before + 1) * seconds:
        raise BadOption(
            f"--max-gpu-hours {hours:g} is less than {before} trainings of the base network and one of the "
            f"search take; give more than {(before + 1) * seconds / 3600:.3g}"
        )
