"""What is not exactly the archive that was built is refused, whichever way it differs."""

from __future__ import annotations

import io
import json
import pickle
import random
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from pretended_torchserve import NEW, Site, write_archive

from archives.repack import repack, write_sums
from serving.rollout import ArchiveError

Entries = dict[str, bytes]


class Evil:
    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return print, ("run",)


def torch_file(*, legacy: bool) -> bytes:
    content = io.BytesIO()
    torch.save({"weights": torch.zeros(2)}, content, _use_new_zipfile_serialization=not legacy)
    return content.getvalue()


def tar_file() -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("pickle"))
    return content.getvalue()


@pytest.fixture
def archive(site: Site) -> Path:
    path = site.store / f"ensemble-{NEW}.mar"
    write_archive(path, "ensemble", NEW)
    write_sums(site.store)
    return path


def refusal(site: Site) -> str:
    """What verifying says, which must be a refusal in words."""
    with pytest.raises(ArchiveError) as caught:
        site.models.verify(NEW)
    return caught.value.message


def with_entries(archive: Path, more: Entries) -> None:
    """Build the archive with further files, as somebody would who has the build tools."""
    source = archive.with_suffix(".zip")
    with zipfile.ZipFile(archive) as old, zipfile.ZipFile(source, "w") as new:
        entries = {name: old.read(name) for name in old.namelist() if name != "SHA256SUMS"}
        for name, data in {**entries, **more}.items():
            new.writestr(name, data)
    repack(source, archive)
    source.unlink()
    write_sums(archive.parent)


def zipped(archive: Path, change: Callable[[zipfile.ZipFile], None]) -> None:
    """Add to the zip file itself, and let the store vouch for it."""
    with zipfile.ZipFile(archive, "a") as file:
        change(file)
    write_sums(archive.parent)


def test_what_was_built_is_accepted(site: Site, archive: Path) -> None:
    pipeline = site.models.verify(NEW)
    assert pipeline.ensemble.archive == archive.name
    site.models.verify_own()


PICKLES = {
    "weights.pkl": pickle.dumps({}),
    "weights.pt": torch_file(legacy=False),
    "weights.pth": torch_file(legacy=True),
    "weights.bin": b"\0",
    "weights.ckpt": b"\0",
    "weights.joblib": b"\0",
    "weights.npy": b"\x93NUMPY",
    "weights.npz": b"PK",
    "WEIGHTS.PKL": pickle.dumps({}),
}
DISGUISED = {
    **{f"pickle of protocol {number}": pickle.dumps(Evil(), protocol=number) for number in range(2, 6)},
    "torch's zip": torch_file(legacy=False),
    "torch's own": torch_file(legacy=True),
    "tar": tar_file(),
}


@pytest.mark.parametrize("name", PICKLES)
def test_a_pickle_by_name_is_refused(site: Site, archive: Path, name: str) -> None:
    with_entries(archive, {name: PICKLES[name]})
    assert repr(name) in refusal(site)


@pytest.mark.parametrize("kind", DISGUISED)
@pytest.mark.parametrize("name", ["more.safetensors", "more.json", "more.yaml", "more.py", "more"])
def test_a_pickle_under_another_name_is_refused(site: Site, archive: Path, name: str, kind: str) -> None:
    with_entries(archive, {name: DISGUISED[kind]})
    assert repr(name) in refusal(site)


@pytest.mark.parametrize("name", ["more.json", "more.yaml", "more.safetensors"])
def test_a_pickle_of_plain_letters_is_refused(site: Site, archive: Path, name: str) -> None:
    with_entries(archive, {name: pickle.dumps(Evil(), protocol=0)})
    assert repr(name) in refusal(site)


@pytest.mark.parametrize(
    "name", ["../outside.py", "/outside.py", "a/../../b.py", "a\\b.py", "c:b.py", "a\nb.py"]
)
def test_a_name_that_leads_elsewhere_is_refused(site: Site, archive: Path, name: str) -> None:
    with_entries(archive, {name: b""})
    assert "unpacked elsewhere" in refusal(site)


def test_a_link_is_refused(site: Site, archive: Path) -> None:
    link = zipfile.ZipInfo("link.py")
    link.external_attr = 0o120777 << 16
    zipped(archive, lambda file: file.writestr(link, "/etc/passwd"))
    assert "no plain file" in refusal(site)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_that_stands_twice_is_refused(site: Site, archive: Path) -> None:
    zipped(archive, lambda file: file.writestr("handler.py", "other"))
    assert "twice" in refusal(site)


def test_an_entry_that_no_sum_names_is_refused(site: Site, archive: Path) -> None:
    zipped(archive, lambda file: file.writestr("more.py", "more"))
    assert "more.py" in refusal(site)


