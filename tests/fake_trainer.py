"""A trainer that trains nothing: docs/trainer-protocol.md spoken in milliseconds, for tests.

Accuracy is a smooth function of the realised network and the hyperparameters, with a plateau below the
base network so that a smaller one is as accurate, and a little noise drawn from the configuration. The
name of the data set asks for faults, `fake:KEY=VALUE,KEY,…`:

sleep=S            train for S seconds
held               train no further, but for trial 1, while a file `held` is in the folder of the study
noise=S            standard deviation of the accuracy, .003 by default
balanced=D         report the other scores too: balanced accuracy and macro F1, D below the accuracy, and the
                   accuracies of ten classes, of which a is the worst and j has no images
classes=K          the number of classes, 10 by default
most_frequent=P    tell that a share P of the validation images is of one class; by default nothing is told
steps=N            say that N steps were taken, whatever the budget
diverge_above=P    exit 3 where the trial's own draw from [0, 1), made from its configuration, is above P
oom=P, crash=P     a share P of the trials exits 4, or ends in a traceback
plain              know no versions of rules, as trainers do that are simpler or older
refuse, refuse_late
                   exit 2: `describe` and `train` both refuse, or `train` alone
nan, inf, garbage, noresult, twice, hang, ignore_sigterm
                   a NaN or infinite accuracy, a line that is not JSON, no final event, two of them, never
                   end, ignore SIGTERM
flood=S, leak=S    print to stdout or stderr (S) without end; use ever more memory in this process (self) or
                   in a child in a session of its own (session)
killed=P, device_lost=P, segfault=P
                   a share P of the attempts is killed from outside, exits 6, or crashes in native code
sized              tell how many images each class has, which are equally many
drawn              weights are always drawn: `describe` does not say that `init` is known, and it is not
weights=KIND       of those that it should keep: it does not know how to (none), it has no room (full), or,
                   while it writes them, it is killed (killed), hangs (hang) or takes eight seconds (late)
grandchild=KIND    leave a sleeping process behind: child, session (setsid) or daemon (forked twice)

It imports little, and late: tests start it about a thousand times, and most of that time is imports.
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import time

TYPE_CHECKING = False  # what typing has as well, and takes as long to import as all else
if TYPE_CHECKING:
    from typing import Any, NoReturn

MODELS = {"resnet18": "ResNet-18 for small images", "senet18": "ResNet-18 with squeeze and excitation"}
MODELS |= {"resnet_budget": "ResNets with an architecture of their own"}
ARCHITECTURE = {
    "layers": 4,
    "blocks": [2, 2, 2, 2],
    "channels": 32,
    "stem_kernel": 3,
    "kernel": 3,
    "pooling": 4,
}
BLOCKS, CHANNELS = (2, 2, 2, 2), (64, 128, 256, 512)
TRAIN_IMAGES, TEST_IMAGES, CLASSES, EPOCHS = 50_000, 10_000, 10, 5
LEARNING_RATES = {"sgd": 0.1, "adamw": 0.01, "adam": 0.01, "adamax": 0.002, "adadelta": 1.0, "adagrad": 0.01}
LEARNING_RATES |= {"asgd": 0.01, "nesterov": 0.1}  # the better an optimizer, the earlier it stands here
REQUIRED = ["protocol", "model", "dataset", "subset", "budget", "seed"]
OPTIONAL = ["scale", "recipe", "hyperparameters", "clock", "device", "precision", "test"]
OPTIONAL += ["image_size", "data_dir", "fit", "ingredients", "architecture", "keep_weights", "provenance"]
OPTIONAL += ["init", "versions"]
VERSIONS = {"recipes": 2, "images": 3}
KNOWN = {
    "init": ["folder", "sha256", "new_head"],
    "scale": ["depth", "width", "resolution"],
    "subset": ["train", "validation", "seed", "part", "draw", "curve"],
    "hyperparameters": ["optimizer", "learning_rate", "weight_decay", "batch_size"],
    "budget": ["seconds", "steps"],
    "ingredients": ["mixup", "sam", "ensemble", "auto_augment", "rand_augment", "trivial_augment", "flip"],
    "architecture": list(ARCHITECTURE),
    "versions": list(VERSIONS),
}
KNOWN["ingredients"] += [
    "alternating_flip",
    "cutout",
    "cutmix",
    "label_smoothing",
    "asam",
    "ema",
    "decay_split",
]
KNOWN["ingredients"] += ["gradient_centralization", "cosine", "linear", "one_cycle", "step_decay"]
GAINS = {"rand_augment": 0.02, "cutmix": 0.01, "sam": 0.01, "ema": 0.01, "linear": 0.005}  # of an ingredient
EARLIER = 0.03  # of weights that were trained before
RECIPES = {"nomad_haet": 0.0, "resnet9_sam_ip": 0.02}  # what each adds to the accuracy
VALUED = ["sleep", "noise", "most_frequent", "steps", "diverge_above", "oom", "crash", "grandchild", "flood"]
VALUED += ["leak", "killed", "device_lost", "segfault", "balanced", "classes", "weights"]
FAULTS = [*VALUED, "refuse", "refuse_late", "nan", "inf", "garbage", "noresult", "twice", "hang"]
FAULTS += ["ignore_sigterm", "drawn", "plain", "sized", "held"]


class RefusedError(Exception):
    """The configuration cannot be trained as it is; the message says what to do."""


def main(arguments: list[str]) -> None:
    match arguments:
        case ["train" | "check" as program, "--config", path]:
            {"train": train, "check": check}[program](path)
        case ["describe"] | ["describe", "--check-data"]:
            for line in sys.stdin:
                describe(line)
        case ["describe", "--latency", *words] if set(words[::2]) == {"--config"}:
            for path in words[1::2]:
                with open(path, encoding="utf-8") as file:
                    describe(file.read(), timed=True)
        case ["export", "--config", path, "--to", _, "--output", output, "--json"]:
            export(path, output)
        case ["latency", "--seconds", _, *words] if set(words[::2]) == {"--config"}:
            compare_latency(words[1::2])
        case ["models"]:
            for name, summary in MODELS.items():
                emit("network", name=name, scales=KNOWN["scale"], summary=summary)
        case _:
            commands = "train --config FILE | describe [...] | export [...] | models"
            sys.exit(f"usage: fake_trainer.py {commands}")


def train(path: str) -> None:
    try:
        with open(path, encoding="utf-8") as file:
            config = checked(json.load(file))
    except (RefusedError, OSError, ValueError) as error:
        fail(2, "refused", str(error))
    faults = faults_of(config["dataset"])
    if "refuse_late" in faults:
        fail(2, "refused", "refused as asked; leave refuse_late out of the data set")
    heed_sigterm("ignore_sigterm" in faults)
    network = realised(config)
    emit("model", **network)
    machine = {"device": "cpu", "device_name": "fake", "driver": None, "precision": "fp32", "threads": 1}
    emit("machine", **machine, versions={"python": sys.version.split()[0]}, host=os.uname().nodename)
    act_out(faults, config)
    study, trial = os.path.split(os.path.dirname(os.path.abspath(path)))
    while "held" in faults and trial != "00001" and os.path.exists(os.path.join(study, "held")):
        time.sleep(0.1)
    report_training(config, network, faults)
    if config.get("keep_weights"):
        write_weights(os.path.join(study, trial), config, network, faults.get("weights"))


def write_weights(folder: str, config: dict[str, Any], network: dict[str, Any], fault: str | None) -> None:
    """A byte for every thousand parameters, and the description after them, each renamed when it is whole."""
    if fault == "full":
        emit("warning", message="the weights are not kept: No space left on device")
        return
    weights = bytes(network["parameters"] // 1000)
    checksum = draw("weights", config).hex()
    described = {"format": 1, "model": config["model"], "provenance": config.get("provenance", {})}
    described["weights"] = {"sha256": checksum}
    contents = {"model.safetensors": weights, "model.json": json.dumps(described).encode()}
    for name, content in contents.items():
        place = os.path.join(folder, name)
        with open(f"{place}.new", "wb") as file:
            file.write(content)
        while fault == "hang":
            time.sleep(0.1)
        if fault == "late":
            time.sleep(4)
        if fault == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        os.replace(f"{place}.new", place)
    emit("weights", bytes=sum(map(len, contents.values())), seconds=0.0)


def heed_sigterm(deaf: bool) -> None:
    import threading

    if threading.current_thread() is threading.main_thread():  # inline in a thread there is no SIGTERM
        signal.signal(signal.SIGTERM, signal.SIG_IGN if deaf else lambda number, frame: sys.exit(143))


def describe(line: str, timed: bool = False) -> None:
    try:
        config = checked(json.loads(line))
    except (RefusedError, ValueError) as error:
        emit("error", reason="refused", message=str(error))
        return
    network = realised(config)
    if "drawn" not in faults_of(config["dataset"]):
        network["initialises"] = True
        if config["init"]:
            network["fresh"] = ["head"] if config["init"].get("new_head") else []
    images = {"train_images": TRAIN_IMAGES, "test_images": TEST_IMAGES, "fingerprint": "fake-1"}
    if "sized" in faults_of(config["dataset"]):
        images["class_images"] = {
            f"class {label}": TRAIN_IMAGES // network["classes"] for label in range(network["classes"])
        }
    named = {"name": config["dataset"], "classes": network["classes"], "image_size": network["image_size"]}
    latency = 0.1 * sum(network["blocks"]) + network["macs"] / 1e9
    times = {"latency_ms": latency, "latency_iqr_ms": latency / 100} if timed else {}
    keeps = {} if faults_of(config["dataset"]).get("weights") == "none" else {"keeps_weights": True}
    versions = {} if "plain" in faults_of(config["dataset"]) else {"versions": VERSIONS}
    knows = {**keeps, **versions, "compares_latency": True, "checks": True}
    emit("model", **network, **times, **knows, dataset={**named, **images})


def check(path: str) -> None:
    """A validation takes 10 microseconds an image."""
    with open(path, encoding="utf-8") as file:
        config = checked(json.load(file))
    emit("check", step_seconds=0.01, last_validation_seconds=config["subset"]["validation"] * 1e-5)


def compare_latency(paths: list[str]) -> None:
    for number, path in enumerate(paths):
        with open(path, encoding="utf-8") as file:
            network = realised(checked(json.load(file)))
        told = {"network": number, "device": "cpu"}
        machine = {"device_name": "fake", "precision": "fp32", "threads": 1, "passes": 30}
        milliseconds = network["macs"] / 1e6
        emit("latency", **told, **machine, batch=1, milliseconds=milliseconds, iqr_milliseconds=0.5)
        emit("latency", **told, batch=256, skipped="one pass may take 99.0 s")


def export(path: str, output: str) -> None:
    """Write the network as JSON, for a command that tells a latency from that."""
    with open(path, encoding="utf-8") as file:
        network = realised(checked(json.load(file)))
    with open(output, "w", encoding="utf-8") as file:
        json.dump(network, file)
    emit("export", file=output)


def checked(config: Any) -> dict[str, Any]:
    """The configuration with the defaults in it, if it keeps to the protocol. Raises RefusedError."""
    check_keys("the configuration", config, REQUIRED + OPTIONAL)
    missing = [key for key in REQUIRED if key not in config]
    require(not missing, f"the configuration lacks {', '.join(missing)}; add it")
    empty: dict[str, Any] = {"versions": {}, **{name: {} for name in KNOWN}}
    full = {**empty, "recipe": "nomad_haet", **config}
    for name, known in KNOWN.items():
        check_keys(name, full[name], known)
    require(full["protocol"] == 1, f"protocol {full['protocol']} is not known; this trainer speaks 1")
    require(full["model"] in MODELS, f"no network {full['model']!r}; choose from {', '.join(MODELS)}")
    own = full["model"] == "resnet_budget"
    require(own or not full["architecture"], f"{full['model']} has no architecture of its own; leave it out")
    require(full["recipe"] in RECIPES, f"no recipe {full['recipe']!r}; choose from {', '.join(RECIPES)}")
    may_be_0 = ["seed", "part", *(["validation"] if full.get("test") else [])]
    drawn = {name: number for name, number in full["subset"].items() if name != "draw"}
    for name, number in {**full["scale"], **full["budget"], **drawn}.items():
        sound = isinstance(number, int | float) and not isinstance(number, bool) and 0 <= number < math.inf
        require(sound and (number > 0 or name in may_be_0), f"{name} is {number!r}; give a number above 0")
    for name, settings in full["ingredients"].items():
        require(settings is None or isinstance(settings, dict), f"{name} is {settings!r}; give an object")
    require(len(full["budget"]) == 1, f"the budget is {full['budget']}; give one of seconds and steps")
    images = full["subset"]["train"] + full["subset"]["validation"]
    require(images <= TRAIN_IMAGES, f"{images} images are asked for; there are {TRAIN_IMAGES}, ask for fewer")
    part, parts = full["subset"].get("part", 0), TRAIN_IMAGES // images
    require(part < parts, f"part {part} is not there; {TRAIN_IMAGES} images have {parts} parts of {images}")
    optimizer = full["hyperparameters"].get("optimizer") or "sgd"
    require(optimizer in LEARNING_RATES, f"no optimizer {optimizer!r}; choose of {', '.join(LEARNING_RATES)}")
    check_init(full["init"], faults_of(full["dataset"]))
    is_plain = "plain" in faults_of(full["dataset"])
    require(not is_plain or "versions" not in config, "versions are not known here; leave them out")
    require("refuse" not in faults_of(full["dataset"]), "refused as asked; leave refuse out of the data set")
    usual = {"learning_rate": LEARNING_RATES[optimizer], "weight_decay": 5e-4, "batch_size": 128}
    given = {key: value for key, value in full["hyperparameters"].items() if value is not None}
    return {**full, "hyperparameters": {"optimizer": optimizer, **usual, **given}}


def check_init(init: dict[str, Any], faults: dict[str, str]) -> None:
    if not init:
        return
    require("drawn" not in faults, "the configuration has unknown keys init")
    with open(os.path.join(init["folder"], "model.json"), encoding="utf-8") as file:
        held = json.load(file)["weights"]["sha256"]
    require(held == init["sha256"], f"the weights in {init['folder']} have changed; copy them back")


def check_keys(name: str, value: Any, known: list[str]) -> None:
    require(isinstance(value, dict), f"{name} is {value!r}; give an object")
    unknown = [key for key in value if key not in known]
    require(not unknown, f"{name} has unknown keys {', '.join(unknown)}; known are {', '.join(known)}")


def require(sound: bool, problem: str) -> None:
    if not sound:
        raise RefusedError(problem)


def faults_of(dataset: str) -> dict[str, str]:
    kind, _, options = dataset.partition(":")
    faults = dict(option.partition("=")[::2] for option in options.split(",") if kind == "fake" and option)
    check_keys("the data set", faults, FAULTS)
    return faults


def realised(config: dict[str, Any]) -> dict[str, Any]:
    """The network that the multipliers round to, as the `model` event's fields."""
    scale = {"depth": 1.0, "width": 1.0, "resolution": 1.0, **config["scale"]}
    image_size = config.get("image_size") or (16 if config["dataset"] == "digits" else 32)
    pixels = round(image_size * scale["resolution"])
    own = {**ARCHITECTURE, **config["architecture"]} if config["model"] == "resnet_budget" else None
    base = [own["channels"] * 2**stage for stage in range(own["layers"])] if own else list(CHANNELS)
    channels = [max(8, 8 * math.floor(c * scale["width"] / 8 + 0.5)) for c in base]
    base_blocks = own["blocks"] if own else list(BLOCKS)
    blocks = seats(round(sum(base_blocks) * scale["depth"]), base_blocks)
    area = own["kernel"] ** 2 if own else 9
    weights = [2 * area * n * c * c for n, c in zip(blocks, channels, strict=True)]
    macs = round(sum(weight * (pixels / 2**stage) ** 2 for stage, weight in enumerate(weights)))
    size = {"macs": macs, "macs_counter": "fake", "parameters": sum(weights), "resolution": pixels}
    shape = {"channels": channels, "blocks": blocks, "image_size": image_size}
    shape["classes"] = int(faults_of(config["dataset"]).get("classes", CLASSES))
    return {"model": config["model"], **size, **shape, "architecture": own}


