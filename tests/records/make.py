"""Make records of the version that is checked out at ROOT, for `test_earlier_records.py` to resume.

Run once a version, with its own tests/fake_trainer.py: `python tests/records/make.py ROOT FOLDER`. Each study
is run whole, for the rows to expect (NAME.json), and again until it is killed in the middle (NAME.sql).
NAME.txt is the command. All trials are audited, for when one is stopped early depends on how fast they run.
"""

import json
import os
import shlex
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

USUAL = (
    "--data fake:sleep=0.03 --budget 10steps --device cpu --slots 2 --trainer 'python tests/fake_trainer.py'"
)
NAS = "nas-search --base senet18"
CHECKED = f"{NAS} --tolerance 0.01 --replicates 2 --confirm 2 --audit 1"
STUDIES = {
    "nas": f"{CHECKED} --solver random --trials 24",
    "nomad": f"{CHECKED} --solver nomad --trials 24",
    "hpo": "hpo-search --model resnet18 --solver random --trials 16 --audit 1",
    "recipe": "hpo-search --model senet18 --space recipe --solver random --trials 12 --audit 1",
    "front": f"{NAS} --minimise macs --maximise accuracy --solver random --trials 16 --audit 1",
    "evaluation": "nas-evaluate --model senet18 --model resnet18 --runs 4",
    "stacked": f"{CHECKED} --solver random --trials 16 --stack 2",
}
JSON = ("point", "channels", "blocks", "constraints", "config")
COMPARED = (
    *("number", "purpose", "state", "reason", "network_key", "replicate", "of_trial_number", "macs"),
    *("parameters", "resolution_pixels", "val_accuracy", "val_loss", "test_accuracy", "test_accuracy_1000"),
    *("objective", "audited", "stop_progress", "predicted_accuracy", "stop_bound", "seed", "subset_seed"),
    *("exit_code", "verdict", *JSON),
)
ENDED_BEFORE_THE_KILL = 6


def main(root: Path, out: Path) -> None:
    for name, words in STUDIES.items():
        command = f"{words} {USUAL} --study {name}"
        (out / f"{name}.txt").write_text(f"{command}\n")
        with TemporaryDirectory() as folder:
            begun(root, command, Path(folder)).wait()
            (out / f"{name}.json").write_text(as_text(expected(Path(folder) / "results.db")))
        with TemporaryDirectory() as folder:
            database = Path(folder) / "results.db"
            search = begun(root, command, Path(folder))
            while ended(database) < ENDED_BEFORE_THE_KILL:
                time.sleep(0.002)
            search.send_signal(signal.SIGKILL)
            search.wait()
            time.sleep(2)  # its trainings end with it, and leave their files
            with closing(sqlite3.connect(database)) as connection:
                dump = "\n".join(connection.iterdump())
            (out / f"{name}.sql").write_text(dump.replace(folder, "/records") + "\n")


def begun(root: Path, command: str, folder: Path) -> subprocess.Popen[str]:
    """Start a command of the version at `root`, with its record in `folder`."""
    program, *options = shlex.split(command)
    code = (
        "import sys; from importlib.metadata import entry_points; sys.argv = sys.argv[1:]; "
        "[found] = entry_points(group='console_scripts', name=sys.argv[0]); found.load()()"
    )
    where = "--runs" if program != "nas-evaluate" else "--folder"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return subprocess.Popen(
        [sys.executable, "-P", "-c", code, program, *options, where, str(folder)],
        cwd=root,
        env=os.environ | {"PYTHONPATH": str(root), "PATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(database: Path) -> int:
    """How many trials beyond the baseline have ended."""
    query = "SELECT COUNT(*) FROM trials WHERE state != 'running' AND purpose != 'baseline'"
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            return int(connection.execute(query).fetchone()[0])
    except sqlite3.Error:
        return 0


def expected(database: Path) -> dict[str, Any]:
    """How a study ended: its message, bound and models, and its trials without times and places."""
    with closing(sqlite3.connect(database)) as connection:
        asked = ", ".join(COMPARED)
        rows = connection.execute(f"SELECT {asked} FROM trials ORDER BY number").fetchall()
        models = connection.execute("SELECT name, status, val_accuracy FROM models ORDER BY name").fetchall()
        study = connection.execute("SELECT state, message, min_accuracy FROM studies").fetchone()
    trials = [dict(zip(COMPARED, row, strict=True)) for row in rows]
    for trial in trials:
        trial.update({name: trial[name] and json.loads(trial[name]) for name in JSON})
    known = dict(zip(("state", "message", "min_accuracy"), study, strict=True))
    return known | {"models": [list(model) for model in models], "trials": trials}


def as_text(study: dict[str, Any]) -> str:
    """JSON with a line a trial, so that a difference can be read."""
    trials = ",\n".join(f"  {json.dumps(trial)}" for trial in study["trials"])
    rest = json.dumps({key: value for key, value in study.items() if key != "trials"})
    return f'{rest[:-1]}, "trials": [\n{trials}\n]}}\n'


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve())
