"""`ai.retrieve`: keeps documents, and finds them by what they mean."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, ClassVar, Literal

from pydantic import Field

from engine_service.ai.asking import failed
from engine_service.ai.embedding import EMBEDDING_KEYS, EmbeddingParameters, embed
from engine_service.ai.indexing import Draft, Shelving, draft, index
from engine_service.sdk.memory import Found, Wanted
from engine_service.sdk.node import (
    MAIN,
    ActionNode,
    Done,
    Effect,
    NodeInput,
    Outcome,
    Services,
)
from engine_service.sdk.tenant_data import Choice
from engine_service.values.choosing import MetadataCondition, choice_of
from shared.errors import AppError
from shared.workflow import Item, JsonObject

_NAME = r"^[A-Za-z_][A-Za-z0-9_-]{0,62}$"


class RetrieveParameters(EmbeddingParameters):
    """In which collection, and what to do with it."""

    collection: str = Field(
        pattern=_NAME, description="The collection's name; it is there when it has documents"
    )
    operation: Literal["query", "insert", "delete", "clear"] = Field(
        default="query",
        description="`query` finds pieces of documents, `insert` puts documents in or in the place "
        "of those with the same id, `delete` removes some, `clear` all",
    )
    query: str = Field(
        default="", max_length=50_000, description="For query: what is looked for, in any words"
    )
    limit: int = Field(default=5, ge=1, le=100, description="For query: at most this many pieces")
    ranking: Literal["hybrid", "cosine"] = Field(
        default="hybrid",
        description="For query: by meaning and by words in common, or by meaning alone",
    )
    min_similarity: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="For query: pieces that are less near are left out, unless words found them",
    )
    result: Literal["items", "list"] = Field(
        default="items",
        description="For query: an item for each piece, or the incoming item with all of them in "
        "`matches` and their texts in `context`, as a prompt wants it",
    )
    text: str = Field(default="", max_length=5_000_000, description="For insert: the document")
    id: str = Field(
        default="",
        max_length=500,
        coerce_numbers_to_str=True,
        description="For insert: what tells the document from others, such as its address; without "
        "one every insertion is a new document. For delete: which one",
    )
    metadata: dict[str, Any] = Field(
        default_factory=dict[str, Any],
        description="For insert: what stands beside the text, comes with it and can be asked for",
    )
    piece_characters: int = Field(
        default=1_500,
        ge=100,
        le=20_000,
        description="For insert: longer documents are cut into pieces of this length",
    )
    overlap_characters: int = Field(
        default=150,
        ge=0,
        le=5_000,
        description="For insert: how much of a piece stands in the next one, too; a quarter of it "
        "at most",
    )
    expire_days: int | None = Field(
        default=None, ge=1, le=36_500, description="For insert: deleted after so many days"
    )
    where: list[MetadataCondition] = Field(
        default_factory=list[MetadataCondition],
        max_length=50,
        description="For query and delete: which documents are meant, by their metadata",
    )
    any_of: bool = Field(default=False, description="Whether one condition of `where` is enough")


class AiRetrieve(ActionNode[RetrieveParameters]):
    """Keeps documents of the tenant, and finds them by what they mean: query, insert, delete.

    Documents lie in collections, which every workflow of the tenant sees. Each is cut into pieces
    that a model makes vectors of; a collection stays with the model of its first document. `insert`
    may be repeated: a document with the same id is replaced, and costs nothing if its text has not
    changed. It gives `{id, collection, pieces, embedded}` for each item.

    `query` gives the pieces that fit best, as `{id, piece, text, metadata, similarity, score}`;
    with `result: list` they come as one item, for `ai.chat` to answer from. Attached to an
    `ai.agent` as a tool, it lets the agent look things up:
    `"query": "{{ $fromAI('query', 'What to look for') }}"`.

    A tenant may have 100 collections of 20,000 pieces. They stay until they are deleted, or until
    `expire_days` are over.
    """

    Parameters = RetrieveParameters
    type = "ai.retrieve"
    title = "Documents by meaning"
    effect = Effect.KEYED
    credential_types = EMBEDDING_KEYS
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"collection": "handbook", "query": "{{ $json.message }}", "result": "list"},
        {
            "collection": "handbook",
            "operation": "insert",
            "id": "{{ $json.id }}",
            "text": "{{ $json.text }}",
            "metadata": {"kind": "{{ $json.kind }}"},
        },
        {
            "collection": "handbook",
            "operation": "delete",
            "where": [{"field": "kind", "value": "draft"}],
        },
    )
    keywords = (
        "vector store", "vector database", "rag", "knowledge base", "semantic search",
        "retrieve documents", "similar documents", "index documents", "pgvector",
        "向量数据库", "知识库", "语义搜索", "检索", "相似文档",
    )  # fmt: skip

    @classmethod
    def effect_of(cls, parameters: JsonObject) -> Effect:
        return Effect.READ if parameters.get("operation", "query") == "query" else cls.effect

    async def run(self, given: NodeInput[RetrieveParameters], services: Services) -> Outcome:
        if not given.items:
            return Done({MAIN: []})
        try:
            match given.parameters_for(0).operation:
                case "query":
                    return Done({MAIN: await _query(given, services)})
                case "insert":
                    return Done({MAIN: await _insert(given, services)})
                case "delete" | "clear":
                    return Done({MAIN: await _delete(given, services)})
        except AppError as error:
            return failed(error)

    @classmethod
    def check(cls, parameters: RetrieveParameters) -> Sequence[tuple[str, str, str]]:
        match parameters.operation:
            case "query" if not parameters.query:
                return [("/query", "missing", "Say what is looked for.")]
            case "insert" if not parameters.text:
                return [("/text", "missing", "Say which text goes into the collection.")]
            case "delete" if not (parameters.id or parameters.where):
                message = "Say which documents to remove; `clear` removes all."
                return [("/id", "missing", message)]
            case _:
                return []

    def plan(self, parameters: RetrieveParameters) -> str:
        what = {
            "query": f"Look for up to {parameters.limit} pieces in",
            "insert": f"Put a document of {len(parameters.text)} signs into",
            "delete": "Remove documents from",
            "clear": "Remove everything from",
        }[parameters.operation]
        return f"{what} the collection {parameters.collection}"

    def sample(self, given: NodeInput[RetrieveParameters]) -> Done:
        made: list[Item] = []
        for at, item in enumerate(given.items):
            parameters = given.parameters_for(at)
            match parameters.operation:
                case "query":
                    found = Found("sample", 0, "A sample piece of a document.", {}, 0.8, 0.8)
                    made += _answers(at, item, parameters, [found])
                case "insert":
                    made.append(_inserted(at, parameters, parameters.id or "sample", 1, new=True))
                case "delete" | "clear":
                    made.append({"json": {**item["json"], "deleted": 1}, "paired_item": at})
        return Done({MAIN: made})


# --- query


async def _query(given: NodeInput[RetrieveParameters], services: Services) -> list[Item]:
    each = [given.parameters_for(at) for at in range(len(given.items))]
    budget = await services.purse.open()
    made = await embed([one.query or " " for one in each], each[0].model, services, budget)
    items: list[Item] = []
    for at, (one, vector) in enumerate(zip(each, made.vectors, strict=True)):
        where = choice_of(one.where, one.any_of)
        wanted = Wanted(one.query, vector, one.limit, one.ranking, where, one.min_similarity)
        found = await services.memory.documents.search(one.collection, made.model, wanted)
        items += _answers(at, given.items[at], one, found)
    return items


def _answers(
    at: int, item: Item, parameters: RetrieveParameters, found: Sequence[Found]
) -> list[Item]:
    matches = [_match(one) for one in found]
    if parameters.result == "items":
        return [{"json": match, "paired_item": at} for match in matches]
    context = "\n\n".join(one.text for one in found)
    told: JsonObject = {**item["json"], "matches": matches, "context": context}
    return [{"json": told, "paired_item": at}]


def _match(found: Found) -> JsonObject:
    return {
        "id": found.document_id,
        "piece": found.piece,
        "text": found.text,
        "metadata": found.metadata,
        "similarity": found.similarity,
        "score": found.score,
    }


# --- insert


async def _insert(given: NodeInput[RetrieveParameters], services: Services) -> list[Item]:
    drafts = await services.blobs.work(
        lambda: [_draft(given.parameters_for(at), at, services) for at in range(len(given.items))]
    )
    budget = await services.purse.open()
    new: set[tuple[str, str]] = set()
    for collection, places in _by_collection(given).items():
        first = given.parameters_for(places[0])
        days = first.expire_days
        expires_at = None if days is None else given.now + timedelta(days=days)
        to = Shelving(collection, first.model, expires_at, budget)
        ids = await index([drafts[at] for at in places], to, services)
        new |= {(collection, one) for one in ids}
    items: list[Item] = []
    for at, one in enumerate(drafts):
        parameters = given.parameters_for(at)
        embedded = (parameters.collection, one.id) in new
        items.append(_inserted(at, parameters, one.id, len(one.parts), new=embedded))
    return items


def _draft(parameters: RetrieveParameters, at: int, services: Services) -> Draft:
    return draft(
        parameters.id or f"{services.idempotency_key}#{at}",
        parameters.text,
        parameters.metadata,
        parameters.piece_characters,
        parameters.overlap_characters,
    )


def _by_collection(given: NodeInput[RetrieveParameters]) -> dict[str, list[int]]:
    places: dict[str, list[int]] = {}
    for at in range(len(given.items)):
        places.setdefault(given.parameters_for(at).collection, []).append(at)
    return places


def _inserted(at: int, parameters: RetrieveParameters, name: str, count: int, *, new: bool) -> Item:
    told: JsonObject = {"id": name, "collection": parameters.collection, "pieces": count}
    return {"json": {**told, "embedded": new}, "paired_item": at}


# --- delete


async def _delete(given: NodeInput[RetrieveParameters], services: Services) -> list[Item]:
    items: list[Item] = []
    for at, item in enumerate(given.items):
        one = given.parameters_for(at)
        some = one.operation == "delete"
        where = choice_of(one.where, one.any_of) if some else Choice()
        ids = [one.id] if one.id and some else []
        if some and not ids and not where.conditions:
            gone = 0  # an id that an expression left empty must not mean everything
        else:
            gone = await services.memory.documents.delete(one.collection, ids, where)
        items.append({"json": {**item["json"], "deleted": gone}, "paired_item": at})
    return items
