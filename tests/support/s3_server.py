"""An S3 server of moto's in this process, with a bucket in it."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from urllib.request import Request, urlopen

from moto.server import ThreadedMotoServer

KEY, SECRET = "AKIATEST", "not-a-secret-of-anybody"


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket and where it is."""

    endpoint: str
    name: str

    def environment(self) -> Mapping[str, str]:
        """What tells a program how to reach it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ALLOW_HTTP": "true",
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
        }


@asynccontextmanager
async def s3_bucket(name: str) -> AsyncGenerator[Bucket]:
    """A server with one empty bucket, until the block ends."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        bucket = Bucket(f"http://{host}:{port}", name)
        made = Request(f"{bucket.endpoint}/{name}", method="PUT")
        with await asyncio.to_thread(urlopen, made) as answer:
            assert answer.status == 200
        yield bucket
    finally:
        server.stop()
