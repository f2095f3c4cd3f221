"""What a search asks about the user's own images, says of them, and refuses when they have changed."""

import io
import os
import shlex
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from orchestrator.console import summary
from orchestrator.evaluation import pairs
from orchestrator.evaluation.options import EvaluationOptions
from orchestrator.spec import base_model
from orchestrator.spec.base_model import BaseModel
from orchestrator.spec.base_training import describe_data, training_of
from orchestrator.spec.command_options import BadOption
from orchestrator.spec.options import OWN_TRAINER
from orchestrator.spec.study_spec import StudySpec, resolve_spec
from orchestrator.spec.trial_config import TrialBudget, TrialTemplate
from orchestrator.study import checks, plan
from orchestrator.study.run import run_study
from orchestrator.trainer_client import NetworkInfo, TrainerBroken, TrainerClient, TrainerRefused
from results.db.rows import refuse_another_question
from results.db.store import Store
from results.errors import QuestionChanged
from tests.orchestrator._processes import eventually
from tests.orchestrator._studies import evaluate, run, settled

OF_DIGITS = "digits-1-9f578524b6cec1fc"  # their fingerprint since there are any


@pytest.fixture(scope="module")
def trainer_client() -> Iterator[TrainerClient]:
    """The real trainer; one process for all, since importing torch takes seconds."""
    with TrainerClient(OWN_TRAINER, check_data=False) as answering:
        yield answering


def photos(root: Path, seed: int = 0) -> str:
    """Two classes of 40 wide images, and a file that is none."""
    rng = np.random.default_rng(seed)
    for name in ("ant", "wolf"):
        (root / "train" / name).mkdir(parents=True)
        for index in range(40):
            pixels = rng.integers(0, 256, (8, 16, 3), np.uint8)
            Image.fromarray(pixels).save(root / "train" / name / f"{index}.png")
    (root / "train" / "ant" / "list.txt").write_text("")
    return f"folder:{root}"


def arrays(path: Path, width: int) -> str:
    images = np.zeros((80, 16, width, 3), np.uint8)
    np.savez(path, allow_pickle=False, train_images=images, train_labels=np.arange(80) % 2)
    return f"npz:{path}"


def asked(trainer_client: TrainerClient, folder: Path, data: str, **given: Any) -> StudySpec:
    images: dict[str, Any] = {"train_images": 40, "validation_images": 20, "batch_size": 16}
    request = settled(folder, data=data, study=None, trainer=None, **images, **given)
    return resolve_spec(request, base_model.find("senet18", None), "cpu", trainer_client)


def question(spec: StudySpec) -> dict[str, Any]:
    return spec.question(1)


def test_images_that_are_square_are_asked_about_as_before_there_was_a_fit(
    trainer_client: TrainerClient, tmp_path: Path
) -> None:
    digits = asked(trainer_client, tmp_path, "digits")
    assert "fit" not in question(digits)["training"]
    assert question(digits)["training"]["fingerprint"] == OF_DIGITS
    assert question(asked(trainer_client, tmp_path, "digits", fit="pad")) == question(digits)
    square = arrays(tmp_path / "x.npz", 16)
    assert question(asked(trainer_client, tmp_path, square, fit="pad")) == question(
        asked(trainer_client, tmp_path, square)
    )
    assert "fit" not in asked(trainer_client, tmp_path, "digits", fit="pad").training.config(
        digits.choice(digits.formulation(None).start)
    )


def test_wide_images_are_asked_about_with_their_fit_and_trained_with_it(
    trainer_client: TrainerClient, tmp_path: Path
) -> None:
    wide = arrays(tmp_path / "x.npz", 24)
    for given, fit in (({}, "crop"), ({"fit": "pad"}, "pad")):
        spec = asked(trainer_client, tmp_path, wide, image_size=16, **given)
        assert question(spec)["training"]["fit"] == fit
        assert spec.training.config(spec.choice(spec.formulation(None).start))["fit"] == fit


def test_a_study_of_wide_arrays_from_before_there_was_a_fit_resumes_where_they_are_squashed(
    trainer_client: TrainerClient, tmp_path: Path
) -> None:
    wide = arrays(tmp_path / "x.npz", 24)
    before = question(asked(trainer_client, tmp_path, wide, image_size=16, fit="squash"))
    del before["training"]["fit"]
    with Store(tmp_path / "results.db") as store:
        study = store.open_study("s", "nas", before, 8, {}, None)
    refuse_another_question(
        study, "nas", question(asked(trainer_client, tmp_path, wide, image_size=16, fit="squash"))
    )
    with pytest.raises(QuestionChanged, match=r"fit: 'squash' recorded, 'crop' now"):
        refuse_another_question(study, "nas", question(asked(trainer_client, tmp_path, wide, image_size=16)))


