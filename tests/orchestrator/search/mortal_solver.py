"""A solver that counts upwards from its seed, and dies as its arguments say.

Arguments: after how many answers it dies, by what (`exit`, `signal` or `kill`), and for which seeds
(comma-separated). It speaks the messages of orchestrator/solvers/__main__.py.
"""

import json
import os
import signal
import sys

SIGNALS = {"signal": signal.SIGSEGV, "kill": signal.SIGKILL}


def main(lifetime: int, death: str, mortal_seeds: set[int]) -> None:
    seed = json.loads(sys.stdin.readline())["problem"]["seed"]
    for answers in range(1000):
        if answers == lifetime and seed in mortal_seeds:
            if death in SIGNALS:
                os.kill(os.getpid(), SIGNALS[death])
            sys.exit("as asked")
        sys.stdout.write(json.dumps({"ask": [{"x": (seed + answers) % 5000}]}) + "\n")
        sys.stdout.flush()
        if not sys.stdin.readline():
            return


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], set(map(int, sys.argv[3].split(","))))
