"""`oauth2.authorization`: a person's account, which they let Flowloom use."""

from typing import Literal

from pydantic import Field

from engine_service.sdk.credential import CredentialFields, OAuth2Type, secret
from engine_service.sdk.oauth2 import Terms


class AuthorizationFields(CredentialFields):
    """The client as it is registered, and the servers it deals with."""

    authorize_url: str = Field(
        pattern=r"^https?://", max_length=2_000, description="Where a person consents"
    )
    token_url: str = Field(
        pattern=r"^https?://", max_length=2_000, description="Where tokens are given"
    )
    revoke_url: str = Field(
        default="",
        pattern=r"^(https?://.*)?$",
        max_length=2_000,
        description="Where tokens are given back (RFC 7009), if anywhere",
    )
    client_id: str = Field(min_length=1, max_length=1_000, description="The client's id")
    client_secret: str = secret("The client's secret; empty for public clients", default="")
    scope: str = Field(default="", max_length=4_000, description="What is asked for, by spaces")
    client_authentication: Literal["basic", "body"] = Field(
        default="basic", description="Where id and secret go: the Authorization header or the form"
    )
    authorize_parameters: dict[str, str] = Field(
        default_factory=dict[str, str],
        max_length=20,
        description="Further parameters of the consent page, such as `access_type`: `offline`",
    )


class OAuth2Authorization(OAuth2Type[AuthorizationFields]):
    """OAuth 2.0 with a person's consent (RFC 6749, 4.1) and PKCE: connect it once."""

    Fields = AuthorizationFields
    type = "oauth2.authorization"
    title = "OAuth 2.0 account"

    def terms(self, fields: AuthorizationFields) -> Terms:
        return Terms(
            grant="authorization_code",
            token_url=fields.token_url,
            client_id=fields.client_id,
            client_secret=fields.client_secret,
            scope=fields.scope,
            authorize_url=fields.authorize_url,
            revoke_url=fields.revoke_url,
            client_authentication=fields.client_authentication,
            authorize_parameters=fields.authorize_parameters,
        )
