"""What the client of a configuration knows beyond the address."""

from __future__ import annotations

import pytest

from source_pivotal_tracker.api.errors import TrackerError
from source_pivotal_tracker.config import parse_config
from source_pivotal_tracker.wiring import client_of


@pytest.mark.parametrize("host", ["www.pivotaltracker.com", "pivotaltracker.com"])
def test_the_closed_service_is_named_as_closed_and_its_heir_with_its_url(host: str) -> None:
    client = client_of(parse_config({"api_token": "x", "api_url": f"https://{host}:9/services/v5"}))
    with pytest.raises(TrackerError, match=r"closed on 2025-04-30.*https://app\.litetracker\.com/services/v5"):
        client.get("me", attempts=1)