def test_a_resume_holds_on_a_copy_of_the_images_and_tells_in_words_of_others(
    trainer_client: TrainerClient, tmp_path: Path
) -> None:
    data = photos(tmp_path / "here")
    shutil.copytree(tmp_path / "here", tmp_path / "there", copy_function=shutil.copyfile)
    os.utime(tmp_path / "there" / "train" / "ant" / "0.png", (1, 1))
    with Store(tmp_path / "results.db") as store:
        study = store.open_study("s", "nas", question(asked(trainer_client, tmp_path, data)), 8, {}, None)
    copied = f"folder:{tmp_path / 'there'}"
    refuse_another_question(study, "nas", question(asked(trainer_client, tmp_path, copied)))
    shutil.copytree(tmp_path / "there", tmp_path / "more")
    Image.new("RGB", (9, 9)).save(tmp_path / "more" / "train" / "ant" / "40.png")
    others = question(asked(trainer_client, tmp_path, f"folder:{tmp_path / 'more'}"))
    with pytest.raises(
        QuestionChanged,
        match=r"the images \(folder\) are not those with which the study started: 2 classes, 80 training "
        r"and 0 test images then, 2 classes, 81 training and 0 test images now;",
    ):
        refuse_another_question(study, "nas", others)


def test_another_folder_of_the_same_name_is_told_to_give_its_study_a_name(
    trainer_client: TrainerClient, tmp_path: Path
) -> None:
    first, other = (photos(tmp_path / place / "p2", seed) for seed, place in enumerate(("here", "there")))
    spec = asked(trainer_client, tmp_path, first)
    assert spec.study_name == "nas-senet18-p2"
    with Store(tmp_path / "results.db") as store:
        study = store.open_study(spec.study_name, "nas", question(spec), 8, {}, None)
        trial = store.start_trial(
            study.id, 1, purpose="baseline", config=spec.config(spec.formulation(None).start)
        )
        store.finish_trial(trial.id, "completed")
        with pytest.raises(QuestionChanged) as refused:
            checks.check_study(asked(trainer_client, tmp_path, other), store, 1, trainer_client)
        assert str(refused.value).endswith(
            f"; another data set, {first}, was searched under that name, and not "
            f"{other}; give another --study"
        )
        with pytest.raises(
            QuestionChanged,
            match="give another --study name, repeat the recorded options, or delete the study",
        ):
            checks.check_study(asked(trainer_client, tmp_path, first, seed=3), store, 1, trainer_client)


def test_a_study_of_a_folder_decoded_by_older_rules_is_refused_with_the_page_that_has_them(
    trainer_client: TrainerClient, tmp_path: Path
) -> None:
    now = question(asked(trainer_client, tmp_path, photos(tmp_path / "photos")))
    before = {**now, "training": {**now["training"], "fingerprint": "0" * 64}}
    del before["training"]["fit"]
    with Store(tmp_path / "results.db") as store:
        study = store.open_study("s", "nas", before, 8, {}, None)
    with pytest.raises(QuestionChanged, match=r"decoded by other rules .* \(docs/data\.md\)") as refused:
        refuse_another_question(study, "nas", now)
    assert "0000" not in str(refused.value)


def test_the_size_the_fit_and_what_is_not_read_are_said_of_a_folder(
    trainer_client: TrainerClient, tmp_path: Path
) -> None:
    data = photos(tmp_path / "photos")
    base = asked(trainer_client, tmp_path, data, fit="pad").base
    size = "16 px (median of the shorter sides: 8)"
    assert list(summary.data_lines(base, "40 training images")) == [
        f"data: {data}, 2 classes, {size}, padded to squares; 40 training images",
        "  not read: 1 file of another kind (1 .txt)",
    ]


