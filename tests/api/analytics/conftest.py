"""A database server for these tests."""

import pytest

from support.scratch import Cluster


@pytest.fixture(scope="session")
def cluster():
    """A PostgreSQL with the migrated database billing_test, which each test copies (see copied())."""
    made = Cluster()
    yield made
    made.close()


@pytest.fixture(scope="session")
def copied(cluster):
    """Makes a copy of the empty database; its name."""
    def make(name):
        cluster.sql(f"CREATE DATABASE {name} TEMPLATE billing_test")
        return name
    return make
