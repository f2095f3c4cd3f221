"""Run trials as jobs of a SLURM cluster, by SLURM's commands and a folder that both sides can see.

A job outlives its orchestrator. A restarted orchestrator finds the job by the job file in the trial's folder,
and follows it, or takes the result that it has left meanwhile.
"""

import math
from collections.abc import Callable, Sequence

from orchestrator.executors import HERE, ClusterOptions, Executor, ExecutorError, Exit, Job, check_slots
from orchestrator.executors._process.capacity import LimitedExecutor
from orchestrator.executors._process.slots import CPU_ONLY
from orchestrator.executors.slurm import commands, job_files
from orchestrator.executors.slurm.commands import JobQueue, Node, Unreachable
from orchestrator.executors.slurm.job import SlurmJob

SETTLE_SECONDS = 60.0  # for which a network file system may cache a folder's contents
MEMORY_ROOM = 1.1  # of a trial's limit, so that our limit ends it first, with a reason
SPARE_SECONDS = 60.0  # added to a job's time limit for its start and end


def create(
    device: str = "auto", slots: int | None = None, trainer: Sequence[str] = (), place: ClusterOptions = HERE
) -> Executor:
    """Return an executor on a partition, by default the cluster's default one.

    `slots`: jobs in SLURM's queue at a time, by default one per GPU of the partition's nodes that are up, or
    one per CPU if `device` is cpu or the nodes have no GPU. `trainer` is not kept ready. Raises ExecutorError
    if SLURM's commands are missing or slurmctld does not answer, for an unknown partition, and if `device` is
    cuda and the partition has no GPU.
    """
    place.check_only("partition", "account", executor="slurm")
    check_slots(device, slots)
    commands.check_programs()
    nodes = _find_nodes(commands.list_nodes(), place.partition)
    has_gpus = any(node.gpus for node in nodes)
    if device == "cuda" and not has_gpus:
        raise ExecutorError(
            f"the nodes of partition {nodes[0].partition} have no GPU that SLURM knows of (sinfo -o %G); "
            "give another --partition, or --device cpu"
        )
    chosen = "cuda" if has_gpus and device != "cpu" else "cpu"
    return Slurm(chosen, slots or _count_slots(nodes, chosen), place)


class Slurm(LimitedExecutor):
    """Runs trials as jobs, at most `slots` of them in SLURM's queue at once."""

    name = "slurm"

    def __init__(
        self,
        device: str,
        slots: int,
        place: ClusterOptions = HERE,
        queue: JobQueue | None = None,
        settle_seconds: float = SETTLE_SECONDS,
    ) -> None:
        super().__init__(slots)
        self.device = device
        self._place = place
        self._queue = queue or JobQueue()
        self._settle_seconds = settle_seconds

    def _run(self, job: Job, stopped: Callable[[], bool], started: Callable[[str], None]) -> Exit:
        # SLURM itself selects GPUs
        job_file = job_files.open_job_file(job, {} if self.device == "cuda" else CPU_ONLY)
        options = self._sbatch_options(job)
        followed = SlurmJob(job_file, options, self._queue, self._settle_seconds, stopped, started)
        try:
            ended = followed.run()
        except Unreachable:
            raise  # the next orchestrator may follow the job
        except BaseException:
            followed.abandon()
            raise
        job_file.remove()
        return ended

    def _sbatch_options(self, job: Job) -> list[str]:
        minutes = math.ceil((job.timeout_seconds + 2 * job.grace_seconds + SPARE_SECONDS) / 60)
        wish = "--gres=gpu:1" if self.device == "cuda" else "--cpus-per-task=1"
        partition = [f"--partition={self._place.partition}"] if self._place.partition else []
        account = [f"--account={self._place.account}"] if self._place.account else []
        most = math.inf if job.memory_bytes is None else job.memory_bytes
        memory = [f"--mem={math.ceil(MEMORY_ROOM * most / 2**20)}M"] if most < math.inf else []
        # the script sets the job's folder and log
        where = ["--chdir=/", "--output=/dev/null", "--nodes=1", "--ntasks=1"]
        return [*partition, *account, wish, *memory, f"--time={minutes}", *where]


def _find_nodes(nodes: Sequence[Node], partition: str | None) -> list[Node]:
    """Return the nodes of the requested partitions. Raises ExecutorError for an unknown one."""
    known = sorted({node.partition for node in nodes})
    wanted = partition.split(",") if partition else sorted({n.partition for n in nodes if n.is_default})
    unknown = [name for name in wanted if name not in known]
    if unknown or not wanted:
        problem = f"unknown partition {unknown[0]!r}" if unknown else "the cluster has no default partition"
        raise ExecutorError(
            f"{problem}; give --partition one of {', '.join(known) or 'those sinfo lists: none'}"
        )
    return [node for node in nodes if node.partition in wanted]


def _count_slots(nodes: Sequence[Node], device: str) -> int:
    """Return for how many trials the nodes that are up have room. Raises ExecutorError if none is up."""
    up = {node.name: node for node in nodes if node.is_up}
    room = sum(node.gpus if device == "cuda" else node.cpus for node in up.values())
    if not room:
        raise ExecutorError(
            f"no node of partition {nodes[0].partition} is up (see sinfo); give --slots to "
            "queue trials all the same"
        )
    return room
