"""What the engine says, in Airbyte's protocol."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import orjson
from airbyte_cdk.models import (
    AirbyteEstimateTraceMessage,
    AirbyteMessage,
    AirbyteRecordMessage,
    AirbyteStateBlob,
    AirbyteStateMessage,
    AirbyteStateStats,
    AirbyteStateType,
    AirbyteStreamState,
    AirbyteStreamStatus,
    AirbyteStreamStatusReason,
    AirbyteStreamStatusReasonType,
    AirbyteTraceMessage,
    EstimateType,
    StreamDescriptor,
    TraceType,
)
from airbyte_cdk.models import Type as MessageType
from airbyte_cdk.utils import AirbyteTracedException
from airbyte_cdk.utils.stream_status_utils import as_airbyte_message
from airbyte_protocol_dataclasses.models import AirbyteStreamStatusRateLimitedReason

from source_pivotal_tracker.api.errors import IncompleteError
from source_pivotal_tracker.streams.rows import Row

Encoded = TypeVar("Encoded")
Encoder = Callable[[str, Sequence[Row]], Encoded]
"""Turns the records of one stream on one page into what the reader of the engine wants them to be."""


def as_messages(stream: str, records: Sequence[Row]) -> list[AirbyteMessage]:
    """A message object for each record."""
    now = _now()
    return [
        AirbyteMessage(
            type=MessageType.RECORD,
            record=AirbyteRecordMessage(stream=stream, data=dict(record), emitted_at=now),
        )
        for record in records
    ]


def as_lines(stream: str, records: Sequence[Row]) -> bytes:
    """The records as the lines of JSON that go to stdout."""
    head = b'{"type":"RECORD","record":{"stream":%b,"emitted_at":%d,"data":' % (orjson.dumps(stream), _now())
    tail = b"}}\n"
    pieces = list(map(orjson.dumps, records))
    if pieces:
        pieces[0] = head + pieces[0]
        pieces[-1] += tail
    return (tail + head).join(pieces)


def unwritable(error: orjson.JSONEncodeError, path: str) -> IncompleteError:
    """The error for rows of this path that no line can hold, such as one that is nested too deeply."""
    return IncompleteError(f"a row holds what cannot be written as JSON ({error})", path=path)


def state(stream: str, blob: Mapping[str, Any], records: int) -> AirbyteMessage:
    """A state, with the number of records since the stream's last one."""
    return AirbyteMessage(
        type=MessageType.STATE,
        state=AirbyteStateMessage(
            type=AirbyteStateType.STREAM,
            stream=AirbyteStreamState(
                stream_descriptor=StreamDescriptor(name=stream), stream_state=AirbyteStateBlob(blob)
            ),
            sourceStats=AirbyteStateStats(recordCount=float(records)),
        ),
    )


def error(stream: str, failure: AirbyteTracedException) -> AirbyteMessage:
    """Why a stream is incomplete, without a trace: the words say all, and users see what stands in the message."""
    message = failure.as_sanitized_airbyte_message(StreamDescriptor(name=stream))
    if message.trace and message.trace.error:
        message.trace.error = replace(message.trace.error, stack_trace=None)
    return message


def status(stream: str, value: AirbyteStreamStatus) -> AirbyteMessage:
    return as_airbyte_message(StreamDescriptor(name=stream), value)


def rate_limited(stream: str, reset: float) -> AirbyteMessage:
    """It runs, but its requests are held back until this time, in seconds since 1970."""
    # The protocol counts milliseconds.
    limit = AirbyteStreamStatusRateLimitedReason(quota_reset=math.ceil(reset * 1000))
    reason = AirbyteStreamStatusReason(type=AirbyteStreamStatusReasonType.RATE_LIMITED, rate_limited=limit)
    return as_airbyte_message(StreamDescriptor(name=stream), AirbyteStreamStatus.RUNNING, [reason])


def estimate(stream: str, rows: int) -> AirbyteMessage:
    """How many rows the stream will have brought at its end."""
    return AirbyteMessage(
        type=MessageType.TRACE,
        trace=AirbyteTraceMessage(
            type=TraceType.ESTIMATE,
            emitted_at=float(_now()),
            estimate=AirbyteEstimateTraceMessage(name=stream, type=EstimateType.STREAM, row_estimate=rows),
        ),
    )


def _now() -> int:
    return time.time_ns() // 1_000_000
