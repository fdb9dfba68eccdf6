"""Asks for attributes by `fields`; if a server refuses some of them, it is asked for all the others."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from source_pivotal_tracker.api.errors import ParametersRefused, RetryableError, TrackerError
from source_pivotal_tracker.api.fields import DEFAULT, WHOLE, Fields, render, select
from source_pivotal_tracker.api.parse_lock import ParseLock
from source_pivotal_tracker.api.response import TrackerResponse
from source_pivotal_tracker.api.retries import MOST_ATTEMPTS

logger = logging.getLogger("airbyte.tracker")

Params = Mapping[str, str | int]
Get = Callable[..., TrackerResponse]
Accepts = Callable[[Fields], bool]

ESSENTIAL = frozenset({DEFAULT, "id", "number", "project_id", "updated_at"})
"""What is never left out: keys, cursors, and whatever a server shows by itself."""
MOST_PROBES = 60
"""The most requests that look for what a server refuses of one list: what is not found by then is left out."""
MOST_LESSONS = 4
"""How often one request may be refused again, for other attributes."""
FEW_ATTEMPTS = 3
"""What a server answers with 500 so often may be the attributes."""


@dataclass
class Refused:
    """What is known of one endpoint: the paths of attributes that it refuses, and those that it takes bare only.

    `by_default`: it refuses to have its essential attributes named, and takes `:default`. `altogether`: no `fields`.
    """

    paths: set[tuple[str, ...]] = field(default_factory=set)
    bare: set[str] = field(default_factory=set)
    by_default: bool = False
    altogether: bool = False

    def rest(self, fields: Fields) -> Fields:
        """What of these fields is not refused."""
        if self.altogether or not fields:
            return {}
        rest: dict[str, Fields | None] = {DEFAULT: None} if self.by_default else {}
        for name, inside in fields.items():
            if (name,) in self.paths or (self.by_default and name in ESSENTIAL):
                continue
            rest[name] = WHOLE if name in self.bare else inside and self._inside(name, inside)
        return rest

    def _inside(self, name: str, inside: Fields) -> Fields:
        return {inner: deeper for inner, deeper in inside.items() if (name, inner) not in self.paths}


class Selection:
    """Which attributes a server accepts, as its refusals in this sync have shown; shared by all threads.

    A list, the bulk of it and its single rows are endpoints that may differ: what the list refuses none of them is
    asked for, and what one of the others refuses only that one is not.
    """

    def __init__(self, get: Get) -> None:
        self._get = get
        self._lock = threading.Lock()
        self._refused: dict[tuple[str, str], Refused] = defaultdict(Refused)

    @property
    def is_refused_altogether(self) -> bool:
        """Whether some endpoint takes no `fields` at all."""
        return any(refused.altogether for refused in list(self._refused.values()))

    def of(self, fields: Fields, endpoint: str, variant: str = "") -> Fields:
        """What of these fields an endpoint can be asked for, as far as is known."""
        for key in dict.fromkeys([(endpoint, ""), (endpoint, variant)]):
            if key in self._refused:
                fields = self._refused[key].rest(fields)
        return fields

    def get(
        self,
        path: str,
        params: Params,
        fields: Fields,
        *,
        endpoint: str,
        names: str,
        variant: str = "",
        attempts_at_timeout: int = MOST_ATTEMPTS,
        parse_lock: ParseLock | None = None,
    ) -> TrackerResponse:
        """GET with the fields that the server does not refuse. Raises a TrackerError.

        `names` are the streams that a warning names; `variant` distinguishes the requests to one endpoint;
        `attempts_at_timeout` is as of TrackerClient.get.
        """
        asking = _Asking(self._get, path, params, attempts_at_timeout, parse_lock)
        for _ in range(MOST_LESSONS):
            asked = self.of(fields, endpoint, variant)
            try:
                is_wide = bool(asked.keys() - ESSENTIAL)
                return asking.answer(asked, **({"attempts_at_500": FEW_ATTEMPTS} if is_wide else {}))
            except ParametersRefused as refused:
                refusal: TrackerError = refused
            except RetryableError as failure:
                if failure.status != 500 or not asked.keys() - ESSENTIAL:
                    raise
                refusal = failure
            if not asked:
                raise refusal
            with self._lock:
                # Another thread may have found out meanwhile.
                if self.of(fields, endpoint, variant) == asked:
                    self._learn(asking, asked, refusal, self._refused[endpoint, variant], names)
            if isinstance(refusal, RetryableError) and self.of(fields, endpoint, variant) == asked:
                # The probe in _learn was an attempt as well.
                return asking.answer(asked, attempts_made=FEW_ATTEMPTS + 1)
        raise refusal

    def _learn(self, asking: _Asking, asked: Fields, refusal: TrackerError, known: Refused, names: str) -> None:
        """Find what of these fields is refused. Raises the refusal where they are not what it is about."""
        asking.probes = 0
        base: Fields = {name: None for name in asked if name in ESSENTIAL} or select("id")
        if not asking.accepts(base, attempts=1 if isinstance(refusal, RetryableError) else FEW_ATTEMPTS):
            if isinstance(refusal, RetryableError):
                return
            base = self._other_base(asking, asked, base, refusal, known)
            if known.altogether:
                logger.warning(
                    "Read with fewer attributes: %s, because the server refuses `fields` (%s)", names, refusal
                )
                return
        rest = {name: inside for name, inside in asked.items() if name not in base and name not in ESSENTIAL}
        paths: set[tuple[str, ...]] = set()
        bare: set[str] = set()
        for name in _refused_among(list(rest), lambda some: asking.accepts({**base, **_of(rest, some)})):
            paths_inside = _refused_inside(name, rest[name] or {}, lambda inside: asking.accepts({**base, **inside}))
            if paths_inside is not None:
                paths |= paths_inside
            elif rest[name] and asking.accepts({**base, name: WHOLE}):
                bare.add(name)
            else:
                paths.add((name,))
        known.paths |= paths
        known.bare |= bare
        refused = [*map(_written, sorted(paths)), *(f"the contents of {name}(…)" for name in sorted(bare))]
        if refused:
            logger.warning("Read with fewer attributes: %s, without %s (%s)", names, ", ".join(refused), refusal)

    def _other_base(
        self, asking: _Asking, asked: Fields, base: Fields, refusal: TrackerError, known: Refused
    ) -> Fields:
        """What to ask for where the essential attributes are refused."""
        if DEFAULT not in base and asking.accepts(select(DEFAULT)):
            known.by_default = True
            logger.info("The server takes %s in place of %s", DEFAULT, render(base))
            return select(DEFAULT)
        key = select("number" if "number" in asked else "id")
        if base != key and asking.accepts(key):
            reason = f"{refusal.reason} (the server refuses {render(base)}, which cannot be left out)"
            raise ParametersRefused(
                reason, path=refusal.path, hint=refusal.hint, status=refusal.status, code=refusal.code
            )
        if not asking.accepts({}):
            raise refusal
        known.altogether = True
        return {}


class _Asking:
    """One request, with these fields or those; `probes` counts the ones that were sent to see what is accepted."""

    def __init__(
        self, get: Get, path: str, params: Params, attempts_at_timeout: int, parse_lock: ParseLock | None
    ) -> None:
        self.probes = 0
        self._get = get
        self._path = path
        self._params = params
        self._attempts_at_timeout = attempts_at_timeout
        self._parse_lock = parse_lock

    def answer(self, fields: Fields, **patience: int) -> TrackerResponse:
        """Raises a TrackerError; `patience` is what the client knows of attempts."""
        params = {**self._params, "fields": render(fields)} if fields else dict(self._params)
        patience = {"attempts_at_timeout": self._attempts_at_timeout, **patience}
        return self._get(self._path, params or None, parse_lock=self._parse_lock, **patience)

    def accepts(self, fields: Fields, attempts: int = FEW_ATTEMPTS) -> bool:
        """Whether the server answers; not asked, and False, after too many probes. Raises every other TrackerError."""
        self.probes += 1
        if self.probes > MOST_PROBES:
            return False
        try:
            self.answer(fields, attempts_at_500=attempts)
        except ParametersRefused:
            return False
        except RetryableError as failure:
            if failure.status == 500:
                return False
            raise
        return True


def _refused_among(names: Sequence[str], accepts: Callable[[Sequence[str]], bool]) -> list[str]:
    """Those of the names that are refused, found by halves."""
    if not names or accepts(names):
        return []
    if len(names) == 1:
        return list(names)
    half = len(names) // 2
    return _refused_among(names[:half], accepts) + _refused_among(names[half:], accepts)


def _refused_inside(name: str, inside: Fields, accepts: Accepts) -> set[tuple[str, ...]] | None:
    """The paths of what is refused in the parentheses of an attribute; None where all that they hold is."""
    kept = {inner: deeper for inner, deeper in inside.items() if inner in ESSENTIAL}
    rest = {inner: deeper for inner, deeper in inside.items() if inner not in ESSENTIAL}
    if not kept or not rest or not accepts({name: kept}):
        return None
    refused = _refused_among(list(rest), lambda some: accepts({name: {**kept, **_of(rest, some)}}))
    return {(name, inner) for inner in refused}


def _of(fields: Fields, names: Sequence[str]) -> Fields:
    return {name: fields[name] for name in names}


def _written(path: tuple[str, ...]) -> str:
    """`comments(file_attachment_ids)`."""
    return "(".join(path) + ")" * (len(path) - 1)
