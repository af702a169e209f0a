"""`telegram.message`: a bot writes to people and groups on Telegram."""

from typing import Any, ClassVar, Literal

from pydantic import Field

from engine_service.connectors.connector import Connector
from engine_service.connectors.operation import OPERATION, Call, Choice, Operation
from engine_service.connectors.vendor import Vendor, by_status, said_in
from engine_service.sdk.node import Effect, Failed, HttpResponse
from shared.workflow import JsonObject

ParseMode = Literal["Markdown", "MarkdownV2", "HTML"]
_PARSE_MODE = Field(default=None, description="How signs of formatting are read, if at all")
_SILENT = Field(default=None, description="Whether it arrives without a sound")
_KEYBOARD = Field(
    default=None, description="A keyboard, as Telegram's `reply_markup`: `{inline_keyboard: [[…]]}`"
)
_REPLY: Any = Field(default=None, description="The id of the message to reply to")
_MESSAGE: JsonObject = {
    "message_id": 42, "date": 1767607200, "chat": {"id": 1001, "type": "private"}, "text": "Hi",
}  # fmt: skip


class _InChat(Operation):
    """Where."""

    chat_id: int | str = Field(description="The chat's id, or a public channel as `@name`")


class _Sent(_InChat):
    """What all messages have."""

    disable_notification: bool | None = _SILENT
    reply_to_message_id: int | None = _REPLY
    message_thread_id: int | None = Field(default=None, description="The topic of a forum")
    reply_markup: JsonObject | None = _KEYBOARD
    sample = _MESSAGE


class SendMessage(_Sent):
    """Sends a text."""

    operation: Literal["send"] = OPERATION
    text: str = Field(min_length=1, max_length=4_096, description="The text")
    parse_mode: ParseMode | None = _PARSE_MODE
    disable_web_page_preview: bool | None = Field(
        default=None, description="Whether links get no preview"
    )
    call = Call("POST", "/bot/sendMessage", items="result")


class SendPhoto(_Sent):
    """Sends a picture that stands at an address, or that Telegram has already."""

    operation: Literal["send_photo"] = OPERATION
    photo: str = Field(min_length=1, description="The picture's URL, or its `file_id`")
    caption: str | None = Field(default=None, max_length=1_024, description="A text below it")
    parse_mode: ParseMode | None = _PARSE_MODE
    call = Call("POST", "/bot/sendPhoto", items="result")


class SendDocument(_Sent):
    """Sends a file that stands at an address, or that Telegram has already."""

    operation: Literal["send_document"] = OPERATION
    document: str = Field(min_length=1, description="The file's URL, or its `file_id`")
    caption: str | None = Field(default=None, max_length=1_024, description="A text below it")
    parse_mode: ParseMode | None = _PARSE_MODE
    call = Call("POST", "/bot/sendDocument", items="result")


class SendLocation(_Sent):
    """Sends a place on the map."""

    operation: Literal["send_location"] = OPERATION
    latitude: float = Field(ge=-90, le=90, description="Degrees north")
    longitude: float = Field(ge=-180, le=180, description="Degrees east")
    call = Call("POST", "/bot/sendLocation", items="result")


class SendAction(_InChat):
    """Shows that the bot is doing something, for five seconds."""

    operation: Literal["send_action"] = OPERATION
    action: Literal["typing", "upload_photo", "upload_document", "find_location"] = Field(
        default="typing", description="What it is doing"
    )
    call = Call("POST", "/bot/sendChatAction", Effect.KEYED)
    sample: ClassVar[JsonObject] = {"ok": True, "result": True}


class EditMessage(_InChat):
    """Changes the text of a message that the bot has sent."""

    operation: Literal["edit"] = OPERATION
    message_id: int = Field(description="The message's id")
    text: str = Field(min_length=1, max_length=4_096, description="The text")
    parse_mode: ParseMode | None = _PARSE_MODE
    reply_markup: JsonObject | None = _KEYBOARD
    call = Call("POST", "/bot/editMessageText", Effect.KEYED, items="result")
    sample = _MESSAGE


class DeleteMessage(_InChat):
    """Deletes a message."""

    operation: Literal["delete"] = OPERATION
    message_id: int = Field(description="The message's id")
    call = Call("POST", "/bot/deleteMessage", Effect.KEYED)
    sample: ClassVar[JsonObject] = {"ok": True, "result": True}


