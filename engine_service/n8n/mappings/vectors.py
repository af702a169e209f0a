"""Vector stores in n8n's memory and in PostgreSQL, with what is attached to them.

What n8n draws as four nodes is one here: the store, who makes its vectors, what reads documents and
what cuts them. Stores of other vendors are systems of their own, and have no counterpart.
"""

import re
from typing import Any

from engine_service.n8n.mapping import CannotMap, Fields, Mapped, NodeMapping, SourceNode
from shared.workflow import JsonObject

_LANGCHAIN = "@n8n/n8n-nodes-langchain."
_STORES = (
    f"{_LANGCHAIN}vectorStoreInMemory",
    f"{_LANGCHAIN}vectorStorePGVector",
)
_OPENAI = f"{_LANGCHAIN}embeddingsOpenAi"
_NO_NAME = re.compile(r"[^A-Za-z0-9_-]+")
_MOST = 100
_QUERY = "{{ $fromAI('query', 'What to look for, in words') }}"
_CHARACTERS_PER_TOKEN = 4


def _store(node: SourceNode) -> Mapped:
    """A vector store that is a step, or a tool of an agent."""
    fields = node.fields
    mode = fields.fixed("mode", "retrieve")
    made: JsonObject = {"collection": _collection(node)}
    absorbs = _embeddings(node, made)
    fields.differ(
        "It has a collection of Flowloom's, which is empty: insert the documents anew. No "
        "credential of a database is needed."
    )
    match mode:
        case "insert":
            absorbs += _documents(node, made)
        case "load":
            made["query"] = fields.take("prompt", "")
            _search(fields, made)
            _tell_of_shape(fields)
        case "retrieve-as-tool":
            made["query"] = _QUERY
            _search(fields, made)
            fields.ignore("toolName", "name")
            notes = str(fields.verbatim("toolDescription", ""))
            return Mapped("ai.retrieve", made, absorbs=absorbs, notes=notes)
        case "retrieve":
            raise CannotMap(
                "It serves a retriever or a chain. Put an ai.retrieve with `result: list` before "
                "an ai.chat, or attach an ai.retrieve to an agent as a tool."
            )
        case _:
            raise CannotMap(f"There is no counterpart of the mode {mode!r}.")
    return Mapped("ai.retrieve", made, absorbs=absorbs)


def _question_tool(node: SourceNode) -> Mapped:
    """A tool that has a model answer from a store: the agent reads the pieces itself."""
    stores = node.attached.get("ai_vectorStore", ())
    if not stores or stores[0].type not in _STORES:
        raise CannotMap("It answers from a vector store that has no counterpart.")
    [store, *_] = stores
    fields = node.fields
    made: JsonObject = {"collection": _collection(store)}
    absorbs = (store.name, *_embeddings(store, made))
    store.fields.ignore("mode")
    made["query"] = _QUERY
    _search(fields, made)
    fields.ignore("name")
    fields.differ("The agent is given pieces of documents, not what a model made of them.")
    fields.differ("It has a collection of Flowloom's, which is empty: insert the documents anew.")
    models = tuple(model.name for model in node.attached.get("ai_languageModel", ()))
    notes = str(fields.verbatim("description", ""))
    return Mapped("ai.retrieve", made, absorbs=absorbs + models, notes=notes)


def _collection(store: SourceNode) -> str:
    """The name of what the documents lie in, as it can be written here."""
    fields = store.fields
    if store.type.endswith("InMemory"):
        written = fields.located("memoryKey", "vector_store_key")
    else:
        written = fields.located("tableName", "n8n_vectors")
        collection = fields.section("options", "collection", "values")
        written = collection.text("collectionName") or written
        collection.ignore("useCollection", "collectionTableName")
        fields.section("options").ignore("columnNames", "distanceStrategy")
    if "{{" in str(written):
        raise CannotMap("The name of its collection is an expression.")
    name = _NO_NAME.sub("_", str(written)).strip("_-")[:60] or "documents"
    return f"_{name}" if name[0].isdigit() else name


