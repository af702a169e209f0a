"""Our packages are ours: no dependency brings one of the same name, which would hide it."""

from importlib.metadata import packages_distributions

import pytest

OURS = ("gateway", "agent_service", "engine_service", "shared", "cli", "proto", "bench", "tests")


@pytest.mark.parametrize("package", OURS)
def test_nobody_else_has_a_package_of_that_name(package: str) -> None:
    assert set(packages_distributions().get(package, ())) <= {"flowloom"}
