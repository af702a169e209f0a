"""The vault: what goes in comes out, for its owner, with the right key, and in no other way."""

import base64
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine_service.vault.sealing import Locked, Vault
from shared.errors import Unavailable


def key(number: int) -> str:
    return base64.b64encode(bytes([number]) * 32).decode()


VAULT = Vault.parse(f"a:{key(1)}")
BOTH = Vault.parse(f"b:{key(2)}, a:{key(1)}")
TEXT = b"the very secret text"


@given(st.binary(max_size=5_000), st.text(max_size=50))
def test_what_is_sealed_is_opened(text: bytes, whose: str) -> None:
    sealed = VAULT.seal(text, whose)
    assert VAULT.open(sealed, whose) == text
    assert sealed.key_id == "a"


def test_sealing_twice_is_never_the_same() -> None:
    one, other = VAULT.seal(TEXT, "me"), VAULT.seal(TEXT, "me")
    assert one.ciphertext != other.ciphertext
    assert one.wrapped_key != other.wrapped_key
    assert TEXT not in one.ciphertext + one.wrapped_key


def test_nobody_else_can_open_it() -> None:
    sealed = VAULT.seal(TEXT, "me")
    with pytest.raises(Locked):
        VAULT.open(sealed, "you")


@pytest.mark.parametrize("part", ["ciphertext", "wrapped_key"])
@pytest.mark.parametrize("place", [0, 12, -1])
def test_tampering_shows(part: str, place: int) -> None:
    sealed = VAULT.seal(TEXT, "me")
    changed = bytearray(getattr(sealed, part))
    changed[place] ^= 1
    with pytest.raises(Locked):
        VAULT.open(replace(sealed, **{part: bytes(changed)}), "me")
    with pytest.raises(Locked):
        VAULT.open(replace(sealed, **{part: b""}), "me")


def test_parts_of_two_sealed_texts_do_not_fit() -> None:
    one, other = VAULT.seal(TEXT, "me"), VAULT.seal(b"other", "me")
    with pytest.raises(Locked):
        VAULT.open(replace(one, ciphertext=other.ciphertext), "me")


def test_rotation_changes_the_key_and_not_the_text() -> None:
    old = VAULT.seal(TEXT, "me")
    assert BOTH.open(old, "me") == TEXT
    new = BOTH.rewrap(old, "me")
    assert (new.key_id, new.ciphertext) == ("b", old.ciphertext)
    assert Vault.parse(f"b:{key(2)}").open(new, "me") == TEXT
    with pytest.raises(Locked, match="'b'"):
        VAULT.open(new, "me")
    with pytest.raises(Locked):
        BOTH.rewrap(old, "you")


def test_without_a_key_nothing_is_taken_in() -> None:
    with pytest.raises(Unavailable) as caught:
        Vault.parse(" ").seal(TEXT, "me")
    assert caught.value.code == "CREDENTIAL_KEYS_MISSING"


@pytest.mark.parametrize(
    "text", ["a", "a:", f"a:{key(1)[:-5]}", f"a:{key(1)},a:{key(2)}", f":{key(1)}", "a:!!!!"]
)
def test_a_malformed_key_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(ValueError, match="credential key") as caught:
        Vault.parse(text)
    assert key(1)[:8] not in str(caught.value)


def test_a_sealed_text_shows_nothing_when_printed() -> None:
    sealed = VAULT.seal(TEXT, "me")
    assert repr(sealed) == "Sealed(key_id='a')"
