"""`aws.access_key`: an access key of AWS, or of storage that speaks S3."""

import asyncio
import importlib
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from engine_service.sdk.credential import CredentialFields, SecretType, secret
from engine_service.sdk.node import HttpRequest
from engine_service.web.binding import host_of

if TYPE_CHECKING:
    from engine_service.web import sigv4

_SIGNING = "engine_service.web.sigv4"


class AwsFields(CredentialFields):
    """The key, and what it is for."""

    access_key_id: str = Field(
        pattern=r"^[!-~]{1,200}$", description="The key's id, which everybody may see: `AKIA…`"
    )
    secret_access_key: str = secret("The secret access key")
    session_token: str = secret("With a temporary key, its session token", default="")
    region: str = Field(
        default="us-east-1", pattern=r"^[a-z0-9-]{1,64}$", description="The region, `eu-central-1`"
    )
    endpoint: str = Field(
        default="",
        pattern=r"^(https?://[^?#@]*[^/?#@])?$",
        max_length=2_000,
        description="Where storage other than Amazon's is, such as MinIO, R2 or Ceph",
    )
    addressing: Literal["auto", "path", "virtual"] = Field(
        default="auto",
        description="Whether a bucket's name is the first step of the path or part of the host; "
        "`auto` takes the path at an endpoint of one's own",
    )


class AwsAccessKey(SecretType[AwsFields]):
    """An access key of Amazon Web Services, or of storage that speaks S3.

    Its secret never travels: requests are signed with it (Signature Version 4). Service and region
    are those that the host of the request says, and otherwise S3 and the region that stands here.
    """

    Fields = AwsFields
    type = "aws.access_key"
    title = "AWS access key"

    def hosts_of(self, fields: AwsFields) -> Sequence[str]:
        if not fields.endpoint:
            return ["*.amazonaws.com.cn" if fields.region.startswith("cn-") else "*.amazonaws.com"]
        own = host_of(fields.endpoint)
        if fields.addressing != "virtual":
            return [own]
        scheme, separator, host = own.rpartition("://")
        return [own, f"{scheme}{separator}*.{host}"]

    async def prepare(self) -> None:
        await asyncio.to_thread(importlib.import_module, _SIGNING)

    def apply(self, fields: AwsFields, request: HttpRequest) -> HttpRequest:
        signer = self._signer()(
            fields.access_key_id, fields.secret_access_key, fields.session_token, fields.region
        )
        return signer.at(request.url).sign(request, datetime.now(UTC))

    def _signer(self) -> "type[sigv4.Signer]":
        return importlib.import_module(_SIGNING).Signer
