"""The fake trainer as one that also knows `host`: the real host and supervisors around fake trainings.

HOST_FAULT in its environment: slow (its imports take until there is a file READY), broken (they fail), deaf
(it never greets), threads (it leaves a thread running). TRIAL_SOURCE: what its trials run instead.
"""

import os
import runpy
import sys
import threading
import time
from pathlib import Path

FAKE_TRAINER = Path(__file__).resolve().with_name("fake_trainer.py")


def main() -> None:
    fault = os.environ.get("HOST_FAULT", "")
    if sys.argv[1:] != ["host"]:
        program()
    elif fault == "deaf":
        time.sleep(600)
    else:
        sys.path.insert(0, str(FAKE_TRAINER.parents[1]))
        from trainer import host

        host.serve(lambda: prepare(fault), program)


def prepare(fault: str) -> None:
    while fault == "slow" and not os.path.exists(os.environ["READY"]):
        time.sleep(0.01)
    if fault == "broken":
        raise ImportError("broken as asked")
    if fault == "threads":
        threading.Thread(target=time.sleep, args=(600,), daemon=True).start()


def program() -> None:
    source = os.environ.get("TRIAL_SOURCE")
    if source:
        exec(source, {"__name__": "__main__"})
    else:
        runpy.run_path(str(FAKE_TRAINER), run_name="__main__")


if __name__ == "__main__":
    main()
