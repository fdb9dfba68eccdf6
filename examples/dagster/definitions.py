"""Syncs each project of a Tracker as a partition of one asset, every hour: `dagster dev -f definitions.py`.

The settings of the source and of the destination are in dlt's configuration.
"""

import os
import time
from collections.abc import Iterator

# Read at the import: else dlt reports that it was used.
os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")

import dagster as dg
import dlt
from airbyte_cdk.models import FailureType
from airbyte_cdk.utils import AirbyteTracedException
from dlt.pipeline.exceptions import PipelineStepFailed

from source_pivotal_tracker.dlt import tracker_source

DATASET = "tracker"
"""The schema of the views. That of a partition is called so too, with `_` and the key after it."""
ACCOUNT = "account"
"""The partition of the streams that hang on no project."""
ACCOUNT_STREAMS = {"me", "workspaces", "notifications", "my_activity", "accounts", "account_memberships"}
POOL = "tracker_token"
REQUESTS_PER_MINUTE = 200
"""What the server allows the token, where `sources.tracker.requests_per_minute` says nothing else."""
QUARTER_MINUTE = 15
"""The seconds in which a sync sends at most a quarter of its requests a minute."""

RETRIES = dg.RetryPolicy(max_retries=3, delay=10, backoff=dg.Backoff.EXPONENTIAL)

PROJECTS = "tracker_projects"
"""What Dagster calls the partitions. Their keys are the ids of projects, and the one of the account."""


@dg.asset(
    partitions_def=dg.DynamicPartitionsDefinition(name=PROJECTS),
    pool=POOL,
    retry_policy=RETRIES,
)
def tracker(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """The rows of one project, or of the account, in a schema of their own, with the states of their own."""
    key = context.partition_key
    syncs = context.instance.event_log_storage.get_concurrency_info(POOL).slot_count
    if not syncs:
        raise dg.Failure(f"The pool {POOL} has no limit: take over what is in dagster.yaml.", allow_retries=False)
    limit = dlt.config.get("sources.tracker.requests_per_minute", int) or REQUESTS_PER_MINUTE
    try:
        source = tracker_source(
            project_ids=[] if key == ACCOUNT else [int(key)], requests_per_minute=max(1, limit // syncs)
        )
        streams = [name for name in source.resources if (name in ACCOUNT_STREAMS) is (key == ACCOUNT)]
        pipeline = dlt.pipeline(f"{DATASET}_{key}", dataset_name=f"{DATASET}_{key}")
        loaded = pipeline.run(source.with_resources(*streams))
    except (AirbyteTracedException, PipelineStepFailed) as failure:
        cause = cause_of(failure)
        is_in_settings = getattr(cause, "failure_type", None) is FailureType.config_error
        raise dg.Failure(str(cause), allow_retries=not is_in_settings) from failure
    finally:
        # The server counts the last requests for as long, and whoever takes this place sends its own at once.
        time.sleep(QUARTER_MINUTE)
    return dg.MaterializeResult(metadata={"loads": loaded.loads_ids})


@dg.asset(deps=[tracker], pool=POOL, retry_policy=RETRIES)
def tracker_views(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
    """A view for each stream, of the rows of all partitions that have some."""
    keys = context.instance.get_dynamic_partitions(PROJECTS)
    pipeline = dlt.pipeline(f"{DATASET}_views", dataset_name=DATASET)
    with pipeline.sql_client() as client:
        if not client.has_dataset():
            client.create_dataset()
        listed = client.execute_sql("SELECT table_schema, table_name, column_name FROM information_schema.columns")
        there = set(listed or ())
        tables = {(schema, name) for schema, name, _ in there}
        views = 0
        for name, stream in tracker_source().discover_schema().tables.items():
            schemas = [schema for key in keys if ((schema := f"{DATASET}_{key}"), name) in tables]
            rows = []
            # What an older release synced last may lack columns: it comes behind what has them, and their types.
            for schema in sorted(schemas, key=lambda schema: -sum(place[:2] == (schema, name) for place in there)):
                columns = ", ".join(
                    f"{'' if (schema, name, column) in there else 'NULL AS '}{client.escape_column_name(column)}"
                    for column in stream["columns"]
                )
                rows.append(f'SELECT {columns} FROM "{schema}"."{name}"')  # noqa: S608
            if rows:
                view = client.make_qualified_table_name(name)
                client.execute_sql(f"CREATE OR REPLACE VIEW {view} AS {' UNION ALL '.join(rows)}")
                views += 1
    return dg.MaterializeResult(metadata={"views": views})


@dg.schedule(target=tracker, cron_schedule="0 * * * *")
def hourly(context: dg.ScheduleEvaluationContext) -> Iterator[dg.RunRequest]:
    """A run for the account, and one for each project that the token sees now: a new one becomes a partition."""
    keys = [ACCOUNT, *(str(project["id"]) for project in tracker_source().projects)]
    context.instance.add_dynamic_partitions(PROJECTS, keys)
    for key in keys:
        yield dg.RunRequest(f"{context.scheduled_execution_time.isoformat()} {key}", partition_key=key)


def cause_of(error: BaseException) -> BaseException:
    """The first of the errors of which each caused the next."""
    return cause_of(error.__cause__) if error.__cause__ else error


defs = dg.Definitions(
    assets=[tracker, tracker_views],
    schedules=[hourly, dg.ScheduleDefinition("hourly_views", target=tracker_views, cron_schedule="30 * * * *")],
)
