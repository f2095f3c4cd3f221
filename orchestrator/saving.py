"""Save what a search found as models, which every command takes up by name."""

from __future__ import annotations

from orchestrator.confirm import Winner
from orchestrator.inquiry import Inquiry
from results.models import Study
from results.store import Store


def save(store: Store, inquiry: Inquiry, study: Study, winner: Winner | None) -> None:
    """Save the winner as the study's model, unless nothing, or nothing smaller, was found."""
    store.drop_models(study.id)
    start = dict(inquiry.formulation(None).start)
    if winner is None or (inquiry.aim.minimise and winner.trial.point == start):
        return
    _save(store, inquiry, study, winner, inquiry.save_as)


def _save(store: Store, inquiry: Inquiry, study: Study, winner: Winner, name: str) -> None:
    trial, training, config = winner.trial, inquiry.training, winner.trial.config or {}
    store.save_model(
        name=name,
        network=training.network,
        **config["scale"],
        dataset=training.dataset,
        image_size=training.image_size,
        hyperparameters=config["hyperparameters"],
        recipe=training.recipe,
        ingredients=config.get("ingredients"),
        architecture=config.get("architecture"),
        macs=trial.macs,
        parameters=trial.parameters,
        latency_ms=trial.latency_ms,
        **winner.columns(),
        study_id=study.id,
        trial_id=trial.id,
    )
