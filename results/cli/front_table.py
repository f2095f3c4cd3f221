"""The front of a study for people: what each step in size buys in accuracy."""

import pandas as pd
from rich.table import Table

from results.cli.tables import half, percent, plain, sizes, table_of


def front_table(frame: pd.DataFrame) -> Table:
    """A row a network, the smallest first."""
    return table_of(
        frame,
        {
            "trial": plain("trial"),
            **sizes(frame),
            "val acc": lambda row: percent(row["mean_accuracy"]),
            "+-": lambda row: percent(half(row)),
            "n": plain("trainings"),
            "probability": lambda row: percent(row["probability"], 1),
            "status": plain("status"),
        },
    )
