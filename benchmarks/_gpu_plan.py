"""The steps of a session on a GPU in their order, the seconds planned for each, and what to expect.

All up to `best_accuracy` are planned for the first thirteen minutes, the others for later calls.
"""

from dataclasses import dataclass, field
from typing import Literal

_HOPPER = ("H100", "H200", "GH200")


@dataclass(frozen=True)
class Expected:
    """low, high: what a figure should be; below `least` or above `most` it is a surprise

    where: speeds are judged on the GPUs that they were estimated for; a rehearsal by what holds everywhere
    """

    low: float | None = None
    high: float | None = None
    least: float | None = None
    most: float | None = None
    where: Literal["hopper", "gpu", "everywhere"] = "hopper"

    def holds_on(self, device_name: str, cuda: bool) -> bool:
        """Whether a device is judged by this."""
        is_hopper = any(name in device_name for name in _HOPPER)
        return self.where == "everywhere" or (cuda and (self.where == "gpu" or is_hopper))

    def surprise(self, value: float) -> str | None:
        """What is wrong with a value; None if nothing is."""
        if self.least is not None and value < self.least:
            return f"{value:,.6g} is less than {self.least:,.6g}"
        if self.most is not None and value > self.most:
            return f"{value:,.6g} is more than {self.most:,.6g}"
        return None

    def __str__(self) -> str:
        low, high = (f"{value:,g}" if value is not None else "" for value in (self.low, self.high))
        return f"{low} to {high}" if low and high else f"at least {low}" if low else f"at most {high}"


@dataclass(frozen=True)
class Step:
    """seconds: planned on an H200; after twice as many, at least 60, a step is ended, which is a surprise

    about: what a reader should know; expected: by figure, on an H200 at full size. They are estimates from
    counts of operations and memory traffic, made without a GPU
    is_each_call: it belongs to every call; is_open: it takes what time is left, and goes on in the next call
    """

    name: str
    seconds: float
    about: str
    expected: dict[str, Expected] = field(default_factory=dict)
    is_each_call: bool = False
    is_open: bool = False


STEPS = (
    Step("machine", 10, "GPU, driver, clocks, versions", is_each_call=True),
    Step(
        "one_step",
        20,
        "resnet9 x.25 in fp32: captured steps against eager ones",
        {"largest difference of a weight": Expected(high=0.001, most=0.05, where="everywhere")},
    ),
    Step(
        "speed",
        65,
        "nomad_haet, captured unless eager is said: senet18 x1, batch 128 unless another is said",
        {
            "captured": Expected(50_000, 64_000, least=35_000),
            "captured, batch 512": Expected(57_000, 68_000, least=35_000),
            "eager": Expected(21_000, 25_000),
            "width .67, batch 512": Expected(85_000, 100_000, least=50_000),
            "resnet9": Expected(90_000, 115_000, least=50_000),
            "share of matrix products' rate": Expected(0.21, 0.27),
        },
    ),
    Step(
        "best",
        30,
        "40 steps of best: one graph without and one with SAM's second pass",
        {
            "one pool: lost at the switch": Expected(high=2, most=4),
            "graphs": Expected(2, 2, least=2, most=2, where="gpu"),
        },
    ),
    Step(
        "preparation",
        15,
        "an epoch's 5,000 images augmented; 1,000 images validated with best's views",
        {
            "nomad_haet": Expected(7, 15, most=50),
            "nomad_haet, drawn ahead": Expected(high=1, most=5, where="gpu"),
            "best": Expected(4, 8, most=50),
            "best, drawn ahead": Expected(high=1, most=5, where="gpu"),
            "validation": Expected(12, 20, most=100),
        },
    ),
    Step(
        "clock",
        60,
        "budgets of 10 s: batch 128, batch 512, batch 512 at 128 pixels",
        {"over the budget": Expected(-0.05, 0.005, least=-0.05, most=0.005, where="gpu")},
    ),
    Step("half", 25, "fp16 with its scaler beside bf16", {"fp16 / bf16": Expected(0.8, 1.2, least=0.5)}),
    Step(
        "optimizers",
        50,
        "milliseconds a step of senet18 x1, batch 128",
        {"sgd, captured": Expected(2.0, 2.6, most=4), "sgd, eager": Expected(5, 6)},
    ),
    Step("too_large", 60, "resnet18 x2 at 128 pixels: a batch of all images, and the largest that fits"),
    Step("waits", 20, "a network that waits, a capture that fails, and the network after them"),
    Step(
        "host",
        60,
        "a process and two forks at once; a training that is killed and goes on",
        {
            "process to first step": Expected(high=15),
            "fork to first step": Expected(high=3, most=15),
            "difference of the resumed loss": Expected(high=0.05, most=0.25, where="everywhere"),
        },
    ),
    Step("latency", 25, "forward passes of senet18 x1 in milliseconds"),
    Step("decoding", 15, "JPEGs of 500 x 375 pixels a second", {"first": Expected(low=150)}),
    Step(
        "compiled",
        120,
        "senet18 x1, batch 128: compiled passes in the graph, and outside of one, beside the graph alone",
        {"compiled_graph / graph": Expected(1.3, 1.6)},
    ),
    Step("tests", 75, "pytest -m gpu", {"failed": Expected(high=0, most=0, where="everywhere")}),
    Step("nomad_haet", 75, "NOMAD network, tuned, x.67; the paper has 87.8% of 10 runs", is_open=True),
    Step("best_accuracy", 55, "best on senet18; the aim is 90% of 10 runs", is_open=True),
    Step("resnet9_sam_ip", 75, "ResNet-9; the paper has 86.6%", is_open=True),
    Step("ingredients", 75, "best without each of its ingredients, in pairs", is_open=True),
)
