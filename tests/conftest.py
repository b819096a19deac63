"""Fixtures shared by all tests: they are in `fixtures/`, one file for each noun."""

import pytest

pytest_plugins = ["store_fixtures", "run_fixtures", "judge_fixtures", "sweep_fixtures"]


def pytest_configure(config: pytest.Config) -> None:
    # A dependency of great_expectations 1.24 imports modules of `re` that Python 3.11 deprecates.
    config.addinivalue_line("filterwarnings", "ignore:module 'sre_:DeprecationWarning")
