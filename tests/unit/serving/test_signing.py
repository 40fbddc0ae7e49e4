"""Signatures: whose they are, and of what."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from serving.signing import Keys, PrivateKey, SigningError, check, sign, signature_of, trust


@pytest.fixture
def keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Keys:
    """A folder that somebody named, still without keys."""
    monkeypatch.setenv("OUTOFSYNC_KEYS", str(tmp_path / "keys"))
    return Keys.of_environment()


@pytest.fixture
def key(keys: Keys) -> PrivateKey:
    made, is_new = keys.signer()
    assert made is not None
    assert is_new
    return made


@pytest.fixture
def signed(tmp_path: Path, key: PrivateKey) -> Path:
    path = tmp_path / "ensemble.mar"
    path.write_bytes(b"what was built")
    sign(path, key)
    return path


def refusal(path: Path, keys: Keys) -> str:
    with pytest.raises(SigningError) as caught:
        check(path, keys.trusted())
    return str(caught.value)


def test_what_is_signed_with_a_key_of_ones_own_is_trusted(signed: Path, keys: Keys) -> None:
    check(signed, keys.trusted())
    assert trust() == ""


def test_the_key_is_its_owners_alone_and_used_again(keys: Keys, key: PrivateKey) -> None:
    assert keys.folder is not None
    assert stat.S_IMODE((keys.folder / "signing.key").stat().st_mode) == 0o600
    assert stat.S_IMODE(keys.folder.stat().st_mode) == 0o700
    again, is_new = keys.signer()
    assert again is not None
    assert not is_new
    assert again.private_numbers() == key.private_numbers()


def test_signing_again_changes_nothing(signed: Path, key: PrivateKey) -> None:
    before = signature_of(signed).read_bytes()
    sign(signed, key)
    assert signature_of(signed).read_bytes() == before


def test_other_content_under_the_signature_is_refused(signed: Path, keys: Keys) -> None:
    signed.write_bytes(b"what was built!")
    assert "the file was altered" in refusal(signed, keys)


def test_a_signature_of_another_archive_is_refused(signed: Path, keys: Keys) -> None:
    """An old version under a new name is not what somebody signed."""
    other = signed.with_name("ensemble-2.0.mar")
    signed.rename(other)
    signature_of(signed).rename(signature_of(other))
    assert "another file (ensemble.mar)" in refusal(other, keys)


def test_a_strangers_signature_is_refused(signed: Path, keys: Keys) -> None:
    signature_of(signed).unlink()
    sign(signed, ec.generate_private_key(ec.SECP256R1()))
    assert "not by a key that is trusted" in refusal(signed, keys)


def test_a_missing_signature_is_named(signed: Path, keys: Keys) -> None:
    signature_of(signed).unlink()
    assert refusal(signed, keys).startswith("it has no signature (ensemble.mar.sig is missing;")


def test_a_key_that_came_later_may_be_trusted_beside_the_first(signed: Path, keys: Keys) -> None:
    """Keys are changed by trusting both for a while."""
    assert keys.folder is not None
    (keys.folder / "signing.pub").rename(keys.folder / "retired.pub")
    (keys.folder / "signing.key").unlink()
    assert keys.signer() == (None, False), "who has public keys alone makes no key of their own unasked"
    check(signed, keys.trusted())


CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "no signature": lambda bundle: bundle["dsseEnvelope"]["signatures"].clear(),
    "two signatures": lambda bundle: bundle["dsseEnvelope"]["signatures"].append({"sig": "AAAA"}),
    "an empty one": lambda bundle: bundle["dsseEnvelope"]["signatures"][0].update(sig=""),
    "no base64": lambda bundle: bundle["dsseEnvelope"]["signatures"][0].update(sig="§"),
    "another payload": lambda bundle: bundle["dsseEnvelope"].update(payload="e30="),
    "another kind of payload": lambda bundle: bundle["dsseEnvelope"].update(payloadType="text/plain"),
    "no envelope": lambda bundle: bundle.clear(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_bundle_that_was_changed_is_refused(signed: Path, keys: Keys, change: str) -> None:
    bundle = json.loads(signature_of(signed).read_text())
    CHANGES[change](bundle)
    signature_of(signed).write_text(json.dumps(bundle))
    assert "ensemble.mar.sig is no" in refusal(signed, keys)


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b"[" * 60_000, b" " * 70_000])
def test_what_is_no_bundle_is_refused(signed: Path, keys: Keys, content: bytes) -> None:
    signature_of(signed).write_bytes(content)
    assert "is no signature" in refusal(signed, keys)


def test_a_folder_that_was_named_and_has_no_key_is_no_reason_to_trust(keys: Keys) -> None:
    with pytest.raises(SigningError, match="holds no public key"):
        keys.trusted()


def test_without_a_key_sums_alone_are_checked_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OUTOFSYNC_KEYS")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert Keys.of_environment().folder == tmp_path / "outofsync"
    assert Keys.of_environment().trusted() == ()
    assert "sums alone" in trust()
    monkeypatch.setenv("OUTOFSYNC_KEYS", "")
    assert Keys.of_environment().signer() == (None, False)
    assert "sums alone" in trust()


def test_a_user_without_a_home_has_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OUTOFSYNC_KEYS", "XDG_CONFIG_HOME", "HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("os.getuid", lambda: 4_000_000)
    assert Keys.of_environment() == Keys(None)


@pytest.mark.parametrize("name", ["signing.key", "other.pub"])
@pytest.mark.usefixtures("key")
def test_what_is_no_key_is_named(keys: Keys, name: str) -> None:
    assert keys.folder is not None
    other = ec.generate_private_key(ec.SECP384R1())
    pem = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for content in (b"nonsense", pem):
        (keys.folder / name).write_bytes(content)
        with pytest.raises(SigningError, match=name):
            keys.signer() if name == "signing.key" else keys.trusted()


def test_the_openssfs_own_tool_comes_to_the_same(signed: Path, keys: Keys) -> None:
    verifying = pytest.importorskip("model_signing.verifying", reason="model-signing is not installed")
    assert keys.folder is not None
    ours = verifying.Config().use_elliptic_key_verifier(public_key=keys.folder / "signing.pub")
    ours.verify(signed, signature_of(signed))
    signed.write_bytes(b"something else")
    with pytest.raises(ValueError, match="mismatch"):
        ours.verify(signed, signature_of(signed))
