"""How long a report takes, and how large its page is, by the number of a study's trials.

    python benchmarks/report.py [--trials 0,1,100,1000,5000] [--out FILE.json]

Seconds are of the processor, one run each: reading the record, drawing the figures, writing the page.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

from _records import write_study
from _setting import setting

from results import report, study_record

DISTRIBUTIONS = ("nomad-nas", "plotly", "pandas", "optuna", "sqlalchemy", "jinja2")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--trials", default="0,1,100,1000,5000", help="numbers of trials, with commas")
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    measured = setting(DISTRIBUTIONS)
    measured["runs"] = [_measured(int(count)) for count in asked.trials.split(",")]
    if asked.out:
        asked.out.write_text(json.dumps(measured, indent=1) + "\n")


def _measured(trials: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        db = f"{folder}/results.db"
        write_study(db, "s", trials)
        began = time.process_time()
        study = study_record.read_study(db, "s")
        read = time.process_time()
        page, _ = report.page(study)
        written = time.process_time()
    run = {
        "trials": trials,
        "read_seconds": round(read - began, 2),
        "page_seconds": round(written - read, 2),
        "page_megabytes": round(len(page.encode()) / 1e6, 2),
    }
    print(json.dumps(run))
    return run


if __name__ == "__main__":
    main()
