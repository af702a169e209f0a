"""What every test may ask for: real servers, thrown away afterwards."""

pytest_plugins = ["tests.support.postgres", "tests.support.valkey"]
