"""The conformance kit: what every stage plugin must keep, checked from its own tests or by hand.

In a plugin's tests, one test a check:

    from occface_core.testing import parametrize_checks

    @parametrize_checks(MyStage)
    def test_conformance(check):
        check()

Anywhere else, all at once: `check_stage(MyStage)`. The names in `CHECKS` are public and stay.
"""

from __future__ import annotations

from occface_core.testing.failure import CheckFailed
from occface_core.testing.kit import CHECKS, Report, check_stage, checks_for, parametrize_checks, run_check

__all__ = ["CHECKS", "CheckFailed", "Report", "check_stage", "checks_for", "parametrize_checks", "run_check"]
