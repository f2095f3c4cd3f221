"""What can be wrong with a record. Each message is one line for the user: what is wrong and what to do.

StoreError
├── StoreUnavailable  cannot be opened, read or written: a folder, a disk, a server, not a database
│   └── ServerLost    the connection to its server broke, or none could be made
├── SchemaTooNew      made by a newer version of this project
├── SchemaTooOld      made by an older version, and opened only for reading
├── QuestionChanged   the study on record asks something else
├── StudyLocked       another process is running the study
├── StudyLost         another process has taken the study from the one that was running it
└── NotOnRecord       no study or trial of that name
"""


class StoreError(Exception):
    """The base of all of these."""


class StoreUnavailable(StoreError):
    """The database cannot be opened, read or written."""


class ServerLost(StoreUnavailable):
    """The connection to the server broke, or none could be made; nothing of the transaction is on record."""


class SchemaTooNew(StoreError):
    """The database was made by a newer version of this project, which this one would damage."""


class SchemaTooOld(StoreError):
    """The database was made by an older version, and reading never changes it."""


class QuestionChanged(StoreError):
    """The study on record asks another question than the one asked now."""


class StudyLocked(StoreError):
    """Another process is running the study."""


class StudyLost(StoreError):
    """This process had lost its lock, and another has taken up the study: it can write nothing more."""


class NotOnRecord(StoreError):
    """There is no study, or no trial, of that name or number."""
