"""A SLURM cluster of two nodes on this machine, of real daemons in a folder of its own, for tests.

Both nodes are this host under two names and ports. What a node runs is known by SLURMD_NODENAME in its
environment, so that a test can take the whole node away as a power cut would.
"""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import SIGKILL

from orchestrator.executors import ClusterOptions, Executor, slurm
from orchestrator.executors.slurm.commands import JobQueue
from tests.orchestrator._processes import command_line, eventually, parent

PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch")
NODES = ("c0", "c1")
CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
CredType=cred/munge
SlurmUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0,bf_interval=1
ReturnToService=2
SlurmdTimeout=5
MessageTimeout=5
KillWait=2
GresTypes=gpu
SlurmdParameters=config_overrides
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
NodeName=c0 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=2 RealMemory=8000 Gres=gpu:1
NodeName=c1 NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=2 RealMemory=8000 Gres=gpu:1
PartitionName=main Nodes=c0,c1 Default=YES MaxTime=INFINITE
PartitionName=brief Nodes=c1 MaxTime=1
PartitionName=closed Nodes=c1 State=DOWN
"""


def missing() -> str:
    """Why there can be no cluster here; empty where there can."""
    absent = [program for program in PROGRAMS if shutil.which(program) is None]
    if absent:
        return f"{absent[0]} is not installed: apt-get install slurm-wlm munge"
    return "" if os.geteuid() == 0 else "slurmd needs root"


class Cluster:
    """Its daemons, each started and killed by name: munged, slurmctld, c0, c1."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.configuration = folder / "slurm.conf"
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        ports = _free_ports(3)
        text = CONFIGURATION.format(host=socket.gethostname().split(".")[0], folder=folder, ports=ports)
        self.configuration.write_text(text)
        gpu = folder / "nvidia0"
        gpu.symlink_to("/dev/null")  # GPUs are what may be pretended; slurmd wants a device
        (folder / "gres.conf").write_text(f"Name=gpu File={gpu}\n")
        for name in ("munge", "state"):
            (folder / name).mkdir(mode=0o700)
        key = folder / "munge" / "key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(1024))

    def start(self, *names: str) -> None:
        munge = self.folder / "munge"
        places = {"key-file": munge / "key", "pid-file": munge / "pid", "seed-file": munge / "seed"}
        places |= {"log-file": munge / "log", "socket": self.folder / "munge.socket"}
        commands = {name: ["slurmd", "-D", "-N", name, "-f", str(self.configuration)] for name in NODES}
        commands["slurmctld"] = ["slurmctld", "-D", "-f", str(self.configuration)]
        commands["munged"] = ["munged", "-F", "--force", *(f"--{k}={v}" for k, v in places.items())]
        for name in names or ("munged", "slurmctld", *NODES):
            with (self.folder / f"{name}.log").open("ab") as log:
                self._daemons[name] = subprocess.Popen(
                    commands[name], stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
                )
            if name == "munged":
                assert eventually(lambda: (self.folder / "munge.socket").exists())
        assert eventually(self.is_up, 60), (self.folder / "slurmctld.log").read_text()[-2000:]

    def is_up(self) -> bool:
        """Whether every node whose slurmd runs is ready for jobs."""
        ready = self.said("sinfo", "--noheader", "--Node", "--partition=main", "--format=%N %T").split("\n")
        running = {name for name in NODES if name in self._daemons}
        return running <= {
            line.split()[0] for line in ready if line.endswith((" idle", " mixed", " allocated"))
        }

    def kill(self, name: str) -> None:
        """Kill a daemon; the jobs of a node's go on."""
        with self._daemons.pop(name) as daemon:
            daemon.kill()

    def end(self, name: str) -> None:
        """End a daemon as its service would: slurmctld then writes down what it knows."""
        with self._daemons.pop(name) as daemon:
            daemon.terminate()

    def cut_power(self, node: str) -> None:
        """Kill all that a node runs, itself first."""
        self.kill(node)
        assert eventually(lambda: killed(running_on(node)) == 0)

    def said(self, *command: str) -> str:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout

    def executor(
        self, device: str = "cpu", slots: int | None = None, partition: str | None = None
    ) -> Executor:
        """One that asks squeue more often than would be kind to a cluster that others use."""
        place = ClusterOptions(partition=partition)
        opened = slurm.create(device, slots, place=place)
        return slurm.Slurm(opened.device, opened.slots, place, JobQueue(interval=0.5), settle_seconds=3.0)

    def close(self) -> None:
        self.said("scancel", "--user=root")
        for name in (*NODES, "slurmctld", "munged"):
            if name in self._daemons:
                self.cut_power(name) if name in NODES else self.kill(name)
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def cluster() -> Iterator[Cluster]:
    """Two nodes that are up, and SLURM_CONF naming them."""
    before = os.environ.get("SLURM_CONF")
    made = Cluster(Path(tempfile.mkdtemp(prefix="slurm-")))
    made.folder.chmod(0o755)  # munge takes no socket in a folder that only its owner reads
    os.environ["SLURM_CONF"] = str(made.configuration)
    try:
        made.start()
        yield made
    finally:
        made.close()
        os.environ.pop("SLURM_CONF")
        if before is not None:
            os.environ["SLURM_CONF"] = before


def killed(pids: Sequence[int]) -> int:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, SIGKILL)
    return len(pids)


def running_on(node: str) -> list[int]:
    """The processes of jobs on a node, their slurmstepds first: those would tell of the others' end."""
    words = f"SLURMD_NODENAME={node}\0".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if words in (folder / "environ").read_bytes() + b"\0":
                found.append(int(folder.name))
    above = {parent(pid) for pid in found}
    return [*(pid for pid in above if b"slurmstepd" in command_line(pid)), *found]


def _free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports
