"""The rules to which Airbyte holds the connectors in its own repository (airbyte-internal-ops), on this one.

All of them are asked, those for connectors of the highest support level too. Each that cannot hold here is named with
its reason. `make connector-qa` runs this in an environment of its own.
"""

from __future__ import annotations

import contextlib
import copy
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from airbyte_ops_mcp.connector_ops.utils import Connector
from airbyte_ops_mcp.connector_qa.checks import ENABLED_CHECKS
from airbyte_ops_mcp.connector_qa.models import Check, CheckStatus
from airbyte_ops_mcp.metadata_validator import PRE_UPLOAD_VALIDATORS, ValidatorOptions, validate_and_load
from airbyte_ops_mcp.registry.validate import ValidateOptions, validate_metadata

ROOT = Path(__file__).resolve().parents[2]
NAME = "source-pivotal-tracker"
WHERE_AIRBYTE_HAS_IT = Path("airbyte-integrations") / "connectors" / NAME
PAGES = Path("docs") / "integrations" / "sources"
PAGE = PAGES / "pivotal-tracker.md"

CANNOT_HOLD = {
    "CheckForAirbyteCloudSectionContent": "Airbyte Cloud offers Airbyte's older connector alone, and takes no images "
    "of others: the steps that the rule wants would lead to that one.",
    "CheckConnectorCDKTag": "It looks for the cdk in the table [tool.poetry] of pyproject.toml, and breaks off there.",
    "CheckConnectorUsesPoetry": "The lock files are requirements*.txt, which pip installs by hash without Poetry.",
    "CheckConnectorLicenseMatchInPyproject": "It looks for the licence in [tool.poetry]; it is in [project].",
    "CheckConnectorVersionMatchInPyproject": "It looks for the version in [tool.poetry]; it is in [project].",
    "CheckConnectorUsesHTTPSOnly": "The sample servers and the tests listen on the loopback, with http://, and the "
    "setting allow_http is for private networks.",
    "CheckConnectorUsesPythonBaseImage": "The image has the sample server and its commands too, so a Dockerfile builds "
    "it, from the base image that metadata.yaml names.",
}
"""Rules that fail here, and why."""
DOES_NOT_APPLY = {"CheckManifestOnlyConnectorBaseImage": "This connector is none of manifest alone."}
NOT_ASKED = {
    "CheckDocumentationLinks": "It fetches every address in the page.",
    "CheckVersionIncrement": "It compares with the connector of the same name on GitHub.",
    "ValidateBreakingChangesDeadlines": "It holds the deadline of the breaking change against today.",
    "ValidateMetadata": "It asks Docker Hub for images; its other parts are asked below.",
}
"""Rules whose result hangs on the internet or on the day, and not on this commit."""


class Unreleased(Connector):  # type: ignore[misc]
    """The connector as Airbyte's own repository would have it, before a release, at the highest support level.

    `is_released` would ask Airbyte's registry.
    """

    is_released = False
    ab_internal_sl = 300
    support_level = "certified"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with this connector and its pages where Airbyte's repository has them; the process works in it."""
    folder = tmp_path_factory.mktemp("airbyte")
    skipped = shutil.ignore_patterns(".*", "__pycache__", "build", "secrets", "node_modules", "*.duckdb")
    shutil.copytree(ROOT, folder / WHERE_AIRBYTE_HAS_IT, ignore=skipped)
    (folder / PAGES).mkdir(parents=True)
    for page in (ROOT / "docs").glob("pivotal-tracker*.md"):
        shutil.copy(page, folder / PAGES)
    with contextlib.chdir(folder):
        yield folder


def name_of(check: Check) -> str:
    return type(check).__name__


ASKED = [check for check in ENABLED_CHECKS if name_of(check) not in NOT_ASKED]


@pytest.mark.parametrize("check", [check for check in ASKED if name_of(check) not in CANNOT_HOLD], ids=name_of)
@pytest.mark.usefixtures("repository")
def test_a_rule_holds(check: Check) -> None:
    result = check.run(Unreleased(NAME))
    expected = CheckStatus.SKIPPED if name_of(check) in DOES_NOT_APPLY else CheckStatus.PASSED
    assert result.status is expected, f"{check.name}: {result.message}"


@pytest.mark.parametrize("check", [check for check in ASKED if name_of(check) in CANNOT_HOLD], ids=name_of)
@pytest.mark.usefixtures("repository")
def test_a_rule_that_cannot_hold_does_not(check: Check) -> None:
    status = CheckStatus.FAILED
    with contextlib.suppress(KeyError):
        status = check.run(Unreleased(NAME)).status
    assert status is CheckStatus.FAILED, f"it holds by now: take {name_of(check)} out of CANNOT_HOLD"


def test_every_rule_that_is_named_here_is_one_of_airbytes() -> None:
    named = CANNOT_HOLD.keys() | DOES_NOT_APPLY.keys() | NOT_ASKED.keys()
    assert named <= {name_of(check) for check in ENABLED_CHECKS}
    assert len(named) == len(CANNOT_HOLD) + len(DOES_NOT_APPLY) + len(NOT_ASKED)


def before_an_upload(path: Path) -> object:
    """What is wrong with this metadata.yaml, as Airbyte asks before it uploads one; None if nothing is."""
    options = ValidatorOptions(docs_path=str(PAGE), disable_dockerhub_checks=True)
    _, problem = validate_and_load(path, PRE_UPLOAD_VALIDATORS, options)
    return problem


def before_a_release(path: Path) -> object:
    """The same, as Airbyte asks before it publishes a version."""
    metadata = yaml.safe_load(path.read_text(encoding="utf-8"))
    return validate_metadata(metadata["data"], ValidateOptions(docs_path=str(PAGE))).errors or None


both_validators = pytest.mark.parametrize("validator", [before_an_upload, before_a_release])
Validator = Callable[[Path], object]

DAMAGED: dict[str, dict[str, Any]] = {
    "a tag without a key": {"tags": ["language:python", "tracker"]},
    "no language": {"tags": ["cdk:python"]},
    "a new major version that breaks nothing": {"dockerImageTag": "2.0.0"},
}


@both_validators
def test_the_metadata_is_valid(validator: Validator, repository: Path) -> None:
    assert validator(repository / WHERE_AIRBYTE_HAS_IT / "metadata.yaml") is None


@both_validators
@pytest.mark.parametrize("damage", DAMAGED.values(), ids=DAMAGED.keys())
def test_metadata_that_breaks_a_rule_are_not(
    validator: Validator, damage: dict[str, Any], repository: Path, tmp_path: Path
) -> None:
    metadata = yaml.safe_load((repository / WHERE_AIRBYTE_HAS_IT / "metadata.yaml").read_text(encoding="utf-8"))
    damaged = copy.deepcopy(metadata)
    damaged["data"].update(damage)
    path = tmp_path / "metadata.yaml"
    path.write_text(yaml.safe_dump(damaged), encoding="utf-8")
    assert validator(path) is not None
