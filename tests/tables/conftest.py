"""One store of records for all tests of tables that only read it."""

import pytest
from store_factory import fill

from read_repro.tables.load import Store, read_store


@pytest.fixture(scope="session")
def full(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("full")
    fill(folder)
    return read_store(folder)
