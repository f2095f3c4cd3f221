"""What must hold before a study runs, beyond what its options say by themselves."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import URL

from orchestrator import again, budget
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
    whole = budget.asked(inquiry.request, inquiry.training.budget, inquiry.training.device)
    enough = again.searched(whole, inquiry.request, ()).trainings_by_hours(())
    if enough is not None and enough <= before:
        raise BadOption(
            f"--max-gpu-hours {whole.slot_hours:g} leaves hours for {enough} trainings, less than {before} "
            "of the base network and one of the search; give more"
        )
