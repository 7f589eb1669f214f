"""Answers questions about Delta tables with other people's readers.

One JSON object a line on stdin, one on stdout. A question is one of
  {"ask": "deltalake", "path": ..., "sql": ...}    the table is called t; the engine is deltalake's own
  {"ask": "delta_scan", "path": ..., "sql": ...}   the table is called t; the engine is DuckDB's delta extension
  {"ask": "python", "code": ..., "lake": ...}      runs code; the answer is what it leaves in `result`
and an answer {"rows": [[...], ...]}, {"result": ...} or {"error": "..."}.
"""

import datetime
import decimal
import json
import math
import pathlib
import sys
import traceback

import deltalake
import duckdb
import foreign
import pyarrow as pa

EXTENSION = foreign.EXTENSION


def plain(value):
    """A value as JSON: what JSON lacks becomes text, a map a list of pairs."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case decimal.Decimal():
            # A sum of integers is a HUGEINT for one reader and a BIGINT for the other.
            whole = value.as_tuple().exponent == 0 and abs(value) < 2**63
            return int(value) if whole else str(value)
        case bytes():
            return value.hex()
        case datetime.datetime() if value.tzinfo is not None:
            return value.astimezone(datetime.timezone.utc).isoformat()
        case datetime.date() | datetime.datetime():
            return value.isoformat()
        case dict():
            return {key: plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
    raise TypeError(f"no JSON form for {type(value)}")


def rows(table):
    columns = [column.to_pylist() for column in table.columns]
    return [[plain(value) for value in row] for row in zip(*columns)]


def ask_deltalake(path, sql):
    # Through its query engine: to_pyarrow_table refuses every table that has deletion vectors enabled.
    table = deltalake.DeltaTable(path)
    return {"rows": rows(pa.table(deltalake.QueryBuilder().register("t", table).execute(sql).read_all()))}


def ask_delta_scan(path, sql):
    quoted = path.replace("'", "''")
    connection = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    # From the file in site-packages: no network, and whatever extension_directory there is stays as it was.
    connection.execute(f"LOAD '{EXTENSION}'")
    connection.execute(f"CREATE VIEW t AS FROM delta_scan('{quoted}')")
    return {"rows": rows(connection.execute(sql).to_arrow_table())}


def ask_python(code, lake):
    scope = {"lake": pathlib.Path(lake), "result": None}
    scope |= {module.__name__: module for module in (datetime, decimal, deltalake, duckdb, foreign, pathlib)} | {"pa": pa}
    exec(compile(code, "<test>", "exec"), scope)
    return {"result": plain(scope["result"])}


ANSWERS = {"deltalake": ask_deltalake, "delta_scan": ask_delta_scan, "python": ask_python}


def main():
    answers = sys.stdout
    sys.stdout = sys.stderr  # what a library prints must not break the protocol
    for line in sys.stdin:
        question = json.loads(line)
        try:
            answer = ANSWERS[question.pop("ask")](**question)
        except Exception:
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