def unequal(root: Path, **sizes: int) -> str:
    """Classes of so many images, and two test images of each."""
    for part, name, count in [(part, *one) for part in ("train", "test") for one in sizes.items()]:
        (root / part / name).mkdir(parents=True)
        for index in range(count if part == "train" else 2):
            Image.new("RGB", (8, 8), (index % 256, 0, 0)).save(root / part / name / f"{index}.png")
    return f"folder:{root}"


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (
            {},
            [
                "6 folds of 150 images: 125 training and 25 validation images at least",
                "  training + validation images: ant 75 + 15, bee 42 + 8, wolf 8 + 2",
            ],
        ),
        (
            {"train_images": "80%", "validation_images": "all"},
            [
                "120 training and 30 validation images",
                "  training + validation images: ant 72 + 18, bee 40 + 10, wolf 8 + 2",
            ],
        ),
        (
            {"draw": "balanced"},
            [
                "24 training and 6 validation images, equally many of each class",
                "  training + validation images of each: 8 + 2",
            ],
        ),
    ],
    ids=["folds", "shares", "balanced"],
)
def test_a_plan_tells_classes_by_their_folders_and_what_is_drawn_of_them(
    trainer_client: TrainerClient, tmp_path: Path, given: dict[str, Any], wanted: list[str]
) -> None:
    data = unequal(tmp_path / "photos", ant=90, bee=50, wolf=10)
    request = settled(tmp_path, data=data, trainer=None, batch_size=8, **given)
    spec = resolve_spec(request, base_model.find("senet18", None), "cpu", trainer_client)
    steps = spec.training.train_images // 8
    use, drawn = wanted
    *_, line = summary.network_lines(spec)
    size = "16 px (median of the shorter sides: 8)"
    assert line == f"data: {data}, 3 classes, {size}, cropped to squares; {use}"
    assert list(summary.image_lines(spec.base, spec.training)) == [
        "  classes: ant, bee, wolf; images of each: least 10 (wolf), median 50, most 90 (ant)",
        drawn,
        "  6 test images, never drawn from",
        f"  batches of 8: {steps} steps per epoch",
    ]


def test_of_many_classes_the_first_are_named() -> None:
    sizes = {f"c{label:02}": 100 + label for label in range(12)}
    dataset = {"class_images": sizes, "drawn": {name: [80, 20] for name in sizes}, "test_images": 0}
    training = TrialTemplate("senet18", "folder:x", 960, 240, TrialBudget(steps=5))
    described = NetworkInfo("senet18", 1, "", 1, (), (), 32, 48, 12, dataset)
    assert list(summary.image_lines(described, training)) == [
        "  classes: c00, c01, c02, c03, …; images of each: least 100 (c00), median 105.5, most 111 (c11)",
        "  training + validation images of each: 80 + 20",
        "  no test images",
    ]


@pytest.mark.parametrize(
    ("sizes", "given", "said"),
    [
        (
            {"ant": 60, "wolf": 1},
            {},
            "the class 'wolf' has 1 training image, and needs at least 2 for training and validation",
        ),
        (
            {"ant": 60, "wolf": 9},
            {"train_images": 5000, "validation_images": 1000},
            "the class 'wolf' has 9 training images and all classes 69, too few for 5000 for training and "
            "1000 for validation; give --train-images 57 --validation-images 12",
        ),
        (
            {"ant": 60, "wolf": 9},
            {"batch_size": 128},
            "is more than the 57 training images; give --batch-size 8",
        ),
        (
            {"ant": 60, "wolf": 9},
            {"validation_images": 0},
            "--validation-images 0 comes to 0 images, and nothing would be measured; give --train-images 57 "
            "--validation-images 12",
        ),
        (
            {"ant": 60, "wolf": 9},
            {"folds": 70},
            "--folds 70 is more than the 69 training images; give 2 to 69",
        ),
    ],
    ids=["one image", "too many", "batch", "no validation", "folds"],
)
def test_what_cannot_be_drawn_is_refused_with_the_class_and_what_works(
    trainer_client: TrainerClient, tmp_path: Path, sizes: dict[str, int], given: dict[str, Any], said: str
) -> None:
    data = unequal(tmp_path / "photos", **sizes)
    request = settled(tmp_path, data=data, trainer=None, **{"batch_size": 8, **given})
    with pytest.raises((BadOption, TrainerRefused)) as refused:
        resolve_spec(request, base_model.find("senet18", None), "cpu", trainer_client)
    assert said in str(refused.value)


def test_classes_whose_names_differ_in_spaces_are_both_told(
    trainer_client: TrainerClient, tmp_path: Path
) -> None:
    data = unequal(tmp_path / "photos", **{"a b": 30, "a  b": 20, "c": 10})
    request = settled(tmp_path, data=data, trainer=None, batch_size=8)
    spec = resolve_spec(request, base_model.find("senet18", None), "cpu", trainer_client)
    assert spec.base.dataset["class_images"] == {"a b (class 0)": 20, "a b (class 1)": 30, "c": 10}
    assert sum(held_out for _, held_out in spec.base.dataset["drawn"].values()) == 10