class PinMessage(_InChat):
    """Pins a message to the top of its chat."""

    operation: Literal["pin"] = OPERATION
    message_id: int = Field(description="The message's id")
    disable_notification: bool | None = _SILENT
    call = Call("POST", "/bot/pinChatMessage", Effect.KEYED)
    sample: ClassVar[JsonObject] = {"ok": True, "result": True}


class GetChat(_InChat):
    """Reads what a chat is."""

    operation: Literal["get_chat"] = OPERATION
    call = Call("GET", "/bot/getChat", Effect.READ, items="result")
    sample: ClassVar[JsonObject] = {"id": 1001, "type": "private", "first_name": "Ada"}


class GetFile(Operation):
    """Reads where a file is that somebody sent to the bot."""

    operation: Literal["get_file"] = OPERATION
    file_id: str = Field(min_length=1, description="The file's id, from the message")
    call = Call("GET", "/bot/getFile", Effect.READ, items="result")
    sample: ClassVar[JsonObject] = {"file_id": "AgAC", "file_path": "photos/file_1.jpg"}


class AnswerCallback(Operation):
    """Answers the press of a button of an inline keyboard."""

    operation: Literal["answer_callback"] = OPERATION
    callback_query_id: str = Field(min_length=1, description="The press's id, from the update")
    text: str | None = Field(default=None, max_length=200, description="What the person is shown")
    show_alert: bool | None = Field(default=None, description="Whether it must be closed by hand")
    call = Call("POST", "/bot/answerCallbackQuery", Effect.KEYED)
    sample: ClassVar[JsonObject] = {"ok": True, "result": True}


class TelegramParameters(Choice):
    """What the bot does."""

    operations = (
        SendMessage, SendPhoto, SendDocument, SendLocation, SendAction, EditMessage,
        DeleteMessage, PinMessage, GetChat, GetFile, AnswerCallback,
    )  # fmt: skip


def _judge(vendor: Vendor, response: HttpResponse, answer: Any) -> Failed | None:
    """Telegram says in the body how long to wait."""
    said = said_in(answer, "description")
    code = "not_found" if response.status == 400 and "not found" in said else ""
    failed = by_status(vendor, response, said)
    match answer:
        case {"parameters": {"retry_after": int(seconds)}} if failed:
            return Failed(failed.code, failed.message, failed.retryable, float(seconds))
        case _ if failed and code:
            return Failed(code, failed.message)
        case _:
            return failed


TELEGRAM = Vendor("Telegram", "https://api.telegram.org", ("telegram.bot",), _judge)


class TelegramMessage(Connector):
    """Has a bot send, change and delete messages on Telegram.

    `operation` says what to do: `send`, `send_photo`, `send_document`, `send_location`,
    `send_action`, `edit`, `delete`, `pin`, `get_chat`, `get_file`, `answer_callback`. Fields are
    called as in the Bot API. Pictures and files are given by their URL, or by the `file_id` of one
    that Telegram has.

    The credential is a `telegram.bot`. Refusals fail the item as `not_authenticated`, `forbidden`
    (the bot was blocked, or is not in the chat), `not_found`, `refused` or `rate_limited`; short
    limits are waited out. A message whose fate is not known after a lost connection is not sent
    twice.
    """

    Parameters = TelegramParameters
    vendor = TELEGRAM
    type = "telegram.message"
    title = "Telegram"
    credential_types = TELEGRAM.credential_types
    examples: ClassVar[tuple[JsonObject, ...]] = (
        {"operation": "send", "chat_id": "@example_channel", "text": "{{ $json.message }}"},
        {"operation": "send_photo", "chat_id": 1001, "photo": "https://example.com/a.png",
         "caption": "Today's chart"},
        {"operation": "send", "chat_id": 1001, "text": "Go on?",
         "reply_markup": {"inline_keyboard": [[{"text": "Yes", "callback_data": "yes"}]]}},
    )  # fmt: skip
    keywords = (
        "telegram", "telegram bot", "telegram message", "send to telegram", "bot message",
        "telegram group", "telegram消息", "电报", "发到telegram", "机器人消息",
    )  # fmt: skip
