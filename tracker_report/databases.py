"""The databases that hold the models: a DuckDB file, or PostgreSQL at its URL. Nothing is written to them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from tracker_report.errors import ReportError

INSTALL = "pip install 'tracker-connector[report]'"
MODEL = "tracker__project"
"""Where this table is, the others are."""
POSTGRESQL = ("postgresql://", "postgres://")

_TABLES = f"SELECT table_schema FROM information_schema.tables WHERE table_name = '{MODEL}' ORDER BY 1"
_DUCKDB_COMMENTS = """\
SELECT table_name, column_name, comment FROM duckdb_columns()
WHERE database_name = current_database() AND schema_name = current_schema() AND comment IS NOT NULL"""
_POSTGRESQL_COMMENTS = """\
SELECT c.relname, a.attname, col_description(c.oid, a.attnum) FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
WHERE n.nspname = current_schema() AND col_description(c.oid, a.attnum) IS NOT NULL"""


class Table(NamedTuple):
    """What a query found: the names of its columns, and its rows."""

    columns: list[str]
    rows: list[tuple[Any, ...]]


class Cursor(Protocol):
    """What a cursor of either database has (PEP 249)."""

    @property
    def description(self) -> Any: ...
    def execute(self, query: Any, /) -> Any: ...
    def fetchall(self) -> list[Any]: ...


class Dialect(NamedTuple):
    """How a database differs: what asks for the comments on columns, and what precedes the schema to look into.

    `missing` are its errors where a table or a column is not there, `error` is any of its errors.
    """

    comments: str
    use: str
    missing: tuple[type[Exception], ...]
    error: type[Exception]


class Models:
    """The tables of the models in one schema of a database."""

    def __init__(self, cursor: Cursor, dialect: Dialect) -> None:
        self._cursor = cursor
        self._dialect = dialect

    def query(self, sql: str) -> Table:
        """What a query finds. Raises ReportError, also where a model or a column is missing."""
        try:
            self._cursor.execute(sql)
            return Table([column[0] for column in self._cursor.description], self._cursor.fetchall())
        except self._dialect.missing as error:
            problem = str(error).splitlines()[0]
            raise ReportError(f"The models are not those of this release ({problem}): build them again.") from None
        except self._dialect.error as error:
            raise ReportError(f"The database cannot be read: {_first_line(error)}") from None

    def definitions(self) -> dict[tuple[str, str], str]:
        """What the columns mean, by table and column: the descriptions that dbt has written into the database."""
        return {(table, column): text for table, column, text in self.query(self._dialect.comments).rows}

    def use(self, schema: str | None) -> None:
        """Looks into this schema from now on, or into the only one with models. Raises ReportError."""
        found = [name for (name,) in self.query(_TABLES).rows]
        if not found:
            raise ReportError("There are no models in the database: build them first, as dbt/README.md says.")
        if schema is None and len(found) > 1:
            raise ReportError(f"There are models in {', '.join(found)}: choose one with --schema.")
        chosen = schema or found[0]
        if chosen not in found:
            raise ReportError(f"There are no models in the schema {chosen!r}; there are some in {', '.join(found)}.")
        quoted = chosen.replace('"', '""')
        self._cursor.execute(f'{self._dialect.use} "{quoted}"')


@contextmanager
def opened(database: str, schema: str | None = None) -> Iterator[Models]:
    """The models in a database. Raises ReportError if it cannot be opened or holds none."""
    with _connection(database) as models:
        models.use(schema)
        yield models


@contextmanager
def _connection(database: str) -> Iterator[Models]:
    if database.startswith(POSTGRESQL):
        with _postgresql(database) as models:
            yield models
    else:
        with _duckdb(Path(database)) as models:
            yield models


@contextmanager
def _duckdb(path: Path) -> Iterator[Models]:
    try:
        import duckdb
    except ModuleNotFoundError:
        raise ReportError(f"DuckDB is not installed: {INSTALL}") from None
    if not path.is_file():
        raise ReportError(f"There is no file {str(path)!r}: give a DuckDB file, or postgresql://…")
    try:
        connection = duckdb.connect(str(path), read_only=True)
    except duckdb.Error as error:
        raise ReportError(f"Cannot open {path}: {_first_line(error)}") from None
    with closing(connection):
        missing = (duckdb.CatalogException, duckdb.BinderException)
        yield Models(connection, Dialect(_DUCKDB_COMMENTS, "SET TimeZone = 'UTC'; USE", missing, duckdb.Error))


@contextmanager
def _postgresql(url: str) -> Iterator[Models]:
    try:
        import psycopg
    except ModuleNotFoundError:
        raise ReportError(f"psycopg is not installed: {INSTALL}") from None
    try:
        connection = psycopg.connect(url)
    except psycopg.ProgrammingError:
        # Its words have parts of the URL in them, and there may be a password.
        problem = "The URL of PostgreSQL is not well formed: encode what is special in it, or set PGPASSWORD"
        raise ReportError(f"{problem}.") from None
    except psycopg.Error as error:
        raise ReportError(f"Cannot connect to PostgreSQL: {_first_line(error)}") from None
    with connection:
        # One transaction sees one build of the models, whatever runs meanwhile.
        connection.read_only = True
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        for name, loader in _loaders().items():
            connection.adapters.register_loader(name, loader)
        missing = (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn)
        use = "SET LOCAL TIME ZONE 'UTC'; SET LOCAL search_path TO"
        yield Models(connection.cursor(), Dialect(_POSTGRESQL_COMMENTS, use, missing, psycopg.Error))


def _loaders() -> dict[str, type[Any]]:
    """What reads days and times of PostgreSQL, without those that Python has none for, such as `infinity`."""
    import psycopg
    from psycopg.types import datetime as loaders

    def without(base: Any) -> type[Any]:
        class Loader(base):  # type: ignore[misc]
            def load(self, data: Any) -> Any:
                try:
                    return super().load(data)
                except psycopg.DataError:
                    return None

        return Loader

    return {
        "date": without(loaders.DateLoader),
        "timestamp": without(loaders.TimestampLoader),
        "timestamptz": without(loaders.TimestamptzLoader),
    }


def _first_line(error: Exception) -> str:
    lines: Sequence[str] = str(error).splitlines()
    return lines[0].rstrip(".!") + "." if lines else type(error).__name__
