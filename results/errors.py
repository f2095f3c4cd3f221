"""Errors of the results database. Each message is one line: what is wrong and what to do.

StoreError
├── StoreUnavailable  cannot be opened, read or written: a folder, a disk, a server, not a database
│   └── ServerLost    the connection to its server broke, or none could be made
├── SchemaTooNew      made by a newer version of this project
├── SchemaTooOld      made by an older version, and opened only for reading
├── QuestionChanged   the recorded study has other settings
├── StudyLocked       another process is running the study
├── StudyLost         another process has taken over the study that this one was running
├── DeletionRefused   a study that waits in the queue or that others need, or nobody could be asked
├── NotOnRecord       no study, trial or model with that name
└── WeightsMissing    no weights of that network are kept
"""


class StoreError(Exception):
    """Base class of these errors."""


class StoreUnavailable(StoreError):
    """The database cannot be opened, read or written."""


class ServerLost(StoreUnavailable):
    """The connection to the server broke, or none could be made; the transaction was not written."""


class SchemaTooNew(StoreError):
    """The database was made by a newer version of this project, which this one would damage."""


class SchemaTooOld(StoreError):
    """The database was made by an older version, and reading never changes it."""


class QuestionChanged(StoreError):
    """The recorded study has other settings than those given now."""


class StudyLocked(StoreError):
    """Another process is running the study."""


class StudyLost(StoreError):
    """This process lost its lock, and another has taken over the study: this one cannot write any more."""


class DeletionRefused(StoreError):
    """The study waits in the queue, others need it, or there was nobody to be asked whether to delete it."""


class NotOnRecord(StoreError):
    """There is no study or model with that name, or no trial with that number."""


class WeightsMissing(StoreError):
    """No weights of the network are kept, or their files are gone."""


def missing_trial(study: str, number: int, last: int) -> NotOnRecord:
    """Return the error for a trial that a study does not have. last: its highest number, 0 without any"""
    there_are = f"there are 1 to {last}" if last else "there is none yet"
    return NotOnRecord(f"no trial {number} in study {study!r}; {there_are}")
