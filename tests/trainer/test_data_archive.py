"""Zip and tar files of images: read as their folder is, unpacked once, and refused where they are hostile."""

import io
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainer import data
from trainer.data import _archive
from trainer.errors import InvalidConfig

SIZE = 8


def photos(root: Path) -> Path:
    """train and test of two classes, one with an accent, in `photos`."""
    for part, images in (("train", 3), ("test", 1)):
        for place, name in enumerate(("ant", "würm")):
            (root / "photos" / part / name).mkdir(parents=True)
            for index in range(images):
                grey = (50 * place + index,) * 3
                Image.new("RGB", (SIZE, SIZE), grey).save(root / "photos" / part / name / f"{index}.png")
    return root / "photos"


def source(path: Path) -> data.Source:
    return data.source(f"folder:{path}", SIZE, path.parent / "cache")


def unpacked(found: data.Source) -> list[str]:
    folder = data.cache_folder(found) / "unpacked"
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock") if folder.exists() else []


def zipped(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("kind", ["zip", "tar", "gztar", "bztar", "xztar"])
@pytest.mark.parametrize("within", ["photos", ""])
def test_an_archive_is_the_same_data_as_its_folder(tmp_path: Path, kind: str, within: str) -> None:
    folder = photos(tmp_path)
    root = tmp_path if within else folder
    made = Path(shutil.make_archive(str(tmp_path / "packed"), kind, root, within or None))
    shutil.move(folder, tmp_path / "elsewhere")
    plain, packed = source(tmp_path / "elsewhere"), source(made)
    assert data.fingerprint(packed) == data.fingerprint(plain)
    assert data.about(packed) == data.about(plain)
    of_both = [data.load(one, test=True) for one in (packed, plain)]
    assert np.array_equal(of_both[0].train_images[:], of_both[1].train_images[:])
    assert of_both[0].names == ("ant", "würm")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["elsewhere", made.name, "cache"])


def test_an_archive_is_unpacked_once_and_again_when_it_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", photos(tmp_path)))
    found = source(made)
    data.load(found)
    before = unpacked(found)
    with monkeypatch.context() as without:
        without.setattr(_archive, "_open_files", None)
        data.load(found)
    with zipfile.ZipFile(made, "a") as archive:
        archive.write(tmp_path / "photos" / "train" / "ant" / "0.png", "train/ant/more.png")
    assert len(data.load(found).train_images) == 7
    assert len(before) == 1
    assert len(unpacked(found)) == 2, "this process has read the older one, and may do so again"


