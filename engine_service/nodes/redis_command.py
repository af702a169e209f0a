"""`redis.command`: reads and writes keys, counters, hashes, lists and sets in Redis."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, cast

import orjson
from pydantic import Field

from engine_service.credentials.redis_account import RedisAccount
from engine_service.protocols.account import open_account
from engine_service.protocols.redis import Argument, Client, RedisFields, connected
from engine_service.sdk.node import (
    MAIN,
    ActionNode,
    Done,
    Effect,
    Failed,
    ItemFailure,
    NodeError,
    NodeInput,
    NodeParameters,
    Outcome,
    Services,
)
from shared.workflow import Item, JsonObject

CommandName = Literal[
    "get", "set", "delete", "exists", "expire", "ttl", "increment", "keys",
    "hash_get", "hash_get_all", "hash_set", "hash_delete",
    "list_push", "list_pop", "list_range", "list_length",
    "set_add", "set_remove", "set_members", "publish", "info",
]  # fmt: skip
_SCAN_COUNT = 500


class RedisParameters(NodeParameters):
    """What to do with which key."""

    command: CommandName = Field(default="get", description="What to do")
    key: str = Field(
        default="", max_length=10_000, description="The key; for keys a pattern such as `user:*`"
    )
    value: Any = Field(
        default=None,
        description="For set, list_push, set_add, set_remove, publish and hash_set with `field`: "
        "what to write; objects and lists go as JSON. For hash_set without `field`: an object of "
        "fields",
    )
    field: str = Field(
        default="", max_length=10_000, description="For hash_get, hash_set and hash_delete"
    )
    ttl: int = Field(
        default=0, ge=0, description="For set, increment and expire: seconds to live; 0 for ever"
    )
    only_if_absent: bool = Field(
        default=False, description="For set: leave a key that is there as it is"
    )
    amount: int = Field(default=1, description="For increment: by how much, negative to count down")
    side: Literal["left", "right"] = Field(
        default="right", description="For list_push and list_pop: at which end"
    )
    start: int = Field(default=0, description="For list_range: the first place, from 0")
    stop: int = Field(default=-1, description="For list_range: the last place; -1 is the end")
    channel: str = Field(default="", max_length=10_000, description="For publish: to whom")
    limit: int = Field(
        default=1_000, ge=1, le=100_000, description="For keys: how many at the most"
    )
    read_json: bool = Field(
        default=True, description="Whether texts that are JSON objects or lists are read as such"
    )


class RedisCommand(ActionNode[RedisParameters]):
    """Does something with a key of a Redis or Valkey server for each item.

    The item that comes out has what was found as `value`: null where there is no such key. `keys`
    looks through all keys without holding the server up. Commands that could take others' data
    away as a whole, run scripts or change the server are not on the list.

    What only reads is repeated after a crash; what writes is not, unless the author allows it.
    """

    Parameters = RedisParameters
    type = "redis.command"
    title = "Redis"
    effect = Effect.UNSAFE
    credential_types = (RedisAccount.type,)
    needs_credential = True
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"command": "get", "key": "customer:{{ $json.id }}"},
        {"command": "set", "key": "seen:{{ $json.id }}", "value": True, "ttl": 86400},
        {"command": "increment", "key": "orders:{{ $json.kind }}"},
        {"command": "publish", "channel": "orders", "value": {"id": "{{ $json.id }}"}},
    )
    keywords = (
        "redis", "valkey", "cache", "key-value", "counter", "publish", "queue", "store a key",
        "缓存", "键值", "计数器", "发布消息",
    )  # fmt: skip

    @classmethod
    def effect_of(cls, parameters: JsonObject) -> Effect:
        command = _COMMANDS.get(str(parameters.get("command", "get")))
        return Effect.READ if command is not None and command.reads else cls.effect

    async def run(self, given: NodeInput[RedisParameters], services: Services) -> Outcome:
        if not given.items:
            return Done({MAIN: []})
        account = await open_account(services.credentials, RedisAccount.type, RedisFields)
        items: list[Item] = []
        failures: list[ItemFailure] = []
        async with connected(services.network, account) as client:
            for index in range(len(given.items)):
                parameters = given.parameters_for(index)
                try:
                    value = await _COMMANDS[parameters.command].ask(client, parameters)
                except NodeError as error:
                    failed = error.failure
                    if len(given.items) == 1 or not failed.outcome_known:
                        return failed
                    failures.append(ItemFailure(index, failed.code, failed.message))
                else:
                    items.append(_item(parameters, value, index))
        if failures and not items:
            return Failed(failures[0].code, failures[0].message)
        return Done({MAIN: items}, failures)

    def plan(self, parameters: RedisParameters) -> str:
        what = parameters.key or parameters.channel
        return " ".join(f"Redis: {parameters.command} {what}".split())

    def sample(self, given: NodeInput[RedisParameters]) -> Done:
        return Done({MAIN: [_sample(given, index) for index in range(len(given.items))]})

    @classmethod
    def check(cls, parameters: RedisParameters) -> Sequence[tuple[str, str, str]]:
        command = _COMMANDS[parameters.command]
        return [
            (f"/{name}", "missing", f"The command {parameters.command} needs it.")
            for name in command.needs
            if getattr(parameters, name) in ("", None)
        ]


def _item(parameters: RedisParameters, value: Any, index: int) -> Item:
    named = {"channel": parameters.channel} if parameters.channel else {"key": parameters.key}
    return {"json": {**named, "value": value}, "paired_item": index}


def _sample(given: NodeInput[RedisParameters], index: int) -> Item:
    parameters = given.parameters_for(index)
    value = parameters.value if parameters.command in ("get", "set") else 1
    return _item(parameters, value, index)


# --- commands: what each needs, and how it is put to the server


@dataclass(frozen=True, slots=True)
class _Command:
    arguments: Callable[[RedisParameters], Sequence[Argument]]
    needs: Sequence[str] = ("key",)
    reads: bool = False
    shape: Callable[[RedisParameters, Any], Any] = lambda _, answer: answer

    async def ask(self, client: Client, parameters: RedisParameters) -> Any:
        answer = await client.ask(*self.arguments(parameters))
        return self.shape(parameters, answer)


class _Increment(_Command):
    async def ask(self, client: Client, parameters: RedisParameters) -> Any:
        answer = await client.ask("INCRBY", parameters.key, parameters.amount)
        # A counter begins to live with its first count, not anew with each.
        if parameters.ttl and answer == parameters.amount:
            await client.ask("EXPIRE", parameters.key, parameters.ttl)
        return answer


class _Keys(_Command):
    async def ask(self, client: Client, parameters: RedisParameters) -> Any:
        found: dict[str, None] = {}
        cursor = "0"
        while len(found) < parameters.limit:
            pattern = parameters.key or "*"
            cursor, page = await client.ask("SCAN", cursor, "MATCH", pattern, "COUNT", _SCAN_COUNT)
            found.update(dict.fromkeys(page))
            if str(cursor) == "0":
                break
        return list(found)[: parameters.limit]


def _text(value: Any) -> Argument:
    if isinstance(value, str):
        return value
    return orjson.dumps(value)


def _set(parameters: RedisParameters) -> Sequence[Argument]:
    lives = ["EX", parameters.ttl] if parameters.ttl else []
    absent = ["NX"] if parameters.only_if_absent else []
    return ["SET", parameters.key, _text(parameters.value), *lives, *absent]


def _hash_set(parameters: RedisParameters) -> Sequence[Argument]:
    value = parameters.value
    if parameters.field:
        return ["HSET", parameters.key, parameters.field, _text(value)]
    if not isinstance(value, dict) or not value:
        message = "Give `field` and `value`, or an object of fields as `value`."
        raise NodeError(Failed("bad_command", message))
    fields = cast("JsonObject", value)
    pairs = [part for name, inner in fields.items() for part in (name, _text(inner))]
    return ["HSET", parameters.key, *pairs]


def _read(parameters: RedisParameters, answer: Any) -> Any:
    """What was found: a text, or the object or list that it is as JSON."""
    if isinstance(answer, list):
        return [_read(parameters, member) for member in cast("list[Any]", answer)]
    if not (parameters.read_json and isinstance(answer, str) and answer[:1] in ("{", "[")):
        return answer
    try:
        return orjson.loads(answer)
    except ValueError:
        return answer


def _pairs(parameters: RedisParameters, answer: Any) -> Any:
    members = cast("list[Any]", answer)
    found = zip(members[::2], members[1::2], strict=True)
    return {str(name): _read(parameters, value) for name, value in found}


def _was_set(_: RedisParameters, answer: Any) -> bool:
    return answer is not None


def _facts(_: RedisParameters, answer: Any) -> Any:
    lines = [line.partition(":") for line in str(answer).splitlines() if ":" in line]
    return {name: value for name, _colon, value in lines}


_COMMANDS: Mapping[str, _Command] = {
    "get": _Command(lambda p: ["GET", p.key], reads=True, shape=_read),
    "set": _Command(_set, needs=("key", "value"), shape=_was_set),
    "delete": _Command(lambda p: ["DEL", p.key]),
    "exists": _Command(lambda p: ["EXISTS", p.key], reads=True, shape=lambda _, n: bool(n)),
    "expire": _Command(lambda p: ["EXPIRE", p.key, p.ttl], shape=lambda _, n: bool(n)),
    "ttl": _Command(lambda p: ["TTL", p.key], reads=True),
    "increment": _Increment(lambda _: []),
    "keys": _Keys(lambda _: [], needs=(), reads=True),
    "hash_get": _Command(
        lambda p: ["HGET", p.key, p.field], needs=("key", "field"), reads=True, shape=_read
    ),
    "hash_get_all": _Command(lambda p: ["HGETALL", p.key], reads=True, shape=_pairs),
    "hash_set": _Command(_hash_set, needs=("key", "value")),
    "hash_delete": _Command(lambda p: ["HDEL", p.key, p.field], needs=("key", "field")),
    "list_push": _Command(
        lambda p: ["RPUSH" if p.side == "right" else "LPUSH", p.key, _text(p.value)],
        needs=("key", "value"),
    ),
    "list_pop": _Command(lambda p: ["RPOP" if p.side == "right" else "LPOP", p.key], shape=_read),
    "list_range": _Command(lambda p: ["LRANGE", p.key, p.start, p.stop], reads=True, shape=_read),
    "list_length": _Command(lambda p: ["LLEN", p.key], reads=True),
    "set_add": _Command(lambda p: ["SADD", p.key, _text(p.value)], needs=("key", "value")),
    "set_remove": _Command(lambda p: ["SREM", p.key, _text(p.value)], needs=("key", "value")),
    "set_members": _Command(lambda p: ["SMEMBERS", p.key], reads=True, shape=_read),
    "publish": _Command(
        lambda p: ["PUBLISH", p.channel, _text(p.value)], needs=("channel", "value")
    ),
    "info": _Command(lambda _: ["INFO"], needs=(), reads=True, shape=_facts),
}
