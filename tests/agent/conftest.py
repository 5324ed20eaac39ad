"""Fixtures: a vendor, its service, and new agents."""

import pytest

from support import Agent, Service, Vendor


@pytest.fixture
def vendor():
    """A vendor that has issued one licence now, in real time."""
    import time
    made = Vendor(int(time.time()))
    made.issue()
    return made


@pytest.fixture
def service(vendor):
    made = Service(vendor)
    yield made
    made.close()


@pytest.fixture
def new_agent(tmp_path_factory, service):
    """new_agent(SETTING=value): an agent of the service, with a folder of its own."""
    made = []

    def make(**settings):
        url = settings.pop("url", service.url)
        made.append(Agent(tmp_path_factory.mktemp("agent"), url, **settings))
        return made[-1]

    yield make
    for agent in made:
        agent.stop()
        if agent.log.exists():
            log = agent.log.read_text(encoding="utf-8", errors="replace")
            assert "Sanitizer" not in log and "runtime error" not in log, log


@pytest.fixture
def agent(new_agent):
    return new_agent()
