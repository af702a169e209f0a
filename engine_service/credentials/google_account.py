"""`google.account`: a Google account, which a person lets Flowloom use."""

from pydantic import Field

from engine_service.sdk.credential import CredentialFields, OAuth2Type, secret
from engine_service.sdk.oauth2 import Terms


class GoogleFields(CredentialFields):
    """The client as it is registered in the Google Cloud console."""

    client_id: str = Field(min_length=1, max_length=1_000, description="The client's id")
    client_secret: str = secret("The client's secret")
    scope: str = Field(
        min_length=1,
        max_length=4_000,
        description="What is asked for, by spaces, such as "
        "`https://www.googleapis.com/auth/calendar`",
    )


class GoogleAccount(OAuth2Type[GoogleFields]):
    """A Google account, for any of Google's APIs: connect it once."""

    Fields = GoogleFields
    type = "google.account"
    title = "Google account"
    hosts = ("*.googleapis.com",)

    def terms(self, fields: GoogleFields) -> Terms:
        return Terms(
            grant="authorization_code",
            token_url="https://oauth2.googleapis.com/token",
            client_id=fields.client_id,
            client_secret=fields.client_secret,
            scope=fields.scope,
            authorize_url="https://accounts.google.com/o/oauth2/v2/auth",
            revoke_url="https://oauth2.googleapis.com/revoke",
            client_authentication="body",
            # Google gives a refresh token to those only who say that they will be away.
            authorize_parameters={"access_type": "offline", "prompt": "consent"},
        )
