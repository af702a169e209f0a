"""Are the keys of model providers there, and do they look like keys?"""

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from cli.checks.finding import Finding, Patient, fine, note, wrong

_SHAPES = {
    "ANTHROPIC_API_KEY": ("ANTHROPIC_BASE_URL", re.compile(r"sk-ant-[\w-]{20,}")),
    "OPENAI_API_KEY": ("OPENAI_BASE_URL", re.compile(r"sk-[\w-]{20,}")),
}


async def check_providers(patient: Patient) -> Sequence[Finding]:
    findings = [
        finding
        for name, (base_url, shape) in _SHAPES.items()
        for finding in _check_provider(patient, name, base_url, shape)
    ]
    if not any(patient.environment.get(name) for name in _SHAPES):
        findings.append(
            note(
                "model provider",
                "no key is set: the offline author writes the workflows",
                f"Set {' or '.join(_SHAPES)} to let a model write them.",
            )
        )
    return findings


def _check_provider(
    patient: Patient, name: str, base_url: str, shape: re.Pattern[str]
) -> Sequence[Finding]:
    findings: list[Finding] = []
    address = patient.environment.get(base_url, "")
    parts = urlsplit(address)
    if address and not (parts.scheme in {"http", "https"} and parts.hostname):
        findings.append(
            wrong(base_url, "is no http(s) address", f"Set {base_url} to https://HOST/v1.")
        )
    key = patient.environment.get(name, "")
    if not key:
        return findings
    if key != key.strip() or key.strip("'\"") != key:
        mend = f"Set {name} again, without quotes and blanks around it."
        return [*findings, wrong(name, "has quotes or blanks around it", mend)]
    # Servers that merely speak the provider's language have keys of any shape.
    if not address and not shape.fullmatch(key):
        mend = f"Copy the whole key into {name}, or set {base_url} if it is another server's."
        return [*findings, wrong(name, f"does not look like a key ({len(key)} characters)", mend)]
    return [*findings, fine(name, f"is set ({len(key)} characters)")]
