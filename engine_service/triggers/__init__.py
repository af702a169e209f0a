"""Every kind of trigger, one file each. To add one: write the file, list its class here."""

from typing import Any

from engine_service.sdk.trigger import Trigger
from engine_service.triggers.chat import ChatTrigger
from engine_service.triggers.email import EmailTrigger
from engine_service.triggers.error import ErrorTrigger
from engine_service.triggers.form import FormTrigger
from engine_service.triggers.github import GitHubTrigger
from engine_service.triggers.manual import ManualTrigger
from engine_service.triggers.mcp import McpTrigger
from engine_service.triggers.rss import RssTrigger
from engine_service.triggers.schedule import Schedule
from engine_service.triggers.slack import SlackTrigger
from engine_service.triggers.webhook import Webhook
from engine_service.triggers.workflow import CalledTrigger

TRIGGERS: tuple[type[Trigger[Any]], ...] = (
    ManualTrigger,
    Webhook,
    FormTrigger,
    ChatTrigger,
    SlackTrigger,
    GitHubTrigger,
    Schedule,
    RssTrigger,
    EmailTrigger,
    CalledTrigger,
    McpTrigger,
    ErrorTrigger,
)
