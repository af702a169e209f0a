"""Systems of other makers that people name; there is no node for them, so each is a gap.

A name stands for one product or one kind of channel. `API_HINTS` says where a product's HTTP API
is described, as far as that helps someone who wants to call it.
"""

import re
from dataclasses import dataclass

_PRODUCTS: dict[str, str] = {
    "Slack": r"slack", "Gmail": r"gmail|google mail",
    "Google Sheets": r"google ?sheets?|gsheets?|google spreadsheets?|谷歌表格",
    "Google Drive": r"google ?drive|gdrive|谷歌云盘", "Google Calendar": r"google calendar|gcal",
    "Google Docs": r"google docs?", "Google BigQuery": r"big ?query",
    "Google Analytics": r"google analytics|ga4", "Outlook": r"outlook|office 365|microsoft 365",
    "Microsoft Teams": r"microsoft teams|ms teams", "Telegram": r"telegram", "Discord": r"discord",
    "WhatsApp": r"whats ?app", "WeChat": r"we ?chat|微信|公众号", "WeCom": r"企业微信|wecom",
    "DingTalk": r"ding ?talk|钉钉", "Feishu": r"飞书|feishu|lark", "Notion": r"notion",
    "Airtable": r"airtable", "Trello": r"trello", "Asana": r"asana", "Jira": r"jira",
    "Linear": r"linear(?= )", "ClickUp": r"click ?up", "Monday.com": r"monday\.com",
    "GitHub": r"git ?hub", "GitLab": r"git ?lab", "HubSpot": r"hub ?spot",
    "Salesforce": r"salesforce", "Pipedrive": r"pipedrive", "Zendesk": r"zendesk",
    "Intercom": r"intercom", "Shopify": r"shopify", "WooCommerce": r"woo ?commerce",
    "Stripe": r"stripe", "PayPal": r"paypal", "Mailchimp": r"mail ?chimp",
    "SendGrid": r"send ?grid", "Twilio": r"twilio", "Dropbox": r"dropbox",
    "OneDrive": r"one ?drive", "Amazon S3": r"\bs3\b|amazon s3", "Supabase": r"supabase",
    "Postgres": r"postgres(?:ql)?", "MySQL": r"my ?sql|数据库", "MongoDB": r"mongo ?db",
    "Redis": r"redis", "Twitter/X": r"twitter|\bx\.com|tweets?|推特", "LinkedIn": r"linked ?in",
    "Facebook": r"facebook", "Instagram": r"instagram", "YouTube": r"you ?tube",
    "TikTok": r"tik ?tok|抖音", "Reddit": r"reddit", "Xiaohongshu": r"小红书|red ?note",
    "WordPress": r"word ?press", "Typeform": r"typeform", "Calendly": r"calendly",
    "Zoom": r"\bzoom\b", "Excel": r"excel", "Baserow": r"baserow", "Indeed": r"\bindeed\b",
    "Spotify": r"spotify", "ElevenLabs": r"eleven ?labs", "Pinecone": r"pinecone",
    "Qdrant": r"qdrant", "Todoist": r"todoist", "Mattermost": r"matter ?most",
}  # fmt: skip
_CHANNELS: dict[str, str] = {
    "SMS": r"\bsms\b|text message|短信",
    "Email": r"e-?mails?|mail (?:me|him|her|them|us)|inbox|newsletter|邮件|邮箱(?!为|是|不|的)",
    "RSS": r"\brss\b|\bfeeds?\b",
    "Spreadsheet": r"spreadsheets?|电子表格",
    "Database": r"databases?\b|数据库",
    "Calendar": r"\bcalendar\b|日历",
    "Files": r"\b(?:pdf|csv|docx?|xlsx|word) (?:files?|documents?)|上传(?:的)?文件",
    "Chat": r"\bchat ?bots?\b|聊天机器人",
}
_FLAGS = re.IGNORECASE
_PRODUCT_PATTERNS = {
    name: re.compile(rf"(?<![\w.-])(?:{words})(?![\w-])" if words[0].isascii() else words, _FLAGS)
    for name, words in _PRODUCTS.items()
}
_CHANNEL_PATTERNS = {name: re.compile(words, _FLAGS) for name, words in _CHANNELS.items()}
_NOTIFY = re.compile(
    r"\b(?:notif(?:y|ies|ication)|alerts?|inform|remind|ping|warn|tell"
    r"|let (?:me|us|them|him|her|the \w+) know|message (?:me|us|him|her|them|the))\b"
    r"|通知|提醒|告知|告诉|报警|告警",
    _FLAGS,
)

API_HINTS = {
    "Slack": "an incoming webhook address, or chat.postMessage with a bot token",
    "Discord": "a channel's webhook address",
    "Microsoft Teams": "a channel's webhook address",
    "Telegram": "the Bot API's sendMessage with a bot token",
    "Feishu": "a group bot's webhook address",
    "DingTalk": "a group bot's webhook address",
    "WeCom": "a group bot's webhook address",
    "Google Sheets": "the Sheets API's values:append with an access token",
    "Notion": "the pages endpoint with an integration token",
    "Airtable": "the records endpoint with a personal access token",
    "Email": "the HTTP API of an e-mail service, with its key",
}
"""What calling a system over HTTP takes."""


@dataclass(frozen=True, slots=True)
class SystemFound:
    """A system that was named, and where."""

    name: str
    start: int
    end: int


def find_system(plain: str) -> SystemFound | None:
    """The system a clause names: a product before a mere channel."""
    for patterns in (_PRODUCT_PATTERNS, _CHANNEL_PATTERNS):
        found = [
            SystemFound(name, *match.span())
            for name, pattern in patterns.items()
            if (match := pattern.search(plain))
        ]
        if found:
            return min(found, key=lambda one: one.start)
    return None


def is_notice(plain: str) -> bool:
    """Whether a clause wants somebody to be told something."""
    return bool(_NOTIFY.search(plain))
