"""The wire formats of the model vendors, from the server's side: what a model said, as bytes.

The path and body of a request tell which wire it is and whether it wants a stream.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

JSON = {"content-type": "application/json"}
EVENTS = {"content-type": "text/event-stream"}


@dataclass(frozen=True, slots=True)
class Said:
    """What the model said, in no vendor's words."""

    text: str
    calls: tuple[tuple[str, str, str], ...]
    finish: str
    refusal: str
    tokens: tuple[int, int]


def render(path: str, body: dict[str, Any], said: Said) -> tuple[bytes, int, dict[str, str]]:
    """Body, status and headers of the answer to a request with this path and body."""
    model = body.get("model", "")
    wire = path.rsplit("/", 1)[-1]
    if wire == "embeddings":
        return _embeddings(body, said), 200, JSON
    whole, events = {
        "completions": (_completion, _completion_events),
        "responses": (_response, _response_events),
        "messages": (_message, _message_events),
    }[wire]
    if body.get("stream"):
        return b"".join(events(model, said)), 200, EVENTS
    return json.dumps(whole(model, said)).encode(), 200, JSON


def _event(data: Any, name: str = "") -> bytes:
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


def _slices(text: str, size: int = 3) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


# --- chat completions


def _chat_usage(said: Said) -> dict[str, Any]:
    read, written = said.tokens
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def _chat_finish(said: Said) -> str:
    return {"refusal": "content_filter"}.get(said.finish, said.finish)


def _completion(model: str, said: Said) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": said.text or None}
    message["refusal"] = said.refusal or None
    if said.calls:
        message["tool_calls"] = [
            {"id": id_, "type": "function", "function": {"name": name, "arguments": arguments}}
            for id_, name, arguments in said.calls
        ]
    choice = {"index": 0, "message": message, "finish_reason": _chat_finish(said)}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": model,
        "choices": [choice],
        "usage": _chat_usage(said),
    }


def _completion_events(model: str, said: Said) -> Iterator[bytes]:
    def chunk(delta: dict[str, Any] | None, finish: str | None = None) -> bytes:
        choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
        return _event(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion.chunk",
                "created": 1,
                "model": model,
                "choices": choices if delta is not None else [],
                **({} if delta is not None else {"usage": _chat_usage(said)}),
            }
        )

    yield chunk({"role": "assistant", "content": ""})
    for piece in _slices(said.text):
        yield chunk({"content": piece})
    for piece in _slices(said.refusal):
        yield chunk({"refusal": piece})
    for index, (id_, name, arguments) in enumerate(said.calls):
        first = {"index": index, "id": id_, "type": "function"}
        yield chunk({"tool_calls": [{**first, "function": {"name": name, "arguments": ""}}]})
        for piece in _slices(arguments):
            yield chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    yield chunk({}, _chat_finish(said))
    yield chunk(None)
    yield b"data: [DONE]\n\n"


# --- responses


def _response_output(said: Said) -> list[dict[str, Any]]:
    output: list[dict[str, Any]] = []
    if said.text or said.refusal:
        part: dict[str, Any] = {"type": "output_text", "text": said.text, "annotations": []}
        if said.refusal:
            part = {"type": "refusal", "refusal": said.refusal}
        message = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed"}
        output.append({**message, "content": [part]})
    for id_, name, arguments in said.calls:
        call = {"type": "function_call", "id": f"fc_{id_}", "call_id": id_, "name": name}
        output.append({**call, "arguments": arguments, "status": "completed"})
    return output


def _response(model: str, said: Said) -> dict[str, Any]:
    read, written = said.tokens
    reason = {"length": "max_output_tokens", "refusal": "content_filter"}.get(said.finish)
    return {
        "id": "resp_1",
        "object": "response",
        "created_at": 1,
        "model": model,
        "status": "incomplete" if reason else "completed",
        "incomplete_details": {"reason": reason} if reason else None,
        "error": None,
        "output": _response_output(said),
        "usage": {
            "input_tokens": read,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": written,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": read + written,
        },
    }


def _response_events(model: str, said: Said) -> Iterator[bytes]:
    response = _response(model, said)

    def event(name: str, **data: Any) -> bytes:
        return _event({"type": name, "sequence_number": 0, **data}, name)

    yield event("response.created", response={**response, "status": "in_progress", "output": []})
    for place, item in enumerate(response["output"]):
        at = {"output_index": place, "item_id": item["id"]}
        rest: dict[str, Any] = {"content": []} if item["type"] == "message" else {"arguments": ""}
        yield event("response.output_item.added", output_index=place, item={**item, **rest})
        for piece in _slices(said.text if item["type"] == "message" else ""):
            yield event("response.output_text.delta", **at, content_index=0, delta=piece)
        for piece in _slices(item.get("arguments", "")):
            yield event("response.function_call_arguments.delta", **at, delta=piece)
        yield event("response.output_item.done", output_index=place, item=item)
    yield event(f"response.{response['status']}", response=response)


