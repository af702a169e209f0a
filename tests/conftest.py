"""What every test may ask for: real servers, thrown away afterwards.

`--long` runs the tests marked `long` too: those that need minutes to say something.
"""

import os

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from shared import interpreter

# Here and in every process that a test starts: models are called on this machine only.
os.environ["ALLOW_MODEL_REQUESTS"] = "false"
# As the services do: tests start processes while gRPC works, and make no garbage of modules.
interpreter.before_imports()

# Whether a commit is sound must not depend on chance; `--hypothesis-profile=default` explores.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

pytest_plugins = ["tests.support.postgres", "tests.support.valkey"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="run the long tests too")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--long"):
        return
    long = [item for item in items if item.get_closest_marker("long")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]


def pytest_collection_finish(session: pytest.Session) -> None:
    interpreter.after_imports()


class SharedFixtures(LoadScopeScheduling):
    """Keeps on one worker what shares fixtures: a module, and all stories, which share a mesh."""

    def _split_scope(self, nodeid: str) -> str:
        module, _, _ = nodeid.partition("::")
        return "e2e" if module.startswith("tests/e2e/") else module


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> SharedFixtures:
    return SharedFixtures(config, log)
