"""Project Wycheproof's signed tokens: what a verifier must accept, and what it must refuse."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from gateway.jws import BadToken, UnfitKey, read_header, read_key, read_keys, verify

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "jws_wycheproof.json"
if not DATA.exists():
    pytest.skip(f"the vectors are not here: {DATA}", allow_module_level=True)
ROWS: list[dict[str, Any]] = json.loads(DATA.read_text())

ACCEPTED_ALGORITHMS = {"ES256", "RS256", "HS256"}
NOT_A_SIGNATURE = {"jwe_aes", "jwe_ec"}  # encrypted tokens; we take signed ones only
# Rows that say something else than we do, each with its reason.
EXCEPTIONS: dict[tuple[str, int], str] = {
    ("json_web_signature_test", 367): "the same token and key as 357, which is valid",
    ("json_web_signature_test", 370): "the same token and key as 357, which is valid",
    ("json_web_signature_test", 372): "a character outside of base64url; RFC 7515 forbids it",
    ("json_web_signature_test", 373): "a character outside of base64url; RFC 7515 forbids it",
}


def accepts(row: dict[str, Any]) -> bool:
    token = row["jws"] if isinstance(row["jws"], str) else json.dumps(row["jws"] or "")
    try:
        keys = read_keys(row["key"]) if "keys" in row["key"] else [read_key(row["key"])]
        verify(token, read_header(token), keys)
    except (BadToken, UnfitKey):
        return False
    return True


def named_algorithm(row: dict[str, Any]) -> str:
    header = row["jws"].partition(".")[0]
    return json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))["alg"]


def expected(row: dict[str, Any]) -> bool:
    if (row["file"], row["tc"]) in EXCEPTIONS:
        return row["result"] != "valid"
    if row["result"] != "valid" or row["group"] in NOT_A_SIGNATURE:
        return False
    return named_algorithm(row) in ACCEPTED_ALGORITHMS


@pytest.mark.parametrize(
    "row", ROWS, ids=[f"{row['group']}-{row['tc']}-{row['comment']}" for row in ROWS]
)
def test_a_token_is_judged_as_the_vectors_say(row: dict[str, Any]) -> None:
    assert accepts(row) is expected(row)


def test_the_vectors_hold_good_tokens_of_every_algorithm_we_accept() -> None:
    good = {named_algorithm(row) for row in ROWS if expected(row) and row["result"] == "valid"}
    assert good == ACCEPTED_ALGORITHMS