def seats(total: int, base_blocks: list[int]) -> list[int]:
    """Blocks of each stage: one each, the rest one by one to the highest quotient (Sainte-Laguë)."""
    blocks = [1] * len(base_blocks)
    while sum(blocks) < total:
        quotients = [base / (2 * held + 1) for base, held in zip(base_blocks, blocks, strict=True)]
        blocks[quotients.index(max(quotients))] += 1
    return blocks


def act_out(faults: dict[str, str], config: dict[str, Any]) -> None:
    """Go wrong as asked, before the first epoch."""
    if "grandchild" in faults:
        emit("grandchild", pid=leave_behind(faults["grandchild"]))
    if "garbage" in faults:
        print("this is not JSON", flush=True)
    use_the_machine_badly(faults)
    if draw("crash", config) < float(faults.get("crash", 0)):
        raise RuntimeError("crashed as asked")
    if draw("oom", config) < float(faults.get("oom", 0)):
        fail(4, "out_of_memory", "out of memory as asked; ask for less")
    if draw("diverge", config) > float(faults.get("diverge_above", 1)):
        fail(3, "diverged", "the loss is not finite, as asked; lower the learning rate")
    while "hang" in faults:
        time.sleep(0.1)


def use_the_machine_badly(faults: dict[str, str]) -> None:
    """Be killed, lose the GPU, take all memory or print without end, as asked."""
    import random

    if random.random() < float(faults.get("killed", 0)):
        os.kill(os.getpid(), signal.SIGKILL)
    if random.random() < float(faults.get("segfault", 0)):
        os.kill(os.getpid(), signal.SIGSEGV)
    if random.random() < float(faults.get("device_lost", 0)):
        fail(6, "device_lost", "the GPU fell off the bus, as asked; see dmesg")
    if "leak" in faults:
        leak(faults["leak"])
    while "flood" in faults:
        os.write({"stdout": 1, "stderr": 2}[faults["flood"]], b'{"event": "flood"}\n' * 10_000)


