"""Every type of credential there is. A new one is a file here and a line in CREDENTIALS."""

from collections.abc import Mapping
from typing import Any

from engine_service.credentials.anthropic_key import AnthropicKey
from engine_service.credentials.aws_access_key import AwsAccessKey
from engine_service.credentials.discord_bot import DiscordBot
from engine_service.credentials.github_token import GitHubToken
from engine_service.credentials.google_account import GoogleAccount
from engine_service.credentials.http_basic import HttpBasic
from engine_service.credentials.http_bearer import HttpBearer
from engine_service.credentials.http_header import HttpHeader
from engine_service.credentials.http_query import HttpQuery
from engine_service.credentials.imap_account import ImapAccount
from engine_service.credentials.notion_token import NotionToken
from engine_service.credentials.oauth2_authorization import OAuth2Authorization
from engine_service.credentials.oauth2_client import OAuth2Client
from engine_service.credentials.openai_key import OpenAiKey
from engine_service.credentials.postgres_account import PostgresAccount
from engine_service.credentials.redis_account import RedisAccount
from engine_service.credentials.slack_token import SlackToken
from engine_service.credentials.smtp_account import SmtpAccount
from engine_service.credentials.telegram_bot import TelegramBot
from engine_service.sdk.credential import CredentialType

CREDENTIALS: tuple[type[CredentialType[Any]], ...] = (
    HttpBearer,
    HttpBasic,
    HttpHeader,
    HttpQuery,
    OAuth2Authorization,
    OAuth2Client,
    AnthropicKey,
    AwsAccessKey,
    DiscordBot,
    GitHubToken,
    GoogleAccount,
    NotionToken,
    OpenAiKey,
    SlackToken,
    TelegramBot,
    SmtpAccount,
    ImapAccount,
    PostgresAccount,
    RedisAccount,
)
BY_TYPE: Mapping[str, CredentialType[Any]] = {kind.type: kind() for kind in CREDENTIALS}
HTTP_TYPES: tuple[str, ...] = tuple(kind.type for kind in CREDENTIALS if kind.over_http)
