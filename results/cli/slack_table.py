"""The slack of a study for people: what giving up accuracy would save."""

import pandas as pd
from rich.table import Table

from results.cli.tables import half, percent, plain, sizes, table_of


def slack_table(frame: pd.DataFrame) -> Table:
    """Two rows a bound: the cheapest network whose mean keeps it, and the cheapest that surely does."""
    return table_of(
        frame,
        {
            "slack": lambda row: f"{100 * row['slack']:+.2f}",
            "bound": lambda row: percent(row["bound"]),
            "by": lambda row: row["evidence"],
            "trial": plain("trial"),
            **sizes(frame),
            "val acc": lambda row: percent(row["mean_accuracy"]),
            "+-": lambda row: percent(half(row)),
            "n": plain("trainings"),
            "probability": lambda row: percent(row["probability"], 1),
        },
    )
