"""Save the networks that a search found as models, which every command accepts by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestrator.search.confirmation import Winner
from orchestrator.spec.study_spec import StudySpec
from results.db.store import Store
from results.db.tables import Study, Trial
from results.db.transactions import patient


def save(store: Store, spec: StudySpec, study: Study, winner: Winner | None) -> None:
    """Save the winner as the study's model, if there is one and it is better than the base network."""
    store.drop_models(study.id)
    start = dict(spec.formulation(None).start)
    if winner is None or (spec.aim.minimise and winner.trial.point == start):
        return
    _save(store, spec, study, winner.trial, spec.save_as, winner.columns())


def save_front(store: Store, spec: StudySpec, study: Study, rows: Mapping[int, Trial]) -> None:
    """Save each network on the Pareto front as a model: NAME_1 is the smallest."""
    from results import queries  # pandas: half a second to import

    store.drop_models(study.id)
    members = patient(queries.front)(spec.request.database, study.name).to_dict("records")
    for place, member in enumerate(members, start=1):
        known = {name: member[name] for name in ("status", "trainings", "accuracy_low", "accuracy_high")}
        known["val_accuracy"] = member["mean_accuracy"]
        _save(store, spec, study, rows[member["trial"]], f"{spec.save_as}_{place}", known)


def is_of(spec: StudySpec, name: str) -> bool:
    """Whether this search saves a model of this name."""
    if spec.aim.objectives == 1:
        return name == spec.save_as
    stem, _, place = name.rpartition("_")
    return stem == spec.save_as and place.isdecimal()


def _save(
    store: Store, spec: StudySpec, study: Study, trial: Trial, name: str, known: Mapping[str, Any]
) -> None:
    """Save one model. `known`: the columns of its row about its accuracy."""
    training, config = spec.training, trial.config or {}
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
        **known,
        study_id=study.id,
        trial_id=trial.id,
    )
