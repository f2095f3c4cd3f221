"""The public views, in SQL that both SQLite and PostgreSQL read.

They may gain columns; none is renamed or dropped without a line in CHANGELOG.md. A change here reaches an
existing database by the next migration, so it comes with one, which may be empty.
"""

from sqlalchemy import Connection, text

from results.metrics import METRICS, Metric
from results.scores import ACCURACY

_AMOUNTS = " ".join(f"WHEN '{metric.name}' THEN {metric.column}" for metric in METRICS.values())
_SIZE = f"CASE minimise {_AMOUNTS} END"
# whether a study minimises a metric of its networks, and whether it seeks a script's number, by its name
_IS_SIZED = f"COALESCE(minimise, '') IN {(*METRICS,)!r}"
_IS_NUMBER = f"(minimise IS NOT NULL AND NOT {_IS_SIZED} OR maximise <> '{ACCURACY.name}')"
_SIGN = f"CASE WHEN {_IS_NUMBER} AND minimise IS NOT NULL THEN -1 ELSE 1 END"  # of what is to be maximised
_SOUGHT = "COALESCE(score, val_accuracy)"  # what a study seeks, also of one that does not seek accuracy
_TOLD_BY_TRAINING = [metric for metric in METRICS.values() if metric.known == "after"]


def _is_too_large(metric: Metric) -> str:
    """The condition that a trained candidate is over a limit, or does not better the base network.

    It holds as well where the metric is asked and was not measured.
    """
    amount, limit = f"trials.{metric.column}", f"{{limit_of_{metric.name}}}"
    return f"""
        {amount} > {limit} OR {amount} IS NULL AND {limit} IS NOT NULL
        OR studies.minimise = '{metric.name}' AND ({amount} IS NULL OR {amount} >= (
            SELECT base.{metric.column} FROM trials AS base
            WHERE base.study_id = studies.id AND base.purpose = 'baseline' AND base.replicate = 0))"""


def _limit(metric: Metric, dialect: str) -> str:
    """The limit in a study's settings, null without one."""
    if dialect == "postgresql":
        return f"CAST(studies.question #>> '{{aim,limits,{metric.name}}}' AS DOUBLE PRECISION)"
    return f"json_extract(studies.question, '$.aim.limits.{metric.name}')"


# Every trial that was trained to its end. `mean_accuracy` is over the repeats of a network, of which a
# failed one counts 0, and not at all where a number is sought. Without repeats it is the trial's own, which
# may have been lucky. `feasible` is 1 or 0 by the verdict, or else by whether the mean reaches the required
# accuracy (null without one). It is 0 where a trained candidate is too large by what only its training told.
# In a study that seeks another score than the accuracy, `mean_accuracy` and `min_accuracy` are of that;
# `mean_score` is the same column.
_COMPLETED_TRIALS = f"""
CREATE VIEW completed_trials AS
SELECT
    studies.name AS study, studies.kind, trials.number AS trial, trials.purpose, trials.replicate,
    trials.model, trials.recipe, trials.depth, trials.width, trials.resolution, trials.resolution_pixels,
    trials.macs, CAST(trials.macs AS DOUBLE PRECISION) / 1000000 AS macs_millions, trials.parameters,
    trials.latency_ms,
    trials.optimizer, trials.learning_rate, trials.weight_decay, trials.batch_size,
    trials.val_accuracy, trials.val_accuracy * 100 AS val_accuracy_percent, trials.val_loss,
    trials.score, trials.val_balanced_accuracy, trials.val_macro_f1, trials.val_top5_accuracy,
    trials.test_accuracy, trials.test_accuracy_1000, trials.test_loss,
    trained.mean_accuracy, trained.mean_accuracy AS mean_score, trained.trainings, trained.confirmations,
    studies.minimise, studies.maximise, studies.min_accuracy, trials.verdict, trials.probability,
    trials.difference, trials.difference_low, trials.difference_high, trials.pairs,
    CASE WHEN trials.purpose = 'search' AND ({" OR ".join(map(_is_too_large, _TOLD_BY_TRAINING))}) THEN 0
         WHEN trials.verdict IN ('confirmed', 'undecided') THEN 1
         WHEN trials.verdict = 'rejected' THEN 0
         WHEN trained.mean_accuracy >= studies.min_accuracy THEN 1
         WHEN trained.mean_accuracy < studies.min_accuracy THEN 0 END AS feasible,
    trials.epochs, trials.steps, trials.train_seconds, trials.overshoot_seconds, trials.wall_seconds,
    trials.slot_seconds, trials.energy_joules, trials.images_per_second, trials.peak_memory_bytes,
    trials.seed, trials.subset_seed,
    trials.host, trials.device, trials.device_name, trials.driver, trials.git_commit, trials.folder,
    trials.started_at, trials.finished_at
FROM trials
JOIN studies ON studies.id = trials.study_id
JOIN (
    SELECT first.id, COALESCE(again.mean_accuracy, first.score, first.val_accuracy) AS mean_accuracy,
        COALESCE(NULLIF(again.trainings, 0), 1) AS trainings, COALESCE(again.trainings, 0) AS confirmations
    FROM trials AS first LEFT JOIN (
        SELECT study_id, of_trial_number, AVG(reached) AS mean_accuracy, COUNT(reached) AS trainings
        FROM (
            SELECT study_id, of_trial_number,
                CASE WHEN {_IS_NUMBER} THEN score ELSE COALESCE({_SOUGHT}, 0) END AS reached
            FROM trials JOIN studies ON studies.id = trials.study_id
            WHERE purpose = 'confirmation' AND trials.state IN ('completed', 'failed')
        ) AS repeats
        GROUP BY study_id, of_trial_number
    ) AS again ON again.study_id = first.study_id AND again.of_trial_number = first.number
) AS trained ON trained.id = trials.id
WHERE trials.state = 'completed'
"""

