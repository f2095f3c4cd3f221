"""The report of a study: one HTML page that contains everything it needs.

The page loads nothing from the network: plotly.js is part of it. A content security policy allows only the
page's own two scripts, by their hashes. A script in a name or a log is shown as text, and could not run.
"""

import re
from collections.abc import Sequence
from pathlib import Path

from results import study_record
from results.export import write_text
from results.queries import Database
from results.report._page import page
from results.report._pictures import PicturesUnavailable, write_pictures

__all__ = ["PicturesUnavailable", "page", "write", "write_pictures"]


def write(
    db: Database,
    study: str,
    out: Path | None = None,
    compare: str | None = None,
    pictures: Path | None = None,
    trials: Sequence[int] = (),
) -> list[Path]:
    """Write the page of a study, STUDY.html by default, and its plots as files to the folder `pictures`.

    trials: whose learning curves, losses and rates are shown; all without any
    Returns the files, the page first. Raises StoreError for an unknown study or trial, ExportError if the
    page cannot be written, and PicturesUnavailable if the plots cannot be drawn.
    """
    shown = study_record.read_study(db, study)
    to = out or Path(re.sub(r"[^\w.-]", "_", study) + ".html")
    other = study_record.read_study(db, compare) if compare is not None else None
    written, figures = page(shown, other, to.parent, trials)
    write_text(written, to, "--out")
    return [to, *(write_pictures(figures, pictures) if pictures else ())]