def leak(kind: str) -> None:
    """Hold ten million bytes more every few milliseconds, up to two billion, and then no more."""
    if kind == "session" and os.fork() == 0:
        os.setsid()
    elif kind == "session":
        return
    held = []
    for _ in range(200):
        held.append(b"x" * 10_000_000)
        time.sleep(0.01)
    time.sleep(600)


def leave_behind(kind: str) -> int:
    """A sleeping process that nobody waits for: its process id."""
    reader, writer = os.pipe()
    if os.fork() == 0:
        if kind in ("session", "daemon"):
            os.setsid()
        if kind == "daemon" and os.fork() != 0:
            os._exit(0)
        os.write(writer, str(os.getpid()).encode())
        time.sleep(600)
        os._exit(0)
    return int(os.read(reader, 32))


def report_training(config: dict[str, Any], network: dict[str, Any], faults: dict[str, str]) -> None:
    clock, sleep_seconds = time.perf_counter(), float(faults.get("sleep", 0))
    budget = config["budget"].get("seconds", math.inf)
    steps = int(faults.get("steps") or config["budget"].get("steps") or math.ceil(100 * budget))
    validated, tested = config["subset"]["validation"] > 0, bool(config.get("test"))
    broken = {"nan": math.nan, "inf": math.inf}
    asked = [value for name, value in broken.items() if name in faults]
    last = asked[0] if asked else accuracy(config, network, float(faults.get("noise", 0.003)))
    plan = {
        "total_steps": steps,
        "step": 0,
        "step_seconds": sleep_seconds / (steps or 1),
        "reason": "calibrated",
    }
    emit("plan", **plan, reserve_seconds=0.0, elapsed_seconds=0.0)
    for epoch in range(1, EPOCHS + 1):
        time.sleep(sleep_seconds / EPOCHS)
        progress = epoch / EPOCHS
        reached = last * (1 - math.exp(-4 * progress)) / (1 - math.exp(-4))
        losses = {"train_loss": 1 - reached, **scores("val", reached if validated else None)}
        losses |= other_scores(reached if validated else None, faults)
        rate = config["hyperparameters"]["learning_rate"] * (1 - progress)
        where = {"epoch": epoch, "step": round(steps * progress), "progress": progress, "learning_rate": rate}
        emit("epoch", **where, **losses, elapsed_seconds=time.perf_counter() - clock)
    seconds = time.perf_counter() - clock
    tests = scores("test", last - 0.005 if tested else None)
    tests["test_accuracy_1000"] = last - 0.004 if tested else None
    rest: dict[str, Any] = {"peak_memory_bytes": None, **tests}
    counts = {"steps": steps, "total_steps": steps, "epochs": EPOCHS, "replans": 0}
    speed = {"train_seconds": seconds, "wall_seconds": seconds, "images_per_second": 128 * steps / seconds}
    rest |= other_scores(last if validated else None, faults) | class_accuracies(last, faults)
    rest["overshoot_seconds"] = seconds - budget if budget < math.inf else 0.0
    if "most_frequent" in faults:
        rest["val_most_frequent"] = float(faults["most_frequent"])
    for _ in range(0 if "noresult" in faults else 2 if "twice" in faults else 1):
        emit("final", **scores("val", last if validated else None), **rest, **counts, **speed)


