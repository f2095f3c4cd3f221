import pytest
import torch

from trainer.ingredients.ensemble import Ensemble

# three members, one image, three classes: two members lean to the first, one is sure of the second
LEANING = torch.tensor([[[0.5, 0.4, 0.1]], [[0.5, 0.4, 0.1]], [[0.0, 1.0, 0.0]]])


def test_a_soft_vote_is_the_mean_of_the_probabilities() -> None:
    together = Ensemble(members=3).combine(LEANING)
    torch.testing.assert_close(together, torch.tensor([[1 / 3, 0.6, 0.2 / 3]]))


def test_a_hard_vote_goes_to_the_most_frequent_label_however_sure_the_others_are() -> None:
    together = Ensemble(members=3, vote="hard").combine(LEANING)
    assert int(together.argmax()) == 0
    torch.testing.assert_close(together.sum(), torch.tensor(1.0))


def test_the_soft_vote_decides_a_tie_of_the_hard_one() -> None:
    assert int(Ensemble(members=2, vote="hard").combine(LEANING[1:]).argmax()) == 1


def test_no_soft_vote_outweighs_a_majority() -> None:
    generator = torch.Generator().manual_seed(0)
    probabilities = (torch.randn(5, 4000, 3, generator=generator) * 4).softmax(2)
    votes = torch.stack([(probabilities.argmax(2) == label).sum(0) for label in range(3)], 1)
    chosen = Ensemble(members=5, vote="hard").combine(probabilities).argmax(1)
    assert torch.equal(votes.gather(1, chosen[:, None])[:, 0], votes.amax(1))


def test_the_budget_is_shared_among_the_members() -> None:
    assert Ensemble(members=4).count == 4


@pytest.mark.parametrize(("strength", "value"), [("members", 0), ("members", 65)])
def test_a_number_of_members_out_of_range_is_refused(strength: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"{strength} must .* not {value}"):
        Ensemble(**{strength: value})  # type: ignore[arg-type]


def test_another_kind_of_vote_is_refused() -> None:
    with pytest.raises(ValueError, match='"soft" or "hard", not \'loud\''):
        Ensemble(vote="loud")