# --- messages


def _message_finish(said: Said) -> str:
    names = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use"}
    return names.get(said.finish, said.finish)


def _message_blocks(said: Said) -> list[dict[str, Any]]:
    text = [{"type": "text", "text": said.text}] if said.text else []
    calls = [
        {"type": "tool_use", "id": id_, "name": name, "input": _parsed(arguments)}
        for id_, name, arguments in said.calls
    ]
    return [*text, *calls]


def _parsed(arguments: str) -> dict[str, Any]:
    """What the vendor makes of arguments; of cut-off ones, nothing."""
    try:
        return json.loads(arguments)
    except json.JSONDecodeError:
        return {}


def _message(model: str, said: Said) -> dict[str, Any]:
    read, written = said.tokens
    details = {"type": "refusal", "explanation": said.refusal} if said.refusal else None
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": _message_blocks(said),
        "stop_reason": _message_finish(said),
        "stop_sequence": None,
        "stop_details": details,
        "usage": {"input_tokens": read, "output_tokens": written},
    }


def _message_events(model: str, said: Said) -> Iterator[bytes]:
    text = [{"type": "text", "text": said.text}] if said.text else []
    # Arguments as they were written, which need not be JSON yet.
    calls = [
        {"type": "tool_use", "id": id_, "name": name, "input": arguments}
        for id_, name, arguments in said.calls
    ]
    message = _message(model, said)
    yield message_events(
        [*text, *calls],
        message["stop_reason"],
        message["usage"],
        model=model,
        stop_details=message["stop_details"],
    )


def message_events(
    blocks: Sequence[Mapping[str, Any]],
    stop_reason: str,
    usage: Mapping[str, int] | None = None,
    **fields: Any,
) -> bytes:
    """The stream of a message with these content blocks."""

    def event(name: str, **data: Any) -> bytes:
        return _event({"type": name, **data}, name)

    counted = {"input_tokens": 1, "output_tokens": 1, **(usage or {})}
    start = {"id": "msg_1", "type": "message", "role": "assistant", "model": "m", **fields}
    start |= {"content": list[Any](), "stop_reason": None, "stop_details": None}
    events = [event("message_start", message=start | {"usage": counted}), event("ping")]
    for index, block in enumerate(blocks):
        empty, deltas = _block_deltas(block)
        events.append(event("content_block_start", index=index, content_block=empty))
        events += [event("content_block_delta", index=index, delta=delta) for delta in deltas]
        events.append(event("content_block_stop", index=index))
    end = {"stop_reason": stop_reason, "stop_sequence": None}
    end["stop_details"] = fields.get("stop_details")
    last = {"output_tokens": counted["output_tokens"]}
    events += [event("message_delta", delta=end, usage=last), event("message_stop")]
    return b"".join(events)


def _block_deltas(block: Mapping[str, Any]) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """A block as it begins, and what then comes to it."""
    match block["type"]:
        case "text":
            pieces = [{"type": "text_delta", "text": piece} for piece in _slices(block["text"])]
            return {**block, "text": ""}, pieces
        case "thinking":
            signed = {"type": "signature_delta", "signature": block["signature"]}
            thought = {"type": "thinking_delta", "thinking": block["thinking"]}
            return {"type": "thinking", "thinking": ""}, [thought, signed]
        case _:
            given = block["input"]
            written = given if isinstance(given, str) else json.dumps(given)
            json_pieces = [
                {"type": "input_json_delta", "partial_json": piece} for piece in _slices(written)
            ]
            return {**block, "input": {}}, json_pieces


# --- embeddings


def _embeddings(body: dict[str, Any], said: Said) -> bytes:
    """A vector per text: its length and its place. Rows come back to front, as they may."""
    rows = [
        {"object": "embedding", "index": index, "embedding": [float(len(text)), float(index)]}
        for index, text in enumerate(body["input"])
    ]
    usage = {"prompt_tokens": said.tokens[0], "total_tokens": said.tokens[0]}
    answer = {"object": "list", "model": body["model"], "data": rows[::-1], "usage": usage}
    return json.dumps(answer).encode()
