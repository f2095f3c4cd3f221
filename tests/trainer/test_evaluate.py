"""The scores of a network against scikit-learn's, from probabilities that are given.

scikit-learn takes a second to import: not while the tests are collected, which each of their processes does.
"""

import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from trainer.evaluate import Score, evaluate
from trainer.images import DeviceImages


def scored(probabilities: Tensor, labels: Tensor, first: int = 0) -> Score:
    """The score of a predictor with these probabilities, [N, K] for N up to 255."""
    numbered = torch.arange(len(labels), dtype=torch.uint8)[:, None, None, None].expand(-1, 3, 1, 1)
    network = nn.Identity()
    score = evaluate(
        [network],
        lambda images: probabilities[images[:, 0, 0, 0].long()],
        DeviceImages(numbered, labels),
        first,
    )
    assert network.training
    return score


@given(st.integers(2, 9), st.integers(1, 80), st.integers(0, 2**32 - 1), st.floats(0, 3))
def test_scores_are_those_of_scikit_learn_over_the_classes_that_have_images(
    classes: int, count: int, seed: int, skill: float
) -> None:
    from sklearn import metrics

    generator = torch.Generator().manual_seed(seed)
    share = torch.rand(classes, generator=generator) ** 4 + 1e-6  # unequal, and some classes without images
    labels = torch.multinomial(share, count, replacement=True, generator=generator)
    logits = torch.randn(count, classes, generator=generator)
    logits[torch.arange(count), labels] += skill
    score = scored(logits.softmax(1), labels)
    true, predicted, present = labels.numpy(), logits.argmax(1).numpy(), np.unique(labels.numpy())
    recalls = metrics.recall_score(true, predicted, labels=range(classes), average=None, zero_division=np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that a class is predicted that has no images
        balanced = metrics.balanced_accuracy_score(true, predicted)
    assert score.accuracy == pytest.approx(metrics.accuracy_score(true, predicted))
    assert score.balanced_accuracy == pytest.approx(balanced)
    assert score.macro_f1 == pytest.approx(
        metrics.f1_score(true, predicted, labels=present, average="macro", zero_division=0)
    )
    assert score.loss == pytest.approx(F.cross_entropy(logits, labels).item(), rel=1e-4)
    known = [np.nan if recall is None else recall for recall in score.class_accuracies]
    np.testing.assert_allclose(known, recalls)
    if classes > 5:
        top5 = metrics.top_k_accuracy_score(true, logits.numpy(), k=5, labels=range(classes))
        assert score.top5_accuracy == pytest.approx(top5)
    else:
        assert score.top5_accuracy is None


def test_the_first_images_have_an_accuracy_of_their_own() -> None:
    labels = torch.tensor([0, 0, 1, 1])
    right = torch.tensor([True, True, True, False])
    probabilities = F.one_hot(torch.where(right, labels, 1 - labels), 2).float()
    assert scored(probabilities, labels, first=2).first_accuracy == 1.0
    assert scored(probabilities, labels, first=4).first_accuracy is None
    assert scored(probabilities, labels, first=2).accuracy == 0.75
