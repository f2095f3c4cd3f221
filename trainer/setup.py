"""From a configuration to a network at its first weights and the images it is to learn."""

from dataclasses import dataclass

import torch
from torch import nn

from trainer import data, images, models, recipes, subset
from trainer.config import TrialConfig
from trainer.data import About, Images
from trainer.describe import realised
from trainer.device import Device
from trainer.images import DeviceImages
from trainer.ingredients import Surgery, Vote
from trainer.objective import TrainingObjective
from trainer.train_state import TrainState

_FIT_IMAGES = 5000  # at most, of which surgery learns what depends on the images
_SEED_STEP = 1_000_003  # between the members of a vote
_COMPETITION = 1000  # test images, of the papers' protocol


@dataclass(frozen=True)
class TrialSetup:
    """What all networks of one trial have in common."""

    config: TrialConfig
    about: About
    held: Images
    lesson: TrainingObjective

    @property
    def vote(self) -> Vote | None:
        """How several networks are judged together; None where there is one."""
        return self.lesson.recipe.one(Vote)

    def trainee(self, member: int = 0) -> TrainState:
        """A network at its first weights, to be trained."""
        return TrainState(self.network(member), self.lesson, self.seed(member))

    def seed(self, member: int = 0) -> int:
        """Of all that one network draws."""
        return (self.config.seed + member * _SEED_STEP) % 2**63

    def network(self, member: int = 0) -> nn.Module:
        """At its first weights: the same ones for the same seed, member and network."""
        config, machine = self.config, self.lesson.machine
        torch.manual_seed(self.seed(member))  # drawn on the CPU, so weights are the same on every device
        network = models.build(config.model, realised(config, self.about), self.held.classes)
        operations = self.lesson.recipe.every(Surgery)
        for surgery in operations:
            network = surgery.apply(network)
        network = network.to(machine.device).to(memory_format=torch.channels_last)
        if operations:
            inputs = self.lesson.normalise(self.lesson.training.images[:_FIT_IMAGES])
            for surgery in operations:
                surgery.fit(network, inputs)
        return network

    def test_images(self) -> tuple[DeviceImages, int] | None:
        """The test images, and how many of them, in front, are the competition's draw.

        None where they were not asked for.
        """
        held, drawn = self.held, self.config.subset
        if held.test_images is None or held.test_labels is None:
            return None
        order = subset.competition_first(held.test_labels, held.classes, drawn, _COMPETITION)
        sizes = (self.about.image_size, self.lesson.pixels)
        chosen = held.test_images[order], held.test_labels[order]
        return images.to_device(*chosen, sizes, self.lesson.machine.device), _COMPETITION


def set_up(config: TrialConfig, about: About, machine: Device, held: Images | None = None) -> TrialSetup:
    """Read the images, unless `held` are they, and put them on the device. Raises Refused."""
    held = held or data.load(config.dataset, config.test)
    sizes = (about.image_size, realised(config, about).resolution)
    training, validation = (
        images.to_device(held.train_images[chosen], held.train_labels[chosen], sizes, machine.device)
        for chosen in subset.draw(held.train_labels, held.classes, config.subset, held.names)
    )
    chosen_recipe = recipes.load(config.recipe, config.ingredients)
    lesson = TrainingObjective(
        training,
        validation if len(validation) else None,
        images.normalisation(training.images),
        held.classes,
        held.mirrored,
        chosen_recipe,
        recipes.settled(chosen_recipe.defaults, config.hyperparameters),
        machine,
    )
    return TrialSetup(config, about, held, lesson)
