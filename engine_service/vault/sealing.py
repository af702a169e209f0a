"""The vault: what is secret at rest, and the keys that open it.

A text goes in and comes out sealed: encrypted with a data key of its own (AES-256-GCM), which is
wrapped with a master key whose id is kept beside it. Master keys come from the environment; the
first one writes, the others only read, so that keys can be changed without a moment of darkness.
Whose text it is takes part in the encryption: sealed texts cannot change places.
"""

import base64
import binascii
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from shared.errors import Internal, Unavailable

_KEY_BYTES = 32
_NONCE_BYTES = 12
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass(frozen=True, slots=True)
class Sealed:
    """A sealed text.

    Attributes:
        key_id: The master key that wraps the data key.
        wrapped_key: The data key, encrypted.
        ciphertext: The text, encrypted with the data key.
    """

    key_id: str
    wrapped_key: bytes = field(repr=False)
    ciphertext: bytes = field(repr=False)


class Locked(Internal):
    """A sealed text cannot be opened: its key is not here, or it was tampered with."""

    reason = "CREDENTIAL_LOCKED"


class Vault:
    """Seals and opens.

    Args:
        keys: Master keys by id; the first one seals.
    """

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._keys = {key_id: AESGCM(key) for key_id, key in keys.items()}
        self.key_id = next(iter(keys), "")

    @classmethod
    def parse(cls, text: str) -> "Vault":
        """Read `id:base64key[,id2:base64key2…]`; nothing gives a vault that takes nothing in.

        Raises:
            ValueError: An entry is malformed; the message does not show it.
        """
        keys: dict[str, bytes] = {}
        entries = [entry.strip() for entry in text.split(",") if entry.strip()]
        for place, entry in enumerate(entries, start=1):
            key_id, _, encoded = entry.partition(":")
            if not _ID.fullmatch(key_id) or key_id in keys:
                raise ValueError(f"credential key {place} needs an id of its own: id:base64key")
            keys[key_id] = _read_key(key_id, encoded)
        return cls(keys)

    def seal(self, text: bytes, whose: str) -> Sealed:
        """Seal a text for `whose`, under a new data key.

        Raises:
            Unavailable: There is no master key.
        """
        master = self._keys.get(self.key_id)
        if master is None:
            raise Unavailable(
                "This engine has no key to lock secrets with; its operator sets "
                "ENGINE_CREDENTIAL_KEYS.",
                reason="CREDENTIAL_KEYS_MISSING",
            )
        data_key = AESGCM.generate_key(8 * _KEY_BYTES)
        return Sealed(
            self.key_id,
            _encrypt(master, data_key, _about_key(self.key_id, whose)),
            _encrypt(AESGCM(data_key), text, whose.encode()),
        )

    def open(self, sealed: Sealed, whose: str) -> bytes:
        """The text that was sealed for `whose`.

        Raises:
            Locked: Its key is not here, or it is not what was sealed for them.
        """
        return _decrypt(AESGCM(self._unwrap(sealed, whose)), sealed.ciphertext, whose.encode())

    def rewrap(self, sealed: Sealed, whose: str) -> Sealed:
        """The same sealed text under the first master key; only its data key is opened.

        Raises:
            Locked: Its key is not here, or it is not what was sealed for them.
        """
        data_key = self._unwrap(sealed, whose)
        about = _about_key(self.key_id, whose)
        wrapped = _encrypt(self._keys[self.key_id], data_key, about)
        return Sealed(self.key_id, wrapped, sealed.ciphertext)

    def _unwrap(self, sealed: Sealed, whose: str) -> bytes:
        master = self._keys.get(sealed.key_id)
        if master is None:
            raise Locked(f"The key {sealed.key_id!r} that opens this credential is not here.")
        return _decrypt(master, sealed.wrapped_key, _about_key(sealed.key_id, whose))


def _read_key(key_id: str, encoded: str) -> bytes:
    padded = encoded.strip().replace("-", "+").replace("_", "/")
    try:
        key = base64.b64decode(padded + "=" * (-len(padded) % 4), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _KEY_BYTES:
        raise ValueError(f"credential key {key_id!r} is not {_KEY_BYTES} bytes in base64")
    return key


def _about_key(key_id: str, whose: str) -> bytes:
    return f"{key_id}\0{whose}".encode()


def _encrypt(cipher: AESGCM, text: bytes, about: bytes) -> bytes:
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, text, about)


def _decrypt(cipher: AESGCM, sealed: bytes, about: bytes) -> bytes:
    try:
        return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], about)
    except (InvalidTag, ValueError) as error:
        raise Locked("This credential was damaged, or sealed for somebody else.") from error