def _embeddings(store: SourceNode, made: JsonObject) -> tuple[str, ...]:
    """Who makes the vectors; models that are not known here are replaced by the built-in one."""
    attached = store.attached.get("ai_embedding", ())
    for one in attached:
        if one.type == _OPENAI:
            default = "text-embedding-ada-002" if one.version < 1.1 else "text-embedding-3-small"
            made["model"] = f"openai:{one.fields.located('model', default)}"
            options = one.fields.section("options")
            options.ignore("batchSize", "stripNewLines", "timeout", "encodingFormat")
        else:
            one.fields.ignore(*one.fields.raw)
            one.fields.differ("The model that is built in makes the vectors instead.")
    return tuple(one.name for one in attached)


def _search(fields: Fields, made: JsonObject) -> None:
    made["limit"] = max(1, min(_MOST, int(fields.number("topK", 4))))
    made["ranking"] = "cosine"
    fields.ignore("includeDocumentMetadata")
    options = fields.section("options")
    where = [
        {"field": row.text("name"), "value": row.take("value", "")}
        for row in options.rows("metadata", "metadataValues")
    ]
    if where:
        made["where"] = where
    if fields.flag("useReranker"):
        fields.differ("What was found is not ranked once more by another model.")


def _tell_of_shape(fields: Fields) -> None:
    fields.differ(
        "An item is {id, piece, text, metadata, similarity, score}, not {document: {pageContent, "
        "metadata}, score}."
    )


# --- documents


def _documents(node: SourceNode, made: JsonObject) -> tuple[str, ...]:
    """What is inserted, as the loader that is attached says."""
    made["operation"] = "insert"
    fields = node.fields
    fields.ignore("embeddingBatchSize")
    if fields.flag("clearStore"):
        fields.differ("It does not clear the collection first: put an ai.retrieve before it.")
    fields.differ("An item is {id, collection, pieces, embedded}; every run inserts new documents.")
    loaders = node.attached.get("ai_document", ())
    if len(loaders) != 1 or loaders[0].type != f"{_LANGCHAIN}documentDefaultDataLoader":
        raise CannotMap("It has no loader of documents that has a counterpart.")
    [loader] = loaders
    made["text"] = _text(loader.fields)
    metadata = {
        row.text("name"): row.take("value", "")
        for row in loader.fields.rows("options", "metadata", "metadataValues")
    }
    if metadata:
        made["metadata"] = metadata
    splitters = loader.attached.get("ai_textSplitter", ())
    _cut(loader.fields, splitters[0] if splitters else None, made)
    return (loader.name, *(one.name for one in splitters))


def _text(loader: Fields) -> Any:
    if loader.fixed("dataType", "json") != "json":
        raise CannotMap("It reads files: put a data.file before it, which makes text of them.")
    loader.ignore("loader", "binaryMode", "binaryDataKey")
    if loader.fixed("jsonMode", "allInputData") == "expressionData":
        return loader.take("jsonData", "")
    loader.ignore("jsonData")
    loader.section("options").ignore("pointers")
    loader.differ("An item is one text, its JSON; not a text for each of its values.")
    return "{{ JSON.stringify($json) }}"


def _cut(loader: Fields, splitter: SourceNode | None, made: JsonObject) -> None:
    loader.ignore("textSplittingMode")
    size, overlap, unit = 1_000.0, 200.0, 1
    if splitter is not None:
        unit = _CHARACTERS_PER_TOKEN if splitter.type.endswith("TokenSplitter") else 1
        size = splitter.fields.number("chunkSize", 1_000)
        overlap = splitter.fields.number("chunkOverlap", 0)
        splitter.fields.ignore("separator", "options")
        if unit > 1:
            splitter.fields.differ("A token counts as four characters.")
    made["piece_characters"] = max(100, min(20_000, int(size * unit)))
    made["overlap_characters"] = max(0, min(5_000, int(overlap * unit)))


MAPPINGS = (
    NodeMapping(_STORES, _store),
    NodeMapping((f"{_LANGCHAIN}toolVectorStore",), _question_tool),
)
