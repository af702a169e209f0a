"""Every node type that is no trigger, one file each. To add one: write it, list its class here."""

from typing import Any

from engine_service.nodes.ai_agent import AiAgent
from engine_service.nodes.ai_chat import AiChat
from engine_service.nodes.ai_classify import AiClassify
from engine_service.nodes.ai_embed import AiEmbed
from engine_service.nodes.ai_extract import AiExtract
from engine_service.nodes.ai_retrieve import AiRetrieve
from engine_service.nodes.ai_summarize import AiSummarize
from engine_service.nodes.code_javascript import CodeJavascript
from engine_service.nodes.code_python import CodePython
from engine_service.nodes.data_aggregate import DataAggregate
from engine_service.nodes.data_compare import DataCompare
from engine_service.nodes.data_crypto import DataCrypto
from engine_service.nodes.data_datetime import DataDatetime
from engine_service.nodes.data_dedupe import DataDedupe
from engine_service.nodes.data_file import DataFile
from engine_service.nodes.data_html import DataHtml
from engine_service.nodes.data_limit import DataLimit
from engine_service.nodes.data_markdown import DataMarkdown
from engine_service.nodes.data_remember import DataRemember
from engine_service.nodes.data_rename import DataRename
from engine_service.nodes.data_set import DataSet
from engine_service.nodes.data_sort import DataSort
from engine_service.nodes.data_split import DataSplit
from engine_service.nodes.data_summarize import DataSummarize
from engine_service.nodes.data_table import DataTable
from engine_service.nodes.data_validate import DataValidate
from engine_service.nodes.data_xml import DataXml
from engine_service.nodes.discord_message import DiscordMessage
from engine_service.nodes.email_send import EmailSend
from engine_service.nodes.flow_call import FlowCall
from engine_service.nodes.flow_filter import FlowFilter
from engine_service.nodes.flow_if import FlowIf
from engine_service.nodes.flow_loop import FlowLoop
from engine_service.nodes.flow_merge import FlowMerge
from engine_service.nodes.flow_noop import FlowNoop
from engine_service.nodes.flow_placeholder import FlowPlaceholder
from engine_service.nodes.flow_respond import FlowRespond
from engine_service.nodes.flow_stop import FlowStop
from engine_service.nodes.flow_switch import FlowSwitch
from engine_service.nodes.flow_wait import FlowWait
from engine_service.nodes.github_api import GitHubApi
from engine_service.nodes.github_issue import GitHubIssue
from engine_service.nodes.google_calendar import GoogleCalendar
from engine_service.nodes.google_sheets import GoogleSheets
from engine_service.nodes.graphql_request import GraphQlRequest
from engine_service.nodes.http_request import HttpRequestNode
from engine_service.nodes.human_approval import HumanApproval
from engine_service.nodes.human_form import HumanForm
from engine_service.nodes.mcp_call import McpCall
from engine_service.nodes.mcp_tools import McpTools
from engine_service.nodes.memory_buffer import MemoryBuffer
from engine_service.nodes.memory_kv import MemoryKv
from engine_service.nodes.memory_summary import MemorySummary
from engine_service.nodes.memory_vector import MemoryVector
from engine_service.nodes.model_chat import ModelChat
from engine_service.nodes.notion_page import NotionPage
from engine_service.nodes.openapi_call import OpenApiCall
from engine_service.nodes.parser_json import ParserJson
from engine_service.nodes.postgres_query import PostgresQuery
from engine_service.nodes.redis_command import RedisCommand
from engine_service.nodes.rss_read import RssRead
from engine_service.nodes.s3_object import S3Object
from engine_service.nodes.slack_message import SlackMessage
from engine_service.nodes.telegram_message import TelegramMessage
from engine_service.sdk.node import NodeType

NODES: tuple[type[NodeType[Any]], ...] = (
    DataSet,
    DataRename,
    DataSplit,
    DataAggregate,
    DataSummarize,
    DataSort,
    DataLimit,
    DataDedupe,
    DataCompare,
    DataDatetime,
    DataCrypto,
    DataFile,
    DataHtml,
    DataXml,
    DataMarkdown,
    DataValidate,
    DataTable,
    DataRemember,
    FlowIf,
    FlowSwitch,
    FlowFilter,
    FlowMerge,
    FlowLoop,
    FlowWait,
    FlowRespond,
    FlowStop,
    FlowCall,
    FlowNoop,
    FlowPlaceholder,
    HttpRequestNode,
    GraphQlRequest,
    OpenApiCall,
    McpCall,
    SlackMessage,
    GitHubIssue,
    GitHubApi,
    NotionPage,
    GoogleCalendar,
    GoogleSheets,
    TelegramMessage,
    DiscordMessage,
    CodeJavascript,
    CodePython,
    AiChat,
    AiAgent,
    AiClassify,
    AiEmbed,
    AiExtract,
    AiRetrieve,
    AiSummarize,
    MemoryBuffer,
    MemoryKv,
    MemorySummary,
    MemoryVector,
    ModelChat,
    ParserJson,
    McpTools,
    HumanApproval,
    HumanForm,
    EmailSend,
    PostgresQuery,
    RedisCommand,
    S3Object,
    RssRead,
)
