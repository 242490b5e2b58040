"""The second half of the fault campaign of test_kills.py, in a file of its own: another core takes it."""

from __future__ import annotations

from pathlib import Path

import pytest
from kill_world import Zygote, run_block, template, zygote

__all__ = ["template", "zygote"]  # fixtures

pytestmark = pytest.mark.network


@pytest.mark.slow
@pytest.mark.parametrize("block", range(5, 10))
def test_300_kills_and_1700_other_faults_in_200_runs(
    tmp_path: Path, template: Path, zygote: Zygote, block: int
) -> None:
    run_block(tmp_path, template, zygote, block)
