"""JSON Merge Patch (RFC 7396): what PATCH means here."""

from collections.abc import Mapping
from typing import Any, cast


def merge(target: object, patch: object) -> Any:
    """The target with the patch applied; neither is changed. A null removes a member."""
    if not isinstance(patch, Mapping):
        return patch
    merged: dict[str, Any] = (
        dict(cast("Mapping[str, Any]", target)) if isinstance(target, Mapping) else {}
    )
    for name, value in cast("Mapping[str, Any]", patch).items():
        if value is None:
            merged.pop(name, None)
        else:
            merged[name] = merge(merged.get(name), value)
    return merged
