"""Every test run has a cache of its own, so that old results are never found."""

import pytest

from egtensor.config import config


@pytest.fixture(autouse=True, scope="session")
def fresh_cache(tmp_path_factory):
    """Compiled functions of this run are kept in a temporary directory."""
    config.cache_dir = tmp_path_factory.mktemp("cache")


def pytest_addoption(parser):
    """Add ``--update-golden``."""
    parser.addoption(
        "--update-golden",
        action="store_true",
        help="rewrite the golden files from what is printed now",
    )
