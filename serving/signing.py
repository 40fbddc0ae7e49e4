"""Signatures of archives: they say who built a file, where sums only say that it is whole.

``FILE.sig`` holds one in the format of the OpenSSF's model signing (a Sigstore bundle with a DSSE envelope
around an in-toto statement), made with a local key: no network, no certificate authority. It is written and
checked here with ``cryptography`` alone; ``model_signing verify key FILE --signature FILE.sig --public_key
signing.pub`` comes to the same. That library itself is not shipped: it brings fifteen packages that talk to
certificate authorities and logs, imports one that it does not name, and takes 1.7 s to be imported, which
every start would wait for, where ``cryptography``, which is there anyway, takes 14 ms.

A folder of keys (``OUTOFSYNC_KEYS``; else ``~/.config/outofsync``) holds ``signing.key``, with which builds
sign, and any number of ``*.pub``: what one of those has signed is trusted. An empty variable turns both off.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from outofsync_client.protocol.private_files import write_private

KEYS_VARIABLE = "OUTOFSYNC_KEYS"
SIGNATURE_ENDING = ".sig"
PRIVATE_NAME, PUBLIC_NAME = "signing.key", "signing.pub"
MOST_BYTES = 64 * 1024  # of a signature
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
PAYLOAD = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://model_signing/signature/v1.0"
ECDSA = ec.ECDSA(hashes.SHA256())

PrivateKey = ec.EllipticCurvePrivateKey
PublicKey = ec.EllipticCurvePublicKey


class SigningError(Exception):
    """A file cannot be signed, or its signature is not to be trusted; the message says why."""


@dataclass(frozen=True)
class Keys:
    """A folder of keys; None where signatures are neither made nor asked for."""

    folder: Path | None
    required: bool = False  # somebody named the folder, and counts on it

    @classmethod
    def of_environment(cls) -> Keys:
        """The folder that the environment names, else the one of whoever calls."""
        named = os.environ.get(KEYS_VARIABLE)
        if named is not None:
            return cls(Path(named), required=True) if named else cls(None)
        try:
            settings = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
        except RuntimeError:  # a container's user of any number has no home
            return cls(None)
        return cls(Path(settings) / "outofsync")

    def signer(self) -> tuple[PrivateKey | None, bool]:
        """The key to sign with, and whether it was made just now.

        One is made where the folder has no key of any kind; a folder of public keys alone signs nothing.
        Raises :class:`SigningError`.
        """
        if self.folder is None:
            return None, False
        path = self.folder / PRIVATE_NAME
        try:
            if not path.exists():
                return (None, False) if self._public_files() else (self._make(), True)
            key = load_pem_private_key(path.read_bytes(), password=None)
        except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise SigningError(f"{path} cannot be used ({error})") from None
        if not _is_ours(key.public_key()):
            raise SigningError(f"{path} is no private key of the curve P-256")
        assert isinstance(key, PrivateKey)
        return key, False

    def trusted(self) -> tuple[PublicKey, ...]:
        """Public keys whose signatures are trusted; none where there are none to ask for.

        Raises :class:`SigningError` where one cannot be read, or a folder that was named holds none.
        """
        found = []
        for path in self._public_files():
            try:
                key = load_pem_public_key(path.read_bytes())
            except (OSError, ValueError, UnsupportedAlgorithm) as error:
                raise SigningError(f"{path} cannot be used ({error})") from None
            if not _is_ours(key):
                raise SigningError(f"{path} is no public key of the curve P-256")
            assert isinstance(key, PublicKey)
            found.append(key)
        if self.required and not found:
            raise SigningError(f"{KEYS_VARIABLE} names {self.folder}, which holds no public key (*.pub)")
        return tuple(found)

    def _public_files(self) -> list[Path]:
        return [] if self.folder is None else sorted(self.folder.glob("*.pub"))

    def _make(self) -> PrivateKey:
        """A new pair, private to its owner; the public half is written last, as it is what is looked for."""
        assert self.folder is not None
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        key = ec.generate_private_key(ec.SECP256R1())
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        write_private(self.folder / PRIVATE_NAME, private)
        write_private(self.folder / PUBLIC_NAME, _pem(key.public_key()))
        return key


def trust() -> str:
    """A sentence where no signatures are asked for; empty where they are. Raises :class:`SigningError`."""
    if Keys.of_environment().trusted():
        return ""
    return f"archives are checked by their sums alone: no key is trusted here ({KEYS_VARIABLE})"


def signature_of(path: Path) -> Path:
    """Where the signature of a file lies."""
    return path.with_name(path.name + SIGNATURE_ENDING)


def sign(path: Path, key: PrivateKey) -> None:
    """Write the signature of a file beside it, unless one of this key lies there already."""
    try:
        check(path, [key.public_key()])
        return
    except SigningError:
        pass
    payload = json.dumps(_statement(path.name, _digest(path)), indent=2).encode()
    bundle = {
        "mediaType": BUNDLE,
        "verificationMaterial": {
            "publicKey": {"hint": hashlib.sha256(_pem(key.public_key())).hexdigest()},
            "tlogEntries": [],
        },
        "dsseEnvelope": {
            "payload": base64.b64encode(payload).decode(),
            "payloadType": PAYLOAD,
            "signatures": [{"sig": base64.b64encode(key.sign(_framed(payload), ECDSA)).decode()}],
        },
    }
    target = signature_of(path)
    partial = target.with_name(f"{target.name}.partial")
    partial.write_text(json.dumps(bundle) + "\n", encoding="utf-8")
    partial.replace(target)


def check(path: Path, trusted: Sequence[PublicKey]) -> None:
    """Raises :class:`SigningError` unless one of these keys has signed this file under this name."""
    signature = signature_of(path)
    try:
        with signature.open("rb") as file:
            text = file.read(MOST_BYTES + 1)
        if len(text) > MOST_BYTES:
            raise ValueError("it is too long")
        envelope = json.loads(text)["dsseEnvelope"]
        kind, payload = envelope["payloadType"], base64.b64decode(envelope["payload"], validate=True)
        (signed,) = envelope["signatures"]
        proof = base64.b64decode(signed["sig"], validate=True)
    except FileNotFoundError:
        raise SigningError(
            f"it has no signature ({signature.name} is missing; whoever built it can sign it: "
            "outofsync models sign)"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise SigningError(f"{signature.name} is no signature ({type(error).__name__}: {error})") from None
    if kind != PAYLOAD or not any(_has_signed(key, proof, payload) for key in trusted):
        raise SigningError(f"{signature.name} is not by a key that is trusted")
    # From here on it is what somebody trusted has written.
    try:
        statement = json.loads(payload)
        (subject,) = statement["subject"]
        (part,) = statement["predicate"]["resources"]
        said = (statement["predicateType"], part["name"], part["algorithm"])
        name, digest = subject["name"], bytes.fromhex(part["digest"])
    except (ValueError, KeyError, TypeError):
        raise SigningError(f"{signature.name} is not about a file") from None
    if said != (PREDICATE, ".", "sha256") or name != path.name:
        raise SigningError(f"{signature.name} is about another file ({name})")
    if digest != _digest(path):
        raise SigningError(f"{signature.name} is about other content: the file was altered since")


def _statement(name: str, digest: bytes) -> dict[str, Any]:
    """What is signed: one file of this name with this SHA-256."""
    return {
        "_type": STATEMENT,
        "subject": [{"name": name, "digest": {"sha256": hashlib.sha256(digest).hexdigest()}}],
        "predicateType": PREDICATE,
        "predicate": {
            "serialization": {
                "method": "files",
                "hash_type": "sha256",
                "allow_symlinks": False,
                "ignore_paths": [],
            },
            "resources": [{"name": ".", "algorithm": "sha256", "digest": digest.hex()}],
        },
    }


def _framed(payload: bytes) -> bytes:
    """What a DSSE signature is of: the payload with its kind and their lengths."""
    return f"DSSEv1 {len(PAYLOAD)} {PAYLOAD} {len(payload)} ".encode() + payload


def _has_signed(key: PublicKey, proof: bytes, payload: bytes) -> bool:
    try:
        key.verify(proof, _framed(payload), ECDSA)
    except InvalidSignature:
        return False
    return True


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()


def _pem(key: PublicKey) -> bytes:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _is_ours(key: object) -> bool:
    return isinstance(key, PublicKey) and isinstance(key.curve, ec.SECP256R1)
