"""`python -m agent_service`: the agent, on uvloop, with LangSmith's tracing switched off for good."""

import os

import uvloop

# Read when langgraph is imported; the mesh sends nobody what people say to it.
os.environ["LANGSMITH_TRACING"] = "false"
os.environ["LANGCHAIN_TRACING_V2"] = "false"

from agent_service.server import main  # noqa: E402 (the environment comes first)

if __name__ == "__main__":
    uvloop.install()
    main()
