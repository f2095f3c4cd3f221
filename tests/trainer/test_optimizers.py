"""Optimizers built by name, on the CPU; what only a GPU takes is held to the options that it is given."""

import subprocess
import sys

import pytest
import torch
from torch import nn
from torch._subclasses import FakeTensorMode
from torch._subclasses.fake_tensor import DataDependentOutputException
from torch.nn import functional as F

from trainer import optimizers


def network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2))


def losses(name: str, *, graphed: bool = False, steps: int = 8) -> list[float]:
    """Of steps on one batch, at the optimizer's usual rate, halved by the middle."""
    learner = network()
    groups = [{"params": learner.parameters(), "weight_decay": 0.0}]
    usual = optimizers.USUAL_LEARNING_RATE[name]
    optimizer = optimizers.build(name, groups, usual, 0.0, cuda=False, graphed=graphed)
    inputs = torch.randn(16, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    found = []
    for step in range(steps):
        optimizers.set_rate(optimizer, usual if step < steps // 2 else usual / 2)
        loss = F.cross_entropy(learner(inputs), torch.arange(16) % 2)
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(loss)
        optimizer.step()
        found.append(loss.item())
    return found


@pytest.mark.parametrize("name", optimizers.names())
def test_every_optimizer_learns_a_batch_at_its_usual_rate(name: str) -> None:
    found = losses(name)
    assert found[-1] < 0.98 * found[0]


@pytest.mark.parametrize("name", sorted(optimizers.GRAPH_SAFE))
def test_with_its_rate_in_a_tensor_it_takes_the_same_steps(name: str) -> None:
    rel = 1e-4 if name == "muon" else 1e-5  # Muon's iteration is in bfloat16
    assert losses(name, graphed=True) == pytest.approx(losses(name), rel=rel)


@pytest.mark.parametrize("name", sorted(optimizers.GRAPH_SAFE))
def test_for_a_captured_step_the_rate_lies_on_the_device_and_the_class_counts_there(name: str) -> None:
    groups = [
        {"params": [torch.zeros(2, 2, requires_grad=True)]},
        {"params": [torch.ones(2, requires_grad=True)]},
    ]
    optimizer = optimizers.build(name, groups, 0.5, 0.0, cuda=True, graphed=True)
    rates = [group["lr"] for group in optimizer.param_groups]
    assert all(rate is rates[0] for rate in rates)
    assert (rates[0].shape, rates[0].item()) == ((), 0.5)
    assert optimizer.defaults.get("capturable", True)
    assert optimizer.defaults["fused" if name in ("sgd", "nesterov", "adam", "adamw") else "capturable"]


@pytest.mark.parametrize("name", sorted(optimizers.GRAPH_SAFE - {*optimizers.FUSED_ON_CUDA}))
def test_a_captured_step_never_asks_the_host_for_a_number(name: str) -> None:
    with FakeTensorMode():  # of a GPU's tensors without a GPU: whoever asks for a value fails
        weights = [torch.zeros(size, device="cuda", requires_grad=True) for size in ((2, 2), (2,))]
        groups = [{"params": [weight], "weight_decay": 0.1} for weight in weights]
        optimizer = optimizers.build(name, groups, 0.5, 0.0, cuda=True, graphed=True)
        for _ in range(2):
            for weight in weights:
                weight.grad = torch.ones_like(weight)
            optimizer.step()
        with pytest.raises(DataDependentOutputException):
            weights[0].sum().item()


@pytest.mark.parametrize("name", ["adagrad", "lion"])
def test_one_that_cannot_be_captured_is_not_built_for_it(name: str) -> None:
    with pytest.raises(AssertionError, match="cannot be captured"):
        optimizers.build(name, [{"params": [torch.zeros(1)]}], 0.1, 0.0, cuda=True, graphed=True)


@pytest.mark.parametrize("name", optimizers.names())
def test_a_group_is_decayed_as_it_says(name: str) -> None:
    decayed, kept = torch.ones(2, 2, requires_grad=True), torch.ones(2, 2, requires_grad=True)
    groups = [{"params": [decayed], "weight_decay": 0.1}, {"params": [kept], "weight_decay": 0.0}]
    optimizer = optimizers.build(name, groups, 0.1, 0.5, cuda=False, graphed=False)
    decayed.grad, kept.grad = torch.zeros(2, 2), torch.zeros(2, 2)
    optimizer.step()
    assert bool((decayed < 1).all())
    torch.testing.assert_close(kept.detach(), torch.ones(2, 2), rtol=1e-4, atol=0)  # ASGD decays a little


def test_the_nesterov_optimizer_is_sgd_that_looks_ahead() -> None:
    weight = torch.zeros(1, requires_grad=True)
    optimizer = optimizers.build("nesterov", [{"params": [weight]}], 1.0, 0.0, cuda=False, graphed=False)
    weight.grad = torch.ones(1)
    optimizer.step()
    assert weight.item() == pytest.approx(-1.9)


def test_muon_makes_a_convolutions_step_orthogonal() -> None:
    weight = nn.Parameter(torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(0)))
    before = weight.detach().clone()
    optimizer = optimizers.build("muon", [{"params": [weight]}], 0.1, 0.0, cuda=False, graphed=False)
    directions = torch.linalg.qr(torch.randn(27, 4, generator=torch.Generator().manual_seed(1)))[0].T
    weight.grad = (torch.tensor([[1.0], [2.0], [4.0], [8.0]]) * directions).view(4, 3, 3, 3)
    optimizer.step()
    sizes = torch.linalg.svdvals((weight.detach() - before).flatten(1))
    assert float(sizes.max() / sizes.min()) < 2  # 8 in the gradient; Newton and Schulz's iteration is rough


def test_muon_leaves_all_but_convolutions_to_adamw() -> None:
    learner = network()
    groups = [{"params": list(learner.parameters()), "weight_decay": 0.1}]
    optimizer = optimizers.build(
        "muon", optimizers.split_for_muon(groups), 0.1, 0.0, cuda=False, graphed=False
    )
    torch.autograd.backward(learner(torch.randn(4, 3, 6, 6)).sum())
    optimizer.step()
    by_muon = [name for name, weight in learner.named_parameters() if optimizer.state[weight]["use_muon"]]
    assert by_muon == ["0.weight"]
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.1, 0.1]


