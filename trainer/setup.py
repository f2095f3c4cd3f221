"""From a configuration to a new network and the images on the device."""

from dataclasses import dataclass

import torch
from torch import nn

from trainer import data, images, models, recipes, subset
from trainer.config import TrialConfig
from trainer.data import About, Images
from trainer.describe import compute_shape
from trainer.device import Device
from trainer.images import DeviceImages
from trainer.ingredients import Surgery
from trainer.initial_weights import InitialWeights, open_weights
from trainer.objective import TrainingObjective
from trainer.train_state import TrainState

_FIT_IMAGES = 5000  # at most, to which surgery is fitted
_SEED_STEP = 1_000_003  # between the members of an ensemble
_COMPETITION = 1000  # test images in the papers' protocol


@dataclass(frozen=True)
class TrialSetup:
    """What all networks of one trial share. initial: None where their weights are drawn."""

    config: TrialConfig
    about: About
    decoded: Images
    objective: TrainingObjective
    initial: InitialWeights | None = None

    def new_state(self, member: int = 0) -> TrainState:
        """A network with its initial weights, ready to train."""
        return TrainState(self.network(member), self.objective, self.seed(member))

    def seed(self, member: int = 0) -> int:
        """The seed of all that one network draws."""
        return (self.config.seed + member * _SEED_STEP) % 2**63

    def network(self, member: int = 0) -> nn.Module:
        """A network with its initial weights; drawn ones depend on seed, member and network only."""
        config, device = self.config, self.objective.device.torch_device
        torch.manual_seed(self.seed(member))  # drawn on the CPU, so that every device has the same weights
        shape, operations = compute_shape(config, self.about), self.objective.recipe.every(Surgery)
        changes = (surgery.apply for surgery in operations)
        network = models.build(config.model, shape, self.decoded.classes, changes)
        network = network.to(device).to(memory_format=torch.channels_last)
        if self.initial:
            self.initial.load_into(network, member)
        elif operations:
            inputs = self.objective.normalise(self.objective.training.images[:_FIT_IMAGES])
            for surgery in operations:
                surgery.fit(network, inputs)
        return network

    def test_images(self) -> tuple[DeviceImages, int] | None:
        """The test images, and how many at their start are the competition's draw; None if not asked for."""
        decoded, drawn = self.decoded, self.config.subset
        if decoded.test_images is None or decoded.test_labels is None:
            return None
        order = subset.order_competition_first(decoded.test_labels, decoded.classes, drawn, _COMPETITION)
        sizes = (self.about.image_size, self.objective.pixels)
        chosen = decoded.test_images[order], decoded.test_labels[order]
        return images.to_device(*chosen, sizes, self.objective.device.torch_device), _COMPETITION


def set_up(config: TrialConfig, about: About, device: Device, decoded: Images | None = None) -> TrialSetup:
    """Load the images, unless `decoded` holds them, and put them on the device. Raises InvalidConfig."""
    decoded = decoded or data.load(config.dataset, config.test)
    shape = compute_shape(config, about)
    initial = open_weights(config, about, shape, decoded.names or range(decoded.classes))
    sizes = (about.image_size, shape.resolution)
    training, validation = (
        images.to_device(
            decoded.train_images[chosen], decoded.train_labels[chosen], sizes, device.torch_device
        )
        for chosen in subset.draw(decoded.train_labels, decoded.classes, config.subset, decoded.names)
    )
    recipe = recipes.load(config.recipe, config.ingredients, config.versions.recipes)
    objective = TrainingObjective(
        training,
        validation if len(validation) else None,
        validation.first(config.subset.curve) if len(validation) else None,
        images.compute_normalisation(training.images),
        decoded.classes,
        decoded.mirrored,
        recipe,
        recipes.resolve_hyperparameters(recipe.defaults, config.hyperparameters),
        device,
    )
    return TrialSetup(config, about, decoded, objective, initial)