def test_an_archive_without_sums_is_refused(site: Site, archive: Path) -> None:
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("handler.py", "")
    write_sums(site.store)
    assert "holds no SHA256SUMS" in refusal(site)


@pytest.mark.parametrize(
    "sums", [b"", b"\xff", b"nonsense\n", b"0" * 64 + b"  handler.py\n", b"0" * 64 + b"  missing.py\n"]
)
def test_sums_that_do_not_fit_are_refused(site: Site, archive: Path, sums: bytes) -> None:
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("handler.py", "print()")
        file.writestr("SHA256SUMS", sums)
    write_sums(site.store)
    assert refusal(site).startswith(f"{archive.name} is refused")


def test_an_entry_hidden_from_the_directory_is_refused(site: Site, archive: Path) -> None:
    """TorchServe unpacks by the headers before the entries and would find it."""
    hidden = io.BytesIO()
    with zipfile.ZipFile(hidden, "w") as file:
        file.writestr("evil.py", "print('run')")
        length = file.start_dir
    archive.write_bytes(hidden.getvalue()[:length] + archive.read_bytes())
    write_sums(site.store)
    with zipfile.ZipFile(archive) as file:
        assert "evil.py" not in file.namelist()
    assert "hides something" in refusal(site)


def test_an_entry_hidden_behind_the_last_is_refused(site: Site, archive: Path) -> None:
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr("evil.py", "print('run')")
        del file.filelist[-1]  # from the directory, not from the file
    write_sums(site.store)
    assert "behind its last entry" in refusal(site)


def test_headers_that_contradict_each_other_are_refused(site: Site, archive: Path) -> None:
    data = bytearray(archive.read_bytes())
    crc = struct.unpack_from("<L", data, 14)[0]
    struct.pack_into("<L", data, 14, crc ^ 1)
    archive.write_bytes(data)
    write_sums(site.store)
    assert "hides something" in refusal(site)


def test_an_archive_that_unpacks_without_end_is_refused(
    site: Site, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("serving.rollout.verifying.MAX_BYTES", 10_000)
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("zeros.json", b"0" * 10_001)
    write_sums(site.store)
    assert archive.stat().st_size < 1000
    assert "more than an archive holds" in refusal(site)


def test_json_that_is_nested_without_end_is_refused(site: Site, archive: Path) -> None:
    header = b"[" * 100_000
    with_entries(archive, {"deep.safetensors": len(header).to_bytes(8, "little") + header})
    assert archive.name in refusal(site)


@pytest.mark.parametrize(("node", "version"), [("deblur", NEW), ("ensemble", "3.0")])
def test_an_archive_of_something_else_is_refused(site: Site, archive: Path, node: str, version: str) -> None:
    write_archive(archive, node, version)
    write_sums(site.store)
    assert f"it is {node} {version}, not ensemble {NEW}" in refusal(site)


def test_a_store_that_does_not_vouch_for_it_is_heard(site: Site, archive: Path) -> None:
    sums = site.store / "SHA256SUMS"
    lines = sums.read_text().splitlines(keepends=True)
    sums.write_text("".join(line for line in lines if archive.name not in line))
    assert "SHA256SUMS does not name it" in refusal(site)
    sums.write_text("nonsense\n")
    assert "SHA256SUMS cannot be read" in refusal(site)
    sums.unlink()
    assert "SHA256SUMS cannot be read" in refusal(site)


def test_every_flipped_byte_is_noticed(site: Site, archive: Path) -> None:
    whole = archive.read_bytes()
    for place in random.Random(0).sample(range(len(whole)), 100):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        archive.write_bytes(damaged)
        assert "altered, or not copied whole" in refusal(site)


def test_damage_that_the_store_vouches_for_is_a_sentence(site: Site, archive: Path) -> None:
    """The inner sums and the layout speak; what they say varies, but it never breaks."""
    whole = archive.read_bytes()
    chance = random.Random(1)
    for _ in range(200):
        damaged = bytearray(whole[: chance.choice([len(whole), chance.randrange(len(whole))])])
        for place in chance.sample(range(len(damaged)), min(len(damaged), 3)):
            damaged[place] = chance.randrange(256)
        archive.write_bytes(damaged)
        write_sums(site.store)
        try:
            site.models.verify(NEW)
        except ArchiveError:
            continue
        with zipfile.ZipFile(io.BytesIO(whole)) as before, zipfile.ZipFile(archive) as after:
            names = before.namelist()
            assert [after.read(name) for name in names] == [before.read(name) for name in names]


def test_a_manifest_that_is_none_is_refused(site: Site, archive: Path) -> None:
    with_entries(archive, {"MAR-INF/MANIFEST.json": json.dumps({"createdOn": "", "model": 3}).encode()})
    assert "MANIFEST.json cannot be read" in refusal(site)
