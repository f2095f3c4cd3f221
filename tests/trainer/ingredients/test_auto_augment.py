from torchvision.transforms import AutoAugment, AutoAugmentPolicy

from trainer.ingredients import auto_augment


def test_the_policy_is_autoaugment_s_for_cifar10() -> None:
    theirs = AutoAugment(AutoAugmentPolicy.CIFAR10).policies
    ours = tuple(
        tuple((name.replace("_", ""), probability) for name, probability, _ in pair)
        for pair in auto_augment.POLICY
    )
    assert ours == tuple(tuple((name.lower(), p) for name, p, _ in pair) for pair in theirs)
    for our_pair, their_pair in zip(auto_augment.POLICY, theirs, strict=True):
        for (_, _, ours_magnitude), (_, _, magnitude) in zip(our_pair, their_pair, strict=True):
            assert magnitude is None or magnitude == ours_magnitude
