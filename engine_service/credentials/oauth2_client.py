"""`oauth2.client`: a program that proves itself to a token server."""

from typing import Literal

from pydantic import Field

from engine_service.sdk.credential import CredentialFields, OAuth2Type, secret
from engine_service.sdk.oauth2 import Terms


class ClientFields(CredentialFields):
    """The client, and where its tokens come from."""

    token_url: str = Field(
        pattern=r"^https?://", max_length=2_000, description="Where tokens are given"
    )
    client_id: str = Field(min_length=1, max_length=1_000, description="The client's id")
    client_secret: str = secret("The client's secret")
    scope: str = Field(default="", max_length=4_000, description="What is asked for, by spaces")
    audience: str = Field(
        default="", max_length=2_000, description="Whom the token is for, where a server asks"
    )
    client_authentication: Literal["basic", "body"] = Field(
        default="basic", description="Where id and secret go: the Authorization header or the form"
    )


class OAuth2Client(OAuth2Type[ClientFields]):
    """OAuth 2.0 client credentials (RFC 6749, 4.4): tokens are got and renewed by themselves."""

    Fields = ClientFields
    type = "oauth2.client"
    title = "OAuth 2.0 client"
    connectable = False

    def terms(self, fields: ClientFields) -> Terms:
        return Terms(
            grant="client_credentials",
            token_url=fields.token_url,
            client_id=fields.client_id,
            client_secret=fields.client_secret,
            scope=fields.scope,
            client_authentication=fields.client_authentication,
            token_parameters={"audience": fields.audience} if fields.audience else {},
        )
