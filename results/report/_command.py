"""The command that runs a study again, as far as it is recorded.

It is made from the recorded options, since the text that was typed is not recorded. A resumed study has its
latest budget. Where it ran (database, folders, executor) is not part of the study's settings.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from results.db.search_queue import repeatable, typed_words
from results.study_record import StudyRecord

_SUBJECTS = {"nas": "base", "hpo": "model"}  # each command's option for the network to start from
_ELSEWHERE = "add --db, --runs, --data-folder and --executor if they were given"


def command(study: StudyRecord) -> str:
    """Return the command line, or why it is not known."""
    request = study.request
    if request is None or request["kind"] not in _SUBJECTS:
        return (
            "not recorded: neither evaluations nor studies of earlier versions have one; see the "
            "study's settings"
        )
    program, subject = f"{request['kind']}-search", f"--{_SUBJECTS[request['kind']]}={request['subject']}"
    options = repeatable(request["kind"], request["options"])
    words = [
        program,
        subject,
        *typed_words({name: value for name, value in options.items() if name != "study"}),
        *_trainer(study.study["question"]),
    ]
    return f"{shlex.join([*words, f'--study={study.name}'])} ({_ELSEWHERE})"


def _trainer(question: Mapping[str, Any]) -> list[str]:
    trainer = question.get("trainer", "built in")
    return [] if trainer == "built in" else [f"--trainer={trainer}"]
