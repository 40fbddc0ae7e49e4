"""``outofsync models verify FILE`` and ``sign``: every fault of one file in a sentence, and nothing run."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import pytest
from pretended_torchserve import NEW, OWN, Site
from untrained import write_checkpoints

from archives.repack import write_sums
from outofsync_client.cli.display import EXIT_ERROR
from outofsync_client.cli.main import cli
from serving.rollout import ArchiveError, BuildFailedError, RecordError, StepRefusedError
from serving.signing import Keys, sign, signature_of


def outofsync(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        cli.main(["models", *words])
    code = ended.value.code
    return code if isinstance(code, int) else 0


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keys:
    """From here on, only what is signed is trusted."""
    monkeypatch.setenv("OUTOFSYNC_KEYS", str(tmp_path / "keys"))
    keys = Keys.of_environment()
    keys.signer()
    return keys


def signed_by(keys: Keys, *paths: Path) -> None:
    key, _ = keys.signer()
    assert key is not None
    for path in paths:
        sign(path, key)


def test_a_sound_file_is_said_to_be(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert outofsync("verify", str(site.store / "ensemble.mar")) == 0
    printed = capsys.readouterr().out
    assert "is as it was built" in printed
    assert "sums alone" in printed


def test_all_that_is_wrong_is_said_at_once(
    site: Site, keys: Keys, capsys: pytest.CaptureFixture[str]
) -> None:
    archive = site.store / "ensemble.mar"
    signed_by(keys, archive)
    with zipfile.ZipFile(archive, "a") as file:
        link = zipfile.ZipInfo("link.py")
        link.external_attr = 0o120777 << 16
        file.writestr(link, "/etc/passwd")
        file.writestr("../outside.py", "")
    assert outofsync("verify", str(archive)) == EXIT_ERROR
    lines = capsys.readouterr().err.splitlines()
    for line, said in zip(lines, ("SHA-256", "altered since", "link.py", "outside.py"), strict=True):
        assert said in line


CRAFTED = {
    "a pickle": ("weights.pkl", pickle.dumps({}), "pickles run code"),
    "a foreign file": ("run.sh", b"#!/bin/sh", "belongs in no archive"),
    "text without end": ("more.json", b" " * (4 * 1024**2 + 1), "larger than any text"),
    "a path elsewhere": ("/etc/cron.d/more.py", b"", "unpacked elsewhere"),
}


@pytest.mark.parametrize("kind", CRAFTED)
def test_a_crafted_member_is_named(site: Site, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    name, content, said = CRAFTED[kind]
    archive = site.store / "ensemble.mar"
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr(name, content)
    write_sums(site.store)
    assert outofsync("verify", str(archive)) == EXIT_ERROR
    assert any(repr(name) in line and said in line for line in capsys.readouterr().err.splitlines())


def test_a_store_without_sums_is_said(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    (site.store / "SHA256SUMS").unlink()
    assert outofsync("verify", str(site.store / "deblur.mar")) == EXIT_ERROR
    assert "SHA256SUMS cannot be read" in capsys.readouterr().err


@pytest.mark.usefixtures("keys")
def test_checkpoints_are_looked_at_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sync = write_checkpoints(tmp_path / "weights") / "sync.safetensors"
    assert outofsync("verify", str(sync)) == 0
    assert outofsync("sign", str(sync)) == 0
    assert outofsync("verify", str(sync)) == 0
    sync.write_bytes(sync.read_bytes() + b"more")
    assert outofsync("verify", str(sync)) == EXIT_ERROR
    said = capsys.readouterr().err
    assert "altered since" in said
    assert "no safetensors file" in said
    for name, words in (("weights.pt", "pickles run code"), ("notes.txt", "neither an archive")):
        (tmp_path / name).write_bytes(b"")
        assert outofsync("verify", str(tmp_path / name)) == EXIT_ERROR
        assert words in capsys.readouterr().err
    assert outofsync("verify", str(tmp_path / "missing.mar")) == EXIT_ERROR
    assert "there is no file" in capsys.readouterr().err


@pytest.mark.usefixtures("site", "keys")
def test_a_faulty_file_is_not_signed(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    archive = site.store / "ensemble.mar"
    archive.write_bytes(b"no zip file")
    assert outofsync("sign", str(archive)) == EXIT_ERROR
    assert "is not signed: it is no whole zip file" in capsys.readouterr().err
    assert not signature_of(archive).exists()


def test_who_has_no_key_cannot_sign(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert outofsync("sign", str(site.store / "ensemble.mar")) == EXIT_ERROR
    assert "there is no key to sign with" in capsys.readouterr().err


def test_an_unsigned_version_is_not_registered_and_a_signed_one_is(
    site: Site, keys: Keys, capsys: pytest.CaptureFixture[str]
) -> None:
    signed_by(keys, *(site.store / f"{node}.mar" for node in ("deblur", "ensemble")))
    site.built(NEW, "ensemble")
    with pytest.raises(ArchiveError, match=r"ensemble-2\.0\.mar\.sig is missing"):
        site.models.register(NEW)
    where = ["--state", str(site.state), "--model-store", str(site.store)]
    assert outofsync("sign", *where, NEW) == 0
    assert "ensemble-2.0.mar" in capsys.readouterr().out
    site.models.register(NEW)
    site.models.promote(NEW)
    site.stop()
    assert site.start() == ()


def test_a_restart_refuses_what_lost_its_signature(site: Site, keys: Keys) -> None:
    """What is promoted must not be served; what is only a candidate is left out, and that is said."""
    own = [site.store / f"{node}.mar" for node in ("deblur", "ensemble")]
    signed_by(keys, *own)
    site.built(NEW, "ensemble")
    signed_by(keys, site.store / "ensemble-2.0.mar")
    site.models.register(NEW)
    signature_of(site.store / "ensemble-2.0.mar").unlink()
    (said,) = site.start()
    assert "pipeline 2.0 is not loaded" in said
    assert "has no signature" in said
    with pytest.raises(StepRefusedError, match="has no signature"):
        site.models.register(NEW)
    signature_of(own[0]).unlink()
    with pytest.raises(RecordError, match=rf"pipeline {OWN} is promoted and cannot be served"):
        site.start()


def test_a_start_asks_for_the_signatures_of_its_own_archives(site: Site, keys: Keys) -> None:
    own = [site.store / name for name in ("deblur.mar", "ensemble.mar", "deepfake.war")]
    signed_by(keys, *own)
    site.models.verify_own()
    signature_of(own[-1]).unlink()
    with pytest.raises(ArchiveError, match=r"deepfake\.war is refused: it has no signature"):
        site.models.verify_own()


def test_a_checkpoint_whose_signature_is_wrong_makes_no_version(
    site: Site, keys: Keys, tmp_path: Path
) -> None:
    weights = write_checkpoints(tmp_path / "weights")
    signed_by(keys, weights / "sync.safetensors")
    signature_of(weights / "sync.safetensors").write_text("{}")
    with pytest.raises(BuildFailedError, match=r"sync\.safetensors is not used: .* is no signature"):
        site.models.build([weights], NEW, project=Path(__file__).resolve().parents[4])
