"""MERGE INTO on a table of DuckDB's own: what must come of a statement.

A twin is a connection with a table `t`; it is known by a name. A statement leaves Arrow files behind: `source.arrow`
with the rows that are merged, `table.arrow` with those that must then be there, and `returned.arrow`.
"""

import collections
import json
import pathlib

import deltalake
import duckdb
import pyarrow as pa
import reader

TWINS = {}

# What a join gives, by the kind of clause: pairs as DuckDB's own MERGE joins them, and what matches nothing.
JOINS = {
    "Matched": "s AS source JOIN t AS target {}",
    "NotMatched": "s AS source ANTI JOIN t AS target {}",
    "NotMatchedBySource": "t AS target ANTI JOIN s AS source {}",
}


def write(path, table):
    with pa.ipc.new_file(path, table.schema) as writer:
        writer.write_table(table)


def begin(name, statements):
    """Makes the table, and answers with nothing."""
    connection = TWINS[name] = duckdb.connect()
    connection.execute("SET TimeZone = 'UTC'")
    connection.execute("SET threads = 1")
    for statement in statements:
        connection.execute(statement)


def end(name):
    TWINS.pop(name).close()


def empty(name, directory):
    """Leaves the table's columns as Arrow has them."""
    table = TWINS[name].execute("FROM t").to_arrow_table()
    write(pathlib.Path(directory) / "table.arrow", table)


def step(name, directory, statements, on, kinds, actions, sql, returning):
    """Runs a statement. `kinds` tells of each kind of clause which one is for a row and what it would raise; `actions`
    what each clause does."""
    connection, directory = TWINS[name], pathlib.Path(directory)
    for statement in statements:
        connection.execute(statement)
    connection.execute("CREATE OR REPLACE TABLE before AS FROM t")
    write(directory / "source.arrow", connection.execute("FROM s").to_arrow_table())
    try:
        told = foretell(connection, on, kinds, actions)
        told |= run(connection, directory, sql, returning)
    except duckdb.OutOfMemoryException:
        raise
    except (duckdb.OutOfRangeException, duckdb.ConversionException, duckdb.InvalidInputException) as error:
        # An expression failed, perhaps for a row that never came to its clause.
        return {"refused": "expression", "error": str(error)}
    except (duckdb.BinderException, duckdb.ParserException, duckdb.NotImplementedException) as error:
        return {"refused": "statement", "error": str(error)}
    if not told["twice"] and "Merge error" not in told.get("error", ""):
        assert told.get("count") == sum(told["counts"].values()), told
    return told


def foretell(connection, on, kinds, actions):
    """How many rows each action must be for, whether a row would be changed twice, and the errors that clauses raise."""
    counts, messages, twice = collections.Counter(), [], False
    for kind, (chosen, message) in kinds.items():
        rowid = "target.rowid" if kind == "Matched" else "0"
        rows = f"SELECT {rowid}, {chosen}, {message} FROM {JOINS[kind].format(on)}"
        changed = collections.Counter()
        for place, which, text in connection.execute(rows).fetchall():
            if which is None:
                continue
            action = actions[which]
            if action == "ERROR":
                messages.append(text)
            elif action != "DO NOTHING":
                counts[action] += 1
                changed[place] += 1
        twice |= kind == "Matched" and any(count > 1 for count in changed.values())
    return {"counts": dict(counts), "twice": twice, "messages": sorted(set(messages), key=str), "raises": bool(messages)}


def run(connection, directory, sql, returning):
    connection.execute("BEGIN")
    try:
        found = connection.execute(sql)
        if returning:
            table = found.to_arrow_table()
            write(directory / "returned.arrow", table)
            count = table.num_rows
        else:
            count = found.fetchone()[0]
        write(directory / "table.arrow", connection.execute("FROM t").to_arrow_table())
    except duckdb.ConstraintException as error:
        connection.execute("ROLLBACK")
        return {"refused": "constraint", "error": str(error)}
    except Exception:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    return {"count": count}


def undo(name):
    """The table as it was before the last statement."""
    TWINS[name].execute("CREATE OR REPLACE TABLE t AS FROM before")


def dump(name, table, called):
    """A table as SQL that can be pasted."""
    connection = TWINS[name]
    columns = connection.execute(f"SELECT column_name, column_type FROM (DESCRIBE {table})").fetchall()
    declared = ", ".join(f"{column} {kind}" for column, kind in columns)
    texts = connection.execute(f"SELECT COLUMNS(*)::VARCHAR FROM {table}").fetchall()

    def value(text, kind):
        if text is None:
            return "NULL"
        quoted = "'" + text.replace("'", "''") + "'"
        return quoted if kind == "VARCHAR" else f"{quoted}::{kind}"

    rows = [", ".join(value(text, kind) for text, (_, kind) in zip(row, columns)) for row in texts]
    inserts = "".join(f"INSERT INTO {called} VALUES ({row});\n" for row in rows)
    return f"CREATE TABLE {called} ({declared});\n{inserts}"


def repeated(name, keys):
    """Whether two rows of the last source have the same keys, none of them NULL."""
    equal = " AND ".join(f"{key} IS NOT NULL" for key in keys)
    sql = f"SELECT 1 FROM s WHERE {equal} GROUP BY {', '.join(keys)} HAVING count(*) > 1 LIMIT 1"
    return bool(TWINS[name].execute(sql).fetchall())


def agree(name, path, readers):
    """Answers with the readers of others that do not find in a table of the lake what is in this one."""
    ours = TWINS[name].execute("FROM t").to_arrow_table()
    columns = ", ".join(f'"{column}"' for column in ours.column_names)
    expected = sorted(map(json.dumps, reader.rows(ours)))
    asked = {"deltalake": reader.ask_deltalake, "delta_scan": reader.ask_delta_scan}
    differing = {}
    for each in readers:
        found = sorted(map(json.dumps, asked[each](path, f"SELECT {columns} FROM t")["rows"]))
        if found != expected:
            differing[each] = [list(set(found) - set(expected))[:3], list(set(expected) - set(found))[:3]]
    return differing


def feed(path, columns):
    """Answers with the versions whose changes do not lead from the rows before to those after."""
    wrong = []
    newest = deltalake.DeltaTable(path).version()
    before = None
    for version in range(1, newest + 1):
        after = collections.Counter(contents(path, version, columns))
        if before is not None:
            changes = pa.table(deltalake.DeltaTable(path).load_cdf(version, version).read_all())
            for kind, row in zip(changes["_change_type"].to_pylist(), texts(changes.select(columns))):
                before[row] += 1 if kind in ("insert", "update_postimage") else -1
            if +before != after or any(count < 0 for count in before.values()):
                wrong.append([version, str((+before - after))[:300], str((after - +before))[:300], changes.num_rows])
        before = after
    return wrong


def contents(path, version, columns):
    table = deltalake.DeltaTable(path, version=version)
    quoted = ", ".join(f'"{column}"' for column in columns)
    found = deltalake.QueryBuilder().register("t", table).execute(f"SELECT {quoted} FROM t").read_all()
    return texts(pa.table(found))


def texts(table):
    return list(map(json.dumps, reader.rows(table)))


def ask(question):
    """A question as JSON: the name of a function here, and its arguments."""
    function, arguments = json.loads(question)
    return globals()[function](**arguments)