def test_the_noise_of_another_score_is_that_of_the_classes_in_a_fold(
    trainer_client: TrainerClient, tmp_path: Path
) -> None:
    data = unequal(tmp_path / "photos", ant=32, bee=14, wolf=14)
    request = settled(tmp_path, data=data, trainer=None, batch_size=8, metric="balanced_accuracy")
    spec = resolve_spec(request, base_model.find("senet18", None), "cpu", trainer_client)
    assert spec.training.validation_images == 10, "of 5 + 2 + 2, rounded, and one more"
    assert question(spec)["effective_images"] == round(9 / (1 / 5 + 1 / 2 + 1 / 2))


def test_a_search_over_batches_is_not_told_to_fix_the_batch(
    trainer_client: TrainerClient, tmp_path: Path
) -> None:
    data = unequal(tmp_path / "photos", ant=90, wolf=60)
    model = base_model.find("senet18", None)
    with pytest.raises(
        BadOption, match=r"tries batches of up to 512 images, more than the 125 training images"
    ):
        resolve_spec(settled(tmp_path, "hpo", data=data, trainer=None), model, "cpu", trainer_client)
    advised: dict[str, Any] = {"space": "recipe", "batch_size": 16}
    request = settled(tmp_path, "hpo", data=data, trainer=None, **advised)
    assert resolve_spec(request, model, "cpu", trainer_client).training.folds == 6


@pytest.mark.parametrize(
    ("data", "opens"), [("folder:x", True), ("npz:x.npz", True), ("cifar10", False), ("digits", False)]
)
def test_a_plan_reads_all_images_that_are_here_and_downloads_none(
    tmp_path: Path, data: str, opens: bool
) -> None:
    script = tmp_path / "asked.py"
    script.write_text("import sys; open(sys.argv[1], 'w').write(' '.join(sys.argv[2:]))")
    trainer = shlex.join([sys.executable, str(script), str(tmp_path / "asked")])
    with pytest.raises(TrainerBroken):
        plan.show_plan(settled(tmp_path, trainer=trainer, data=data, plan=True), Console(file=io.StringIO()))
    assert (tmp_path / "asked").read_text() == ("describe --check-data" if opens else "describe")


@pytest.mark.slow
@pytest.mark.parametrize("act", [run_study, plan.show_plan])
def test_a_plan_refuses_the_pictures_that_the_search_would_refuse(act: Any, tmp_path: Path) -> None:
    data = unequal(tmp_path / "photos", ant=9, wolf=9)
    (tmp_path / "photos" / "train" / "ant" / "0.png").write_bytes(b"no picture")
    request = settled(tmp_path, data=data, trainer=None, batch_size=4, plan=act is plan.show_plan)
    stop = () if act is plan.show_plan else (threading.Event(),)
    with pytest.raises(TrainerRefused, match=r"cannot read the image .*ant/0\.png"):
        act(request, Console(file=io.StringIO()), *stop)


def test_plan_search_and_evaluation_say_the_same_of_the_data(tmp_path: Path) -> None:
    said = "data: fake:, 10 classes, 32 px; "
    printed = io.StringIO()
    plan.show_plan(settled(tmp_path, plan=True), Console(file=printed, width=60))
    assert f"{said}5000 training and 1000 validation images\n" in printed.getvalue()
    assert f"{said}5000 training and 1000 validation images\n" in run(tmp_path)
    assert f"{said}run r uses" in evaluate(tmp_path / "evaluated", plan=True)


@pytest.mark.parametrize(
    ("fit", "said"), [(None, ""), ("crop", ", cropped to squares"), ("squash", ", squashed to squares")]
)
def test_the_line_of_the_data_says_how_images_become_squares(fit: str | None, said: str) -> None:
    dataset = {"name": "folder:photos", "fit": fit, "note": "not read: 2 files of other kinds"}
    described = NetworkInfo("senet18", 1, "", 1, (), (), 32, 48, 3, dataset)
    assert list(summary.data_lines(described, "40 training images")) == [
        f"data: folder:photos, 3 classes, 48 px{said}; 40 training images",
        "  not read: 2 files of other kinds",
    ]


