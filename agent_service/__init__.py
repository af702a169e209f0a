"""The author: talks with a person and writes a workflow. server.py is where it starts.

LangGraph would send what people say to its maker's tracing service if the environment asked for it.
In this service nothing may ask for it, so it is switched off before LangGraph is imported.
"""

import os

os.environ["LANGSMITH_TRACING"] = "false"
os.environ["LANGCHAIN_TRACING_V2"] = "false"