def scores(images: str, share: float | None) -> dict[str, float | None]:
    return {f"{images}_accuracy": share, f"{images}_loss": None if share is None else 1 - share}


def other_scores(share: float | None, faults: dict[str, str]) -> dict[str, float | None]:
    """Of a trainer that reports more than it must."""
    if "balanced" not in faults:
        return {}
    lower = None if share is None else max(0.0, share - float(faults["balanced"]))
    top5 = None if share is None else min(1.0, share + 0.05)
    return {"val_balanced_accuracy": lower, "val_macro_f1": lower, "val_top5_accuracy": top5}


def class_accuracies(share: float, faults: dict[str, str]) -> dict[str, list[Any]]:
    if "balanced" not in faults:
        return {}
    lower = max(0.04, share - float(faults["balanced"]))
    return {
        "val_class_accuracies": [*(lower + 0.01 * (place - 4) for place in range(9)), None],
        "class_names": list("abcdefghij"),
    }


def accuracy(config: dict[str, Any], network: dict[str, Any], noise: float) -> float:
    """A share in [0, 1] that saturates at .9 with the network's capacity (1 is the named network's)."""
    depth, width = sum(network["blocks"]) / sum(BLOCKS), network["channels"][-1] / CHANNELS[-1]
    capacity = depth**0.25 * width**0.4 * (network["resolution"] / network["image_size"]) ** 0.5
    chosen = config["hyperparameters"]
    loss = 0.003 * list(LEARNING_RATES).index(chosen["optimizer"])
    loss += 0.03 * math.log10(chosen["learning_rate"] / LEARNING_RATES[chosen["optimizer"]]) ** 2
    loss += 0.005 * math.log10(max(chosen["weight_decay"], 1e-5) / 5e-4) ** 2
    loss += 0.004 * abs(math.log2(chosen["batch_size"] / 128))
    luck = math.sqrt(12) * (draw("noise", config) - 0.5)  # mean 0, standard deviation 1
    members = (config["ingredients"].get("ensemble") or {}).get("members", 1)
    gain = RECIPES[config["recipe"]] + 0.01 * math.log2(members)
    gain += EARLIER * bool(config["init"])
    gain += sum(GAINS.get(name, 0) for name, given in config["ingredients"].items() if given is not None)
    exact = 0.9 / (1 + math.exp(-(capacity - 0.3) / 0.07)) - loss + gain + noise * luck
    return min(1.0, max(0.1, exact))


def draw(what: str, config: dict[str, Any]) -> float:
    """A number in [0, 1) that depends on what is trained alone, not on the faults asked for."""
    import hashlib

    trained = {key: config[key] for key in ("model", "scale", "subset", "hyperparameters", "seed")}
    trained |= {key: config[key] for key in ("ingredients", "architecture") if config[key]}
    digest = hashlib.sha256(f"{what} {json.dumps(trained, sort_keys=True)}".encode()).digest()
    return int.from_bytes(digest[:6]) / 2**48


def emit(event: str, **fields: object) -> None:
    print(json.dumps({"event": event, **fields}), flush=True)


def fail(code: int, reason: str, message: str) -> NoReturn:
    emit("error", reason=reason, message=message)
    print(message, file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main(sys.argv[1:])
