"""The ranked table of an evaluation for people: 88.12 ± 0.40% is a mean and the sample standard deviation."""

from collections.abc import Callable

import pandas as pd
from rich.table import Table

from results.cli.tables import Columns, Row, millions, number, percent, table_of


def evaluation_table(frame: pd.DataFrame) -> Table:
    """A row a pair of model and recipe, the best first. Differences are in points, taken run by run."""
    shown: Columns = {
        "#": lambda row: str(row["rank"]),
        "model": lambda row: row["model"],
        "recipe": lambda row: row["recipe"],
        "MACs": lambda row: millions(row["macs"]),
        "params": lambda row: millions(row["parameters"]),
        "n": lambda row: str(row["n"]),
        "failed": lambda row: str(row["failed"] or "-"),
        "open": lambda row: str(row["open"] or "-"),
        "test acc": _spread("test_accuracy"),
        "on 1,000": _spread("test_accuracy_1000"),
        "val acc": _spread("val_accuracy"),
        "train s": lambda row: number(row["train_seconds_mean"], 1),
        "difference": _difference,
    }
    idle = [name for name, column in _IDLE.items() if not frame[column].fillna(0).any()]
    return table_of(frame, {name: said for name, said in shown.items() if name not in idle})


_IDLE = {  # columns that are left out where they have nothing to say, and what says it
    "failed": "failed",
    "open": "open",
    "test acc": "test_accuracy_mean",
    "on 1,000": "test_accuracy_1000_mean",
    "val acc": "val_accuracy_mean",
    "difference": "difference_n",
}


def _spread(metric: str) -> Callable[[Row], str]:
    """88.12 ± 0.40%: the mean and the sample standard deviation over runs."""

    def said(row: Row) -> str:
        mean, std = row[f"{metric}_mean"], row[f"{metric}_std"]
        if pd.isna(mean):
            return "-"
        return percent(mean) if pd.isna(std) else f"{100 * mean:.2f} ± {percent(std)}"

    return said


def _difference(row: Row) -> str:
    """+0.31 ± 0.20 (8): mean and standard deviation in points, and the runs that both completed."""
    if pd.isna(row["difference_n"]):
        return "from this"
    if pd.isna(row["difference_mean"]):
        return "-"
    spread = "" if pd.isna(row["difference_std"]) else f" ± {100 * row['difference_std']:.2f}"
    return f"{100 * row['difference_mean']:+.2f}{spread} ({row['difference_n']})"
