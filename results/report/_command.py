"""The command that asks a study's question again, as far as the record holds it.

It is made of the options that were settled, for the words that were typed are not on record. A study that was
resumed has its latest budget. Where it ran (its record, folders, executor) is no part of the question.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from results.db.search_queue import repeatable
from results.study_record import StudyRecord

_SUBJECTS = {"nas": "base", "hpo": "model"}  # how each command calls what it starts from
_ELSEWHERE = "--db, --runs, --data-folder and --executor are to be added where they were given"


def command(study: StudyRecord) -> str:
    """Return the command line, or why there is none."""
    request = study.request
    if request is None or request["kind"] not in _SUBJECTS:
        return "not on record: evaluations keep none, nor do studies of earlier versions; see the question"
    program, subject = f"{request['kind']}-search", f"--{_SUBJECTS[request['kind']]}={request['subject']}"
    words = [
        program,
        subject,
        *_flags(repeatable(request["kind"], request["options"])),
        *_trainer(study.study["question"]),
    ]
    return f"{shlex.join([*words, f'--study={study.name}'])} ({_ELSEWHERE})"


def _flags(options: Mapping[str, Any]) -> list[str]:
    words = []
    for name, value in options.items():
        flag = f"--{name.replace('_', '-')}"
        values = value if isinstance(value, list) else [value]
        words += [flag if one is True else f"{flag}={one}" for one in values if name != "study"]
    return words


def _trainer(question: Mapping[str, Any]) -> list[str]:
    trainer = question.get("trainer", "built in")
    return [] if trainer == "built in" else [f"--trainer={trainer}"]