# The best trial of each study with one objective. If it minimises a metric: the least among the candidates
# that are confirmed, or else the likeliest of the undecided ones, or else the least that met the required
# accuracy. If it maximises accuracy: the greatest mean among those with the most repeats; the least mean of a
# script's number to minimise. Of equal ones the earlier.
_BEST_TRIALS = f"""
CREATE VIEW best_trials AS
SELECT {{columns}} FROM (
    SELECT completed_trials.*, ROW_NUMBER() OVER (
        PARTITION BY study
        ORDER BY CASE WHEN NOT {_IS_SIZED} OR verdict = 'confirmed' THEN 0
                WHEN verdict = 'undecided' THEN 1 - probability ELSE 1 END,
            {_SIZE}, CASE WHEN NOT {_IS_SIZED} THEN -confirmations END,
            CASE WHEN NOT {_IS_SIZED} THEN -({_SIGN}) * mean_accuracy END, trial
    ) AS place
    FROM completed_trials
    WHERE purpose = 'search' AND {_SOUGHT} IS NOT NULL
      AND ((NOT {_IS_SIZED} AND (maximise IS NOT NULL OR {_IS_NUMBER}) AND COALESCE(feasible, 1) = 1)
        OR ({_IS_SIZED} AND maximise IS NULL AND feasible = 1 AND {_SIZE} IS NOT NULL))
) AS ranked
WHERE place = 1
"""

# The Pareto front of each study with two objectives.
_FRONT = f"""
CREATE VIEW front AS
SELECT {{columns}} FROM (
    SELECT completed_trials.*, MAX(mean_accuracy) OVER (
        PARTITION BY study ORDER BY {_SIZE}, mean_accuracy DESC, trial
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS of_smaller
    FROM completed_trials
    WHERE purpose = 'search' AND minimise IS NOT NULL AND maximise IS NOT NULL
      AND mean_accuracy IS NOT NULL AND (feasible IS NULL OR feasible = 1)
) AS ranked
WHERE of_smaller IS NULL OR mean_accuracy > of_smaller
"""

