"""What a training script needs to be searched over: its settings, and lines that say what it reached.

    from trainer.protocol import trial

    config = trial(lr=0.1, layers=2)  # these values if the script is run by hand
    for epoch in range(100):
        ...
        trial.report(epoch=epoch, val_accuracy=accuracy)

The last line reported is the result. Nothing here imports torch. docs/scripts.md is about the rest.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

TRIAL = "NAS_TRIAL"  # the variable with the path of trial.json, in a search
_BY_HAND: dict[str, Any] = {"hyperparameters": {}, "budget": {}, "seed": 0}


@dataclass(frozen=True)
class TrialSettings(Mapping[str, Any]):
    """The searched variables by name, and what the search asks of this training besides.

    seed: differs between the repeats of one candidate
    budget_seconds: after which the script is stopped; None: there is no such limit
    budget_steps: as given by --budget; nothing checks it
    """

    values_by_name: Mapping[str, Any]
    seed: int = 0
    budget_seconds: float | None = None
    budget_steps: int | None = None

    def __getitem__(self, name: str) -> Any:
        return self.values_by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.values_by_name)

    def __len__(self) -> int:
        return len(self.values_by_name)


class _Trial:
    def __call__(self, **usual: Any) -> TrialSettings:
        """Return the settings of this training: those of the search, and of `usual` what it does not set.

        Without a search they are `usual`. Raises OSError or ValueError if trial.json cannot be read.
        """
        path = os.environ.get(TRIAL)
        asked = _BY_HAND
        if path:
            with open(path, encoding="utf-8") as file:
                asked = json.load(file)
        budget = asked["budget"]
        values = {**usual, **asked["hyperparameters"]}
        return TrialSettings(values, asked["seed"], budget.get("seconds"), budget.get("steps"))

    def report(self, **numbers: Any) -> None:
        """Print a line with what the training has reached, such as `val_accuracy` in [0, 1].

        epoch, progress: where it is; progress is in [0, 1], and early stopping reads it
        Raises TypeError or ValueError for what JSON cannot hold.
        """
        print(json.dumps(numbers, allow_nan=False), flush=True)  # noqa: T201


trial = _Trial()
