"""The asymmetric loss against timm's, which takes whole labels.

timm takes seconds to import: not while the tests are collected, which each of their processes does.
"""

import pytest
import torch
from torch.nn import functional as F

from trainer.ingredients.asymmetric_loss import AsymmetricLoss


def logits_and_labels() -> tuple[torch.Tensor, torch.Tensor]:
    """Of a network that is right about half of the images."""
    generator = torch.Generator().manual_seed(0)
    logits, labels = (
        3 * torch.randn(16, 10, generator=generator),
        torch.randint(10, (16,), generator=generator),
    )
    logits[:8] += 5 * F.one_hot(labels[:8], 10)
    return logits.requires_grad_(), labels


@pytest.mark.parametrize(
    ("positive", "negative", "smoothing"), [(1, 4, 0.1), (1, 4, 0.0), (0, 2, 0.3), (2, 0, 0.1)]
)
def test_of_whole_labels_it_is_timms_and_so_is_its_gradient(
    positive: float, negative: float, smoothing: float
) -> None:
    from timm.loss.asymmetric_loss import AsymmetricLossSingleLabel

    logits, labels = logits_and_labels()
    theirs = AsymmetricLossSingleLabel(gamma_pos=positive, gamma_neg=negative, eps=smoothing)(logits, labels)
    ours = AsymmetricLoss(positive, negative, smoothing)(logits, F.one_hot(labels, 10).float())
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(
        torch.autograd.grad(ours, logits), torch.autograd.grad(theirs, logits), rtol=1e-4, atol=1e-7
    )


def test_its_defaults_are_those_of_its_authors_code() -> None:
    from timm.loss.asymmetric_loss import AsymmetricLossSingleLabel

    logits, labels = logits_and_labels()
    theirs = AsymmetricLossSingleLabel(gamma_pos=0, gamma_neg=4, eps=0.1)(logits, labels)
    torch.testing.assert_close(AsymmetricLoss()(logits, F.one_hot(labels, 10).float()), theirs)


def test_of_a_mixed_target_it_is_the_mixture_of_both_losses() -> None:
    logits, labels = logits_and_labels()
    one, other = F.one_hot(labels, 10).float(), F.one_hot((labels + 1) % 10, 10).float()
    loss = AsymmetricLoss()
    torch.testing.assert_close(
        loss(logits, 0.3 * one + 0.7 * other), 0.3 * loss(logits, one) + 0.7 * loss(logits, other)
    )


def test_without_powers_it_is_cross_entropy_with_smoothed_labels() -> None:
    logits, labels = logits_and_labels()
    ours = AsymmetricLoss(positive=0.0, negative=0.0, smoothing=0.1)(logits, F.one_hot(labels, 10).float())
    torch.testing.assert_close(ours, F.cross_entropy(logits, labels, label_smoothing=0.1))


def test_a_network_that_is_sure_and_wrong_gets_a_finite_gradient() -> None:
    logits = torch.tensor([[200.0, -200.0]], requires_grad=True)
    loss = AsymmetricLoss()(logits, torch.tensor([[0.0, 1.0]]))
    (gradient,) = torch.autograd.grad(loss, logits)
    assert bool(loss.isfinite())
    assert bool(gradient.isfinite().all())


@pytest.mark.parametrize("strengths", [{"positive": 0.5}, {"negative": -1.0}, {"smoothing": 1.0}])
def test_a_strength_out_of_range_is_refused(strengths: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        AsymmetricLoss(**strengths)
