"""The names of the files that studies and trials leave, each in one place."""

DATABASE = "results.db"  # in the folder of runs
SERVICE = ".service"  # the folder of a service's own files, there; no study can have its name

# in a study's folder
OWNER = "database.txt"  # which database has its trials
SOLVER_LOG = "solver.log"

# in a trial's folder; docs/trainer-protocol.md has their contents
CONFIG = "trial.json"
METRICS = "metrics.jsonl"  # the trainer's stdout
LOG = "log.txt"  # its stderr
CHECKPOINT = "checkpoint.pt"
WEIGHTS = "model.safetensors"  # the trained network (docs/trained-networks.md)
MODEL = "model.json"  # what it is, and the checksum of its weights; written last
NETWORK_CODE = "network.py"  # of a network of the user's own
NETWORK_FILES = (WEIGHTS, MODEL, NETWORK_CODE)