# What the trials of each study used. `spent` is in trainings of its budget; one that was stopped early
# counts by the fraction that it used. `ended` leaves out running trials. `slot_seconds` and `energy_joules`
# are those of all attempts; the energy is that of the `measured` of its `trainings`, null without any.
# `run_seconds`, `run_ended` and `last_finished_at` are those of its latest run.
_SPENDING = """
CREATE VIEW spending AS
SELECT
    studies.name AS study,
    COUNT(trials.share) AS trainings,
    COALESCE(SUM(trials.share), 0.0) AS spent,
    COALESCE(SUM(CASE WHEN trials.state <> 'running' THEN trials.share END), 0.0) AS ended,
    COALESCE(SUM(trials.slot_seconds), 0.0) AS slot_seconds,
    SUM(trials.energy_joules) AS energy_joules,
    COUNT(trials.energy_joules) AS measured,
    COALESCE(SUM(CASE WHEN trials.started_at >= studies.begun_at THEN trials.slot_seconds END), 0.0)
        AS run_seconds,
    COUNT(CASE WHEN trials.started_at >= studies.begun_at THEN trials.finished_at END) AS run_ended,
    MAX(CASE WHEN trials.started_at >= studies.begun_at THEN trials.finished_at END) AS last_finished_at
FROM studies LEFT JOIN (
    SELECT study_id, state, slot_seconds, energy_joules, started_at, finished_at,
        CASE state WHEN 'pruned' THEN stop_progress ELSE 1.0 END AS share
    FROM trials WHERE state NOT IN ('screened', 'duplicate')
) AS trials ON trials.study_id = studies.id
GROUP BY studies.id, studies.name
"""

# The measurements of each trial in order: its metrics over its budget.
_LEARNING_CURVES = """
CREATE VIEW learning_curves AS
SELECT
    studies.name AS study, studies.kind, trials.number AS trial, trials.purpose, trials.state, trials.model,
    measurements.ordinal, measurements.epoch, measurements.step, measurements.progress,
    measurements.elapsed_seconds, measurements.learning_rate, measurements.train_loss,
    measurements.val_accuracy, measurements.score, measurements.val_loss
FROM measurements
JOIN trials ON trials.id = measurements.trial_id
JOIN studies ON studies.id = trials.study_id
"""

# What early stopping did in each study that has it. `trainings_saved`: what stopped trials left of the
# budget. `audited`: finished trials that were exempt. The rule would have stopped `would_stop` of them, and
# `false_stops` of those reached the required accuracy in the end.
_EARLY_STOPS = f"""
CREATE VIEW early_stops AS
SELECT counted.*, CAST(false_stops AS DOUBLE PRECISION) / NULLIF(would_stop, 0) AS false_stop_rate
FROM (
    SELECT
        studies.name AS study,
        studies.kind,
        SUM(CASE WHEN trials.state = 'pruned' THEN 1 ELSE 0 END) AS pruned,
        SUM(CASE WHEN trials.state = 'pruned' THEN 1 - trials.stop_progress ELSE 0 END) AS trainings_saved,
        SUM(CASE WHEN trials.audited = 1 AND trials.state = 'completed' THEN 1 ELSE 0 END) AS audited,
        SUM(CASE WHEN trials.audited = 1 AND trials.state = 'completed' AND trials.stop_progress IS NOT NULL
            THEN 1 ELSE 0 END) AS would_stop,
        SUM(CASE WHEN trials.audited = 1 AND trials.state = 'completed'
            AND {_SOUGHT} >= trials.stop_bound THEN 1 ELSE 0 END) AS false_stops
    FROM trials JOIN studies ON studies.id = trials.study_id
    WHERE trials.audited IS NOT NULL
    GROUP BY studies.id, studies.name, studies.kind
) AS counted
"""


def create(connection: Connection) -> None:
    """Create the views. The tables must be those of this version."""
    dialect = connection.dialect.name
    limits = {f"limit_of_{metric.name}": _limit(metric, dialect) for metric in _TOLD_BY_TRAINING}
    connection.execute(text(_COMPLETED_TRIALS.format(**limits)))
    completed = connection.execute(text("SELECT * FROM completed_trials WHERE 1 = 0"))
    columns = ", ".join(completed.keys())  # all but what a view ranks by
    connection.execute(text(_BEST_TRIALS.format(columns=columns)))
    connection.execute(text(_FRONT.format(columns=columns)))
    connection.execute(text(_LEARNING_CURVES))
    connection.execute(text(_EARLY_STOPS))
    connection.execute(text(_SPENDING))


def drop(connection: Connection) -> None:
    """Remove the views that there are."""
    for view in ("front", "best_trials", "completed_trials", "learning_curves", "early_stops", "spending"):
        connection.execute(text(f"DROP VIEW IF EXISTS {view}"))
