"""`github.token`: a personal access token of GitHub, or of GitHub Enterprise."""

from collections.abc import Sequence

from pydantic import Field

from engine_service.sdk.credential import CredentialFields, SecretType, secret, with_header
from engine_service.sdk.node import HttpRequest
from engine_service.web.binding import host_of


class GitHubFields(CredentialFields):
    """The secret, and whom it is for."""

    token: str = secret("A personal access token, `ghp_…` or `github_pat_…`")
    base_url: str = Field(
        default="https://api.github.com",
        pattern=r"^https?://[^?#]*[^/?#]$",
        max_length=2_000,
        description="Where the API is",
    )


class GitHubToken(SecretType[GitHubFields]):
    """A personal access token of GitHub, or of GitHub Enterprise by its base address."""

    Fields = GitHubFields
    type = "github.token"
    title = "GitHub token"

    def hosts_of(self, fields: GitHubFields) -> Sequence[str]:
        return [host_of(fields.base_url)]

    def apply(self, fields: GitHubFields, request: HttpRequest) -> HttpRequest:
        return with_header(request, "authorization", f"Bearer {fields.token}")

    def probe(self, fields: GitHubFields) -> HttpRequest:
        return HttpRequest("GET", f"{fields.base_url}/user")
