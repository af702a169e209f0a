"""Crypto: hashes, hmacs, signatures and random values."""

import re

from engine_service.n8n.mapping import CannotMap, Mapped, NodeMapping, SourceNode
from shared.workflow import JsonObject

_HASHES = {
    "MD5": "md5", "SHA1": "sha1", "SHA224": "sha224", "SHA256": "sha256", "SHA384": "sha384",
    "SHA512": "sha512", "SHA3-256": "sha3_256", "SHA3-384": "sha3_384", "SHA3-512": "sha3_512",
}  # fmt: skip
_IN_NAME = re.compile(r"(?P<hash>md5|sha3-\d{3}|sha\d{1,3})(?!\d)", re.IGNORECASE)
_ENCODINGS = {"hex": "hex", "base64": "base64"}
_RANDOM = {"ascii": "letters", "base64": "letters", "hex": "hex", "uuid": "uuid"}


def _crypto(node: SourceNode) -> Mapped:
    fields = node.fields
    if fields.flag("binaryData"):
        raise CannotMap("It works on files, which data.crypto does not.")
    action = fields.fixed("action", "hash")
    made: JsonObject = {"to": fields.text("dataPropertyName", "data")}
    if action == "generate":
        kind = fields.choice("encodingType", _RANDOM, "uuid")
        if fields.fixed("encodingType", "uuid") == "ascii":
            fields.differ("Its signs are letters and digits.")
        made.update(operation="random", kind=kind, length=fields.take("stringLength", 32))
        return Mapped("data.crypto", made)
    made.update(
        operation=action,
        value=fields.take("value", ""),
        encoding=fields.choice("encoding", _ENCODINGS, "hex"),
    )
    if action == "sign":
        made["algorithm"] = _signing(str(fields.fixed("algorithm", "")))
        made["private_key"] = fields.text("privateKey")
    elif action in ("hash", "hmac"):
        made["algorithm"] = fields.choice("type", _HASHES, "MD5")
        if action == "hmac":
            made["secret"] = fields.text("secret")
    else:
        raise CannotMap(f"There is no counterpart of the action {action!r}.")
    return Mapped("data.crypto", made)


def _signing(name: str) -> str:
    """The hash function in a name such as `RSA-SHA256`; that it is RSA, the key says."""
    found = _IN_NAME.search(name)
    if found is None or found["hash"].upper() not in _HASHES:
        raise CannotMap(f"There is no counterpart of the algorithm {name!r}.")
    return _HASHES[found["hash"].upper()]


MAPPINGS = (NodeMapping(("n8n-nodes-base.crypto",), _crypto),)
