"""Credentials: an export names them and never holds them, so they must be connected here anew."""

from collections.abc import Iterator
from typing import cast

from engine_service.n8n.mapping import SourceNode
from shared.workflow import JsonObject

_OURS = {
    "httpBasicAuth": "http.basic",
    "httpBearerAuth": "http.bearer",
    "httpHeaderAuth": "http.header",
    "httpQueryAuth": "http.query",
    "oAuth2Api": "oauth2.authorization",
    "slackApi": "slack.token",
    "slackOAuth2Api": "slack.token",
    "githubApi": "github.token",
    "githubOAuth2Api": "github.token",
    "notionApi": "notion.token",
    "notionOAuth2Api": "notion.token",
    "telegramApi": "telegram.bot",
    "discordBotApi": "discord.bot",
    "openAiApi": "openai.key",
    "anthropicApi": "anthropic.key",
    "azureOpenAiApi": "openai.key",
    "deepSeekApi": "openai.key",
    "googlePalmApi": "openai.key",
    "groqApi": "openai.key",
    "mistralCloudApi": "openai.key",
    "ollamaApi": "openai.key",
    "openRouterApi": "openai.key",
    "xAiApi": "openai.key",
    "smtp": "smtp.account",
    "imap": "imap.account",
    "postgres": "postgres.account",
    "redis": "redis.account",
    "aws": "aws.access_key",
    "s3": "aws.access_key",
}
_GOOGLE = "google.account"
_LISTENING = frozenset({
    "n8n-nodes-base.webhook", "n8n-nodes-base.slackTrigger", "n8n-nodes-base.githubTrigger",
})  # fmt: skip


# What they kept elsewhere is kept with Flowloom's own data.
_KEPT_HERE = frozenset({
    "@n8n/n8n-nodes-langchain.memoryPostgresChat", "@n8n/n8n-nodes-langchain.vectorStorePGVector",
})  # fmt: skip


def lacking(source: SourceNode) -> Iterator[str]:
    """What a node needs to be connected to, in words."""
    if source.type in _KEPT_HERE:
        return
    if source.type in _LISTENING:
        return  # it says itself where its secret goes
    for kind, reference in source.credentials.items():
        shown = cast("JsonObject", reference) if isinstance(reference, dict) else {}
        name = str(shown.get("name", kind))
        ours = _OURS.get(kind, _GOOGLE if kind.startswith("google") else "")
        mend = f"connect one of the type {ours!r}" if ours else "connect one that suits"
        yield f"It used the credential {name!r} ({kind}), which no export holds: {mend}."
