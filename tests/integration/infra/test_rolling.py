"""Every service restarted under load; `python -m bench.rolling` does it longer, with figures."""

from pathlib import Path

import pytest

from bench.rolling.__main__ import rolling


@pytest.mark.long
@pytest.mark.timeout(900)
async def test_a_rolling_restart_fails_no_request_loses_no_run_and_cuts_no_stream(
    tmp_path: Path,
) -> None:
    assert await rolling(tmp_path, rounds=1, people=2) == []
