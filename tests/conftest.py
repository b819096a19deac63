"""Fixtures shared by all tests: they are in `fixtures/`, one file for each noun."""

import pytest

pytest_plugins = ["store_fixtures", "run_fixtures", "judge_fixtures", "sweep_fixtures"]


def pytest_configure(config: pytest.Config) -> None:
    # A dependency of great_expectations 1.24 imports modules of `re` that Python 3.11 deprecates.
    config.addinivalue_line("filterwarnings", "ignore:module 'sre_:DeprecationWarning")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # Files with slow tests first: none of them is then left alone at the end, with one core idle.
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