def test_a_model_is_trained_on_with_the_fit_it_was_found_with(
    trainer_client: TrainerClient, tmp_path: Path
) -> None:
    data = photos(tmp_path / "photos")
    spec = asked(trainer_client, tmp_path, data, fit="pad")
    with Store(tmp_path / "results.db") as store:
        study = store.open_study("s", "nas", question(spec), 8, {}, None)
        store.save_model(
            name="nomad_senet18",
            network="senet18",
            depth=1.0,
            width=0.5,
            resolution=1.0,
            dataset=data,
            image_size=None,
            hyperparameters={},
            recipe="nomad_haet",
            macs=1,
            parameters=1,
            val_accuracy=0.5,
            status="provisional",
            study_id=study.id,
        )
        subject = base_model.find("nomad_senet18", store)
    fits = []
    for dataset, given in ((data, {}), (data, {"fit": "crop"}), ("digits", {})):
        request = settled(tmp_path, kind="hpo", subject="nomad_senet18", data=dataset, **given)
        fits.append(training_of(request, subject, "nomad_haet", dataset, "cpu").fit)
    assert fits == ["pad", "crop", None]


def photos_of(root: Path, width: int, height: int) -> str:
    """Two classes of 40 images of that size."""
    for name in ("ant", "wolf"):
        (root / "train" / name).mkdir(parents=True)
        for index in range(40):
            Image.new("RGB", (width, height), (index, 0, 0)).save(root / "train" / name / f"{index}.png")
    return f"folder:{root}"


@pytest.mark.parametrize(
    ("width", "height", "given", "size"),
    [(70, 51, None, 48), (900, 600, None, 64), (9, 12, None, 16), (70, 51, 24, 24)],
)
def test_the_default_size_follows_from_the_images(
    trainer_client: TrainerClient, tmp_path: Path, width: int, height: int, given: int | None, size: int
) -> None:
    spec = asked(trainer_client, tmp_path, photos_of(tmp_path / "p", width, height), image_size=given)
    assert (spec.training.image_size, spec.base.image_size) == (size, size)
    assert question(spec)["training"]["image_size"] == size
    [line] = summary.data_lines(spec.base, "")
    assert f" {size} px (median of the shorter sides: {min(width, height)}), cropped" in line


@pytest.mark.parametrize(("recorded_size", "size"), [(None, 32), (40, 40), (48, 48)])
def test_a_study_goes_on_with_its_size_whatever_would_be_the_default_now(
    trainer_client: TrainerClient, tmp_path: Path, recorded_size: int | None, size: int
) -> None:
    data, model = photos_of(tmp_path / "p", 70, 51), base_model.find("senet18", None)
    request = settled(tmp_path, data=data, trainer=None, batch_size=16)
    new = resolve_spec(request, model, "cpu", trainer_client)
    before = question(new)
    before["training"]["image_size"] = recorded_size
    with Store(tmp_path / "results.db") as store:
        study = store.open_study(new.study_name, "nas", before, 8, {}, None)
        anew = resolve_spec(request, model, "cpu", trainer_client, store)
        assert anew.training.image_size == 48, "without a result it is a new study"
        trial = store.start_trial(study.id, 1, purpose="baseline", config=new.config({}))
        store.finish_trial(trial.id, "completed", val_accuracy=0.5)
        spec = resolve_spec(request, model, "cpu", trainer_client, store)
    assert (spec.training.image_size, spec.base.image_size) == (recorded_size, size)
    assert question(spec)["training"] == before["training"]


def test_a_model_found_at_the_older_default_size_keeps_it_on_its_images_alone(
    trainer_client: TrainerClient, tmp_path: Path
) -> None:
    data, other = (photos_of(tmp_path / name, 70, 51) for name in ("p", "q"))
    sizes = []
    for size, asked_data in ((None, data), (40, data), (None, other)):
        subject = BaseModel("m", "senet18", {}, "", dataset=data, image_size=size, study="s")
        request = settled(tmp_path, kind="hpo", subject="m", data=asked_data, batch_size=16)
        training = training_of(request, subject, "nomad_haet", asked_data, "cpu")
        found, _ = describe_data(training, {}, request, trainer_client, subject, None)
        sizes.append(found.image_size)
    assert sizes == [None, 40, 48]