def test_a_state_taken_up_again_has_one_rate_that_a_captured_step_reads() -> None:
    groups = [
        {"params": [torch.zeros(2, requires_grad=True)]},
        {"params": [torch.ones(2, requires_grad=True)]},
    ]
    optimizer = optimizers.build("adam", groups, 0.5, 0.0, cuda=False, graphed=True)
    optimizer.load_state_dict(optimizer.state_dict())
    optimizers.adopt_rate(optimizer, graphed=True)
    optimizers.set_rate(optimizer, 0.25)
    assert [group["lr"].item() for group in optimizer.param_groups] == [0.25, 0.25]
    assert optimizer.param_groups[0]["lr"] is optimizer.param_groups[1]["lr"]


def test_naming_the_optimizers_imports_no_torch() -> None:
    program = "import sys; from trainer import optimizers; optimizers.names(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize("name", ["sgd", "nesterov"])
def test_a_first_step_that_the_scaler_skips_leaves_no_trace(name: str) -> None:
    def ended(skipped_first: bool) -> torch.Tensor:
        weight = torch.ones(64, requires_grad=True)
        optimizer = optimizers.build(name, [{"params": [weight]}], 0.1, 0.0, cuda=True, graphed=True)
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
        for gradient in [float("inf")] * skipped_first + [1.0, 1.0]:
            weight.grad = scaler.scale(torch.full((64,), gradient))
            scaler.step(optimizer)
            scaler.update()
        return weight.detach()

    torch.testing.assert_close(ended(skipped_first=True), ended(skipped_first=False), rtol=0, atol=0)
