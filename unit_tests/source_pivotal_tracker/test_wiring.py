"""What the client of a configuration knows beyond the address."""

from __future__ import annotations

import pytest

from source_pivotal_tracker.api.errors import TrackerError
from source_pivotal_tracker.config import parse_config
from source_pivotal_tracker.wiring import client_of, configured
from unit_tests.syncs import warnings


@pytest.mark.parametrize("host", ["www.pivotaltracker.com", "pivotaltracker.com"])
def test_the_closed_service_is_named_as_closed_and_its_heir_with_its_url(host: str) -> None:
    client = client_of(parse_config({"api_token": "x", "api_url": f"https://{host}:9/services/v5"}))
    with pytest.raises(TrackerError, match=r"closed on 2025-04-30.*https://app\.litetracker\.com/services/v5"):
        client.get("me", attempts=1)


def test_a_key_that_is_no_setting_is_told_by_its_name(caplog: pytest.LogCaptureFixture) -> None:
    settings = configured({"api_token": "x", "project_id": [99], "startdate": "2024-01-31"})
    assert settings.project_ids == ()
    assert warnings(caplog) == ["Ignoring what is no setting in the configuration: 'project_id', 'startdate'"]


def test_settings_and_what_a_platform_adds_are_no_cause_for_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    configured({"api_token": "x", "project_ids": [99], "__injected_declarative_manifest": {}})
    assert warnings(caplog) == []
