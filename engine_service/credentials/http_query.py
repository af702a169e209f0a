"""`http.query`: a secret in the query of the address."""

from collections.abc import Sequence
from dataclasses import replace
from urllib.parse import quote, quote_plus

from pydantic import Field

from engine_service.sdk.credential import CredentialFields, SecretType, secret
from engine_service.sdk.node import HttpRequest
from engine_service.web.outgoing_bodies import with_query


class QueryFields(CredentialFields):
    """The field of the query."""

    name: str = Field(
        default="api_key", min_length=1, max_length=200, description="The field's name"
    )
    value: str = secret("The field's value")


class HttpQuery(SecretType[QueryFields]):
    """A secret that an API wants in the query, such as `?api_key=…`."""

    Fields = QueryFields
    type = "http.query"
    title = "Query field"

    def apply(self, fields: QueryFields, request: HttpRequest) -> HttpRequest:
        return replace(request, url=with_query(request.url, {fields.name: fields.value}))

    def forms(self, fields: QueryFields) -> Sequence[str]:
        return [quote(fields.value, safe=""), quote_plus(fields.value)]
