"""`memory.kv`: the last turns of a conversation, in Redis for a while."""

from datetime import UTC
from typing import ClassVar

import orjson
from pydantic import Field

from engine_service.ai.memory import MemoryNode, Recollection, SessionParameters, Talk
from engine_service.credentials.redis_account import RedisAccount
from engine_service.protocols.account import open_account
from engine_service.protocols.redis import RedisFields
from engine_service.protocols.shelves import RedisShelf
from engine_service.sdk.memory import Shelf
from engine_service.sdk.node import Services
from shared.workflow import JsonObject

_PREFIX = "flowloom:memory:"
_MOST_TURNS = 200
_LONGEST_SAID = 20_000


class KvParameters(SessionParameters):
    """Whose conversation, how much of it, and for how long."""

    turns: int = Field(
        default=10, ge=1, le=100, description="How many questions with their answers are told"
    )
    ttl: int = Field(
        default=86_400,
        ge=60,
        le=31_536_000,
        description="For how many seconds a conversation is kept after its last turn",
    )


class MemoryKv(MemoryNode[KvParameters]):
    """Has an agent know the last turns of its conversation, kept in Redis for a while.

    With a credential of the type `redis.account` they are on that server; without one on the
    operator's, apart from other tenants'. Redis forgets a conversation `ttl` seconds after its last
    turn, and may forget it earlier when it is started anew: what must last belongs into a
    `memory.buffer`. While Redis is away the agent fails with `memory_away` (`connect_failed` with a
    credential) and may be tried again.
    """

    Parameters = KvParameters
    type = "memory.kv"
    title = "Short memory"
    credential_types = (RedisAccount.type,)
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {},
        {"session": "{{ $json.id }}", "turns": 5, "ttl": 3600},
    )
    keywords = (
        "redis memory", "short-term memory", "session memory", "key-value memory",
        "短期记忆", "会话缓存", "临时记忆",
    )  # fmt: skip

    async def recall(
        self, parameters: KvParameters, talk: Talk, services: Services
    ) -> Recollection:
        shelf = await _shelf(services)
        found = await shelf.read(_name(parameters, talk))
        said = [orjson.loads(value) for value in found.values()]
        said.sort(key=lambda turn: turn["at"])
        return Recollection([(one["question"], one["answer"]) for one in said[-parameters.turns :]])

    async def remember(
        self, parameters: KvParameters, talk: Talk, answer: str, services: Services
    ) -> None:
        shelf, name = await _shelf(services), _name(parameters, talk)
        turn = {
            "at": talk.now.astimezone(UTC).isoformat(timespec="microseconds"),
            "question": talk.question[:_LONGEST_SAID],
            "answer": answer[:_LONGEST_SAID],
        }
        await shelf.add(name, talk.key, orjson.dumps(turn).decode(), parameters.ttl)
        found = await shelf.read(name)
        if len(found) > _MOST_TURNS:
            oldest = sorted(found, key=lambda key: orjson.loads(found[key])["at"])
            await shelf.remove(name, oldest[:-_MOST_TURNS])


async def _shelf(services: Services) -> Shelf:
    """The server of the credential, or else the operator's."""
    if await services.credentials.find(RedisAccount.type) is None:
        return services.memory.shelf
    account = await open_account(services.credentials, RedisAccount.type, RedisFields)
    return RedisShelf(services.network, account, _PREFIX)


def _name(parameters: KvParameters, talk: Talk) -> str:
    session = parameters.session_of(talk, MemoryKv.type)
    return f"{session.scope}:{session.name}"
