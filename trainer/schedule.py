"""Shares of the base learning rate as pure functions of progress in [0, 1].

Progress is the share of the budget's steps, never of the time: the same trial
runs the same schedule on any machine.
"""

import math


def cosine(progress: float) -> float:
    """From 1 down to 0 along half a cosine (Loshchilov and Hutter 2017, without restarts)."""
    return (1 + math.cos(math.pi * progress)) / 2
