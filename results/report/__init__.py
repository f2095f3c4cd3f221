"""The report of a study: one HTML page for people, with everything in it.

The page asks no network for anything: plotly.js stands in it, and a content security policy lets the browser
run the page's own two scripts, by their hashes, and nothing else. So a name or a log that holds a script is
shown as text, and would not run if it were not.
"""

import re
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
) -> list[Path]:
    """Write the page of a study, STUDY.html by default, and its plots as files to the folder `pictures`.

    Returns the files, the page first. Raises StoreError for a study there is not, its ExportError where the
    page cannot be written, and its PicturesUnavailable where the plots cannot be drawn.
    """
    shown = study_record.read_study(db, study)
    written, figures = page(shown, study_record.read_study(db, compare) if compare is not None else None)
    to = out or Path(re.sub(r"[^\w.-]", "_", study) + ".html")
    write_text(written, to, "--out")
    return [to, *(write_pictures(figures, pictures) if pictures else ())]