def test_a_network_that_is_evaluated_beside_a_model_has_the_size_and_fit_of_its_images(
    trainer_client: TrainerClient, tmp_path: Path
) -> None:
    data = photos_of(tmp_path / "p", 70, 51)
    shutil.copytree(tmp_path / "p" / "train", tmp_path / "p" / "test")
    usual = {"folder": tmp_path, "data": data, "device": "cpu", "runs": 1, "budget": "5steps"}
    usual |= {"train_images": 40, "batch_size": 16}
    found = {"network": "senet18", "depth": 1.0, "width": 0.5, "resolution": 1.0, "dataset": data}
    found |= {"recipe": "nomad_haet", "macs": 1, "parameters": 1, "val_accuracy": 0.5, "status": "confirmed"}
    with Store(tmp_path / "results.db") as store:
        study = store.open_study("old", "nas", {"training": {"fit": "squash"}}, 8, {}, None)
        for name, size in (("older", None), ("newer", 40)):
            store.save_model(name=name, image_size=size, hyperparameters={}, study_id=study.id, **found)

        def resolve(*models: str, **given: Any) -> pairs.PairsSpec:
            request = EvaluationOptions.resolve({**usual, "model": list(models), **given})
            spec = pairs.resolve_spec(request, store, "cpu", trainer_client)
            assert [pair.subject.name for pair in spec.pairs] == list(models)
            return spec

        def images(*models: str, **given: Any) -> list[tuple[Any, ...]]:
            of_each = resolve(*models, **given).pairs
            return [(pair.description.image_size, pair.training.fit) for pair in of_each]

        assert images("senet18", "older") == [(32, "squash")] * 2
        assert images("newer", "senet18", "resnet18") == [(40, "squash")] * 3
        assert images("senet18", "newer", image_size=24, fit="pad") == [(24, "pad")] * 2
        assert images("senet18", "resnet18") == [(48, "crop")] * 2, "none was found on these images"
        assert images("older", "newer") == [(32, "squash"), (40, "squash")]
        with pytest.raises(BadOption, match=r"different --image-size \(older 32, newer 40\), so senet18"):
            images("older", "senet18", "newer")
        asked = resolve("senet18", "older").question(None)  # an earlier version asked for other images:
        asked["pairs"]["senet18 with nomad_haet"] |= {"image_size": 48, "fit": "crop"}
        study = store.open_study("s", "evaluation", asked, 8, {}, None)
        trial = store.start_trial(study.id, 1, purpose="evaluation", config={})
        store.finish_trial(trial.id, "completed", test_accuracy=0.5)
        assert images("senet18", "older", study="s") == [(48, "crop"), (32, "squash")]


def test_a_fit_that_is_unknown_is_refused_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(BadOption, match="--fit stretch is unknown; give one of crop, pad, squash"):
        settled(tmp_path, fit="stretch")


HOARDING = """
import os, sys, time
print(os.getpid(), file=open(sys.argv[1], "w"), flush=True)
sys.stdin.readline()
held = bytearray(os.urandom(1_000_000)) * 400
time.sleep(600)
"""


@pytest.mark.parametrize("act", [run_study, plan.show_plan])
def test_data_that_take_more_memory_than_a_training_may_are_refused(act: Any, tmp_path: Path) -> None:
    script = tmp_path / "hoarding.py"
    script.write_text(HOARDING)
    trainer = shlex.join([sys.executable, str(script), str(tmp_path / "pid")])
    request = settled(tmp_path, trainer=trainer, max_memory="200MB", plan=act is plan.show_plan)
    stop = () if act is plan.show_plan else (threading.Event(),)
    with pytest.raises(TrainerRefused, match=r"took \d+\.\d MB of memory, more than the limit of 200\.0 MB"):
        act(request, Console(file=io.StringIO()), *stop)
    pid = int((tmp_path / "pid").read_text())
    assert eventually(lambda: not Path(f"/proc/{pid}").exists(), 10)


@pytest.mark.parametrize(
    ("dataset", "fit"), [("npz:wide.npz", "squash"), ("folder:photos", "squash"), ("cifar10", None)]
)
def test_a_model_found_before_there_was_a_fit_is_squashed_as_its_images_were(
    tmp_path: Path, dataset: str, fit: str | None
) -> None:
    sizes = {"depth": 1.0, "width": 0.5, "resolution": 1.0, "macs": 1, "parameters": 1}
    with Store(tmp_path / "results.db") as store:
        study = store.open_study("s", "nas", {"training": {"network": "senet18"}}, 8, {}, None)
        named = {"name": "small", "network": "senet18", "dataset": dataset, "recipe": "nomad_haet", **sizes}
        store.save_model(**named, val_accuracy=0.5, status="provisional", study_id=study.id)
        assert base_model.find("small", store).fit == fit