def reading(path: Path) -> subprocess.Popen[str]:
    """A process that has read an archive, until it is killed."""
    words = f"from tests.trainer.test_data_archive import *; data.load(source(Path({str(path)!r})))"
    process = subprocess.Popen(
        [sys.executable, "-c", f"{words}; print('read', flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "read\n"
    return process


@pytest.mark.slow
def test_older_versions_of_an_archive_go_as_soon_as_nobody_reads_them(tmp_path: Path) -> None:
    content = {f"train/{name}/0.png": png(1) for name in ("ant", "bee")}
    made = zipped(tmp_path / "photos.zip", **content)
    found = source(made)
    with reading(made) as first:
        [old] = unpacked(found)
        zipped(made, **content, **{"train/ant/new.png": png(9)})
        with reading(made) as second:
            assert len(unpacked(found)) == 2, "the first process still reads the older version"
            second.kill()
        first.kill()
    zipped(made, **content, **{"train/ant/newer.png": png(7)})
    assert len(data.load(found).train_images) == 3
    [new] = unpacked(found)
    assert new != old


def test_what_was_not_used_for_long_goes_when_another_archive_is_unpacked(tmp_path: Path) -> None:
    images = {f"train/{name}/0.png": png(1) for name in ("ant", "bee")}
    kept, stale = (tmp_path / "cache" / "unpacked" / name for name in ("1234-a.zip", "5678-b.zip.part"))
    for folder in (kept, stale):
        (folder / "train").mkdir(parents=True)
    os.utime(stale, (0, 0))
    data.load(source(zipped(tmp_path / "c.zip", **images)))
    assert kept.exists()
    assert not stale.exists()
    os.utime(kept, (0, 0))
    data.load(source(zipped(tmp_path / "d.zip", **images)))
    assert not kept.exists()
    assert len(unpacked(source(tmp_path / "d.zip"))) == 2


def png(grey: int) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (SIZE, SIZE), (grey,) * 3).save(file, "png")
    return file.getvalue()


def test_what_a_killed_process_left_half_unpacked_is_not_read(tmp_path: Path) -> None:
    made = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", photos(tmp_path)))
    found = source(made)
    data.load(found)
    folder = data.cache_folder(found) / "unpacked"
    [name] = unpacked(found)
    (folder / name).rename(folder / f"{name}.part")
    shutil.rmtree(folder / f"{name}.part" / "train" / "ant")
    assert len(data.load(found).train_images) == 6
    assert unpacked(found) == [name]


def test_names_of_a_zip_that_are_utf_8_without_saying_so_are_read_as_such(tmp_path: Path) -> None:
    made = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", photos(tmp_path)))
    content = bytearray(made.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = content.find(signature)
        while place >= 0:
            content[place + offset + 1] &= ~0x08  # the flag of UTF-8
            place = content.find(signature, place + 4)
    made.write_bytes(content)
    assert data.load(source(made)).names == ("ant", "würm")


def tarred(path: Path, *members: tarfile.TarInfo) -> Path:
    with tarfile.open(path, "w") as archive:
        for member in members:
            archive.addfile(member, io.BytesIO(bytes(member.size)))
    return path


def tar_member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.linkname, member.size = kind, link, 5 if kind == tarfile.REGTYPE else 0
    return member


def zipped_link(path: Path) -> Path:
    member = zipfile.ZipInfo("train/ant/0.png")
    member.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, "/etc/passwd")
    return path


def encrypted(path: Path) -> Path:
    content = bytearray(zipped(path, a=b"x").read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    return path


OUTSIDE, LINK = "outside of its folder", "is a link or a device"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: zipped(path, **{"../../escaped": b"x"}), OUTSIDE),
        (lambda path: zipped(path, **{"train/../../escaped": b"x"}), OUTSIDE),
        (lambda path: zipped(path, **{"/tmp/escaped": b"x"}), OUTSIDE),
        (lambda path: tarred(path, tar_member("../escaped")), OUTSIDE),
        (lambda path: tarred(path, tar_member("/tmp/escaped")), OUTSIDE),
        (lambda path: tarred(path, tar_member("a", tarfile.SYMTYPE, "/etc/passwd")), LINK),
        (lambda path: tarred(path, tar_member("a", tarfile.LNKTYPE, "/etc/passwd")), LINK),
        (lambda path: tarred(path, tar_member("a", tarfile.FIFOTYPE)), LINK),
        (zipped_link, LINK),
        (encrypted, "cannot unpack"),
        (lambda path: zipped(path, a=b"x", **{"a/b": b"x"}), "cannot unpack"),
        (lambda path: zipped(path, large=bytes(200_000)), "unpacks to more than 100,000 bytes"),
        (lambda path: zipped(path, **{str(i): b"" for i in range(25)}), "unpacks to more than"),
        (lambda path: tarred(path, *[tar_member(str(i)) for i in range(25)]), "unpacks to more than"),
    ],
)
def test_a_hostile_archive_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], Path], says: str
) -> None:
    monkeypatch.setenv(_archive.VARIABLE, "100000")
    (tmp_path / "in").mkdir()
    found = source(make(tmp_path / "in" / "hostile.zip"))
    for read in (data.about, data.load, data.fingerprint):
        with pytest.raises(InvalidConfig, match=says) as refused:
            read(found)
        assert "\n" not in str(refused.value)
    assert unpacked(found) == []
    assert {path.name for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".lock"} == {
        "hostile.zip"
    }


@pytest.mark.parametrize("kind", ["zip", "tar", "gztar", "bztar", "xztar"])
def test_an_archive_that_is_cut_off_or_is_none_is_refused(tmp_path: Path, kind: str) -> None:
    made = Path(shutil.make_archive(str(tmp_path / "packed"), kind, photos(tmp_path)))
    whole = made.read_bytes()
    for content in (whole[: len(whole) // 2], whole[: len(whole) // 2 + 99], b"no archive", b""):
        made.write_bytes(content)
        with pytest.raises(InvalidConfig, match=r"cannot unpack .* give a zip or tar file that can be read"):
            data.about(source(made))
