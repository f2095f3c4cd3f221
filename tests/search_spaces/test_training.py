import pytest

from search_spaces import Choice, Real, training


def test_the_space_is_the_papers() -> None:
    rate, decay, optimizer, batch = training.space().variables
    assert rate == Real("learning_rate", 1e-3, 0.6)
    assert decay == Choice("weight_decay", (0.0, 5e-5, 5e-4, 5e-3, 0.05, 0.5), ordered=True)
    assert batch == Choice("batch_size", (128, 256, 512), ordered=True)
    assert set(optimizer.values) == {"adadelta", "adagrad", "sgd", "adam", "adamw", "adamax", "asgd"}


def test_the_papers_best_point_is_in_the_space_and_means_itself() -> None:
    best = {"learning_rate": 0.042, "weight_decay": 0.005, "optimizer": "sgd", "batch_size": 512}
    assert training.hyperparameters(training.space().point(best)) == best


@pytest.mark.parametrize(
    ("optimizer", "default"),
    [
        ("adadelta", 1),
        ("adagrad", 0.01),
        ("sgd", 0.1),
        ("adam", 0.01),
        ("adamw", 0.01),
        ("adamax", 0.002),
        ("asgd", 0.01),
    ],
)
def test_a_tenth_means_each_optimizers_own_default(optimizer: str, default: float) -> None:
    point = training.space().point({**training.start(), "optimizer": optimizer})
    assert training.hyperparameters(point)["learning_rate"] == pytest.approx(default, rel=1e-15)


def test_the_start_is_sgd_as_one_would_use_it() -> None:
    given = training.hyperparameters(training.start())
    assert given == {"learning_rate": 0.1, "weight_decay": 5e-4, "optimizer": "sgd", "batch_size": 128}
