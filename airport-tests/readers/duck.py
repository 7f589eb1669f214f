"""A DuckDB session with the Airport extension, for where no command line client is given.

Reads blocks of lines from stdin, each ended by a line that ends with `;`, and answers with CSV rows (a bare NULL
for null; the empty string and the text NULL are quoted) and a line `--END-- ok`, or with `Error: ...` and a line
`--END-- error`. Arguments are accepted and ignored: they say what this always does.
"""

import os
import pathlib
import sys

import duckdb
import duckdb_extension_httpfs

# The Airport extension does not load without it.
HTTPFS = next(pathlib.Path(duckdb_extension_httpfs.__path__[0]).glob("extensions/*/httpfs.duckdb_extension"))


def field(text):
    if text is None:
        return "NULL"
    if text in ("", "NULL") or any(c in text for c in ',"\n\r'):
        return '"' + text.replace('"', '""') + '"'
    return text


def run(connection, sql):
    relation = connection.sql(sql)
    if relation is None:
        return
    for row in relation.select("COLUMNS(*)::VARCHAR").fetchall():
        print(",".join(field(value) for value in row))


def main():
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    for extension in (str(HTTPFS), os.environ["AIRPORT_EXTENSION"]):
        connection.execute("LOAD '" + extension.replace("'", "''") + "'")
    block = []
    for line in sys.stdin:
        block.append(line)
        if not line.rstrip().endswith(";"):
            continue
        try:
            run(connection, "".join(block))
            print("--END-- ok", flush=True)
        except Exception as error:
            print(f"Error: {error}")
            print("--END-- error", flush=True)
        block = []


if __name__ == "__main__":
    main()
