"""A solver that makes the network narrower step by step, and expects to save half as much each time.

It speaks the messages of orchestrator/solvers/__main__.py.
"""

import json
import sys


def main() -> None:
    start = json.loads(sys.stdin.readline())["problem"]["start"]
    for step in range(16):
        point = {**start, "width": 1 - step / 32}
        ask = {"point": point, "replicate": 0, "belief": {"expected_saving": 0.5**step}}
        sys.stdout.write(json.dumps({"ask": [ask]}) + "\n")
        sys.stdout.flush()
        if not sys.stdin.readline():
            return


if __name__ == "__main__":
    main()
