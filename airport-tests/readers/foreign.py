"""Delta tables as other writers leave them, made anew for each test.

Each function of TABLES makes a table in a directory and answers with its rows, as JSON in the form that
`airport_tests::rows` has, and with the readers that read such a table right. Logs are written by hand in Spark's form,
data files by pyarrow; what is said of a feature follows Delta's PROTOCOL.md.
"""

import datetime
import decimal
import json
import pathlib
import struct
import urllib.parse
import zlib

import deltalake
import duckdb
import duckdb_extension_delta
import pyarrow as pa
import pyarrow.parquet as pq

EXTENSION = next(pathlib.Path(duckdb_extension_delta.__path__[0]).glob("extensions/*/delta.duckdb_extension"))
BOTH = ["deltalake", "delta_scan"]
DAY = 86_400_000_000


# The log's actions.


def field(name, type, nullable=True, **metadata):
    return {"name": name, "type": type, "nullable": nullable, "metadata": metadata}


def mapped(name, type, id, physical, **metadata):
    marks = {"delta.columnMapping.id": id, "delta.columnMapping.physicalName": physical}
    return field(name, type, **marks, **metadata)


def record(*fields):
    return {"type": "struct", "fields": list(fields)}


def protocol(both=(), writer=()):
    """Table features for readers and writers, and for writers alone."""
    if not both and not writer:
        return {"protocol": {"minReaderVersion": 1, "minWriterVersion": 2}}
    needs = {"minReaderVersion": 3 if both else 1, "minWriterVersion": 7, "writerFeatures": [*both, *writer]}
    return {"protocol": needs | ({"readerFeatures": list(both)} if both else {})}


def metadata(fields, partition_by=(), properties=None):
    return {
        "metaData": {
            "id": "00000000-0000-4000-8000-000000000000",
            "format": {"provider": "parquet", "options": {}},
            "schemaString": json.dumps(record(*fields)),
            "partitionColumns": list(partition_by),
            "configuration": properties or {},
            "createdTime": 1_600_000_000_000,
        }
    }


def add(path, size, rows=None, values=None, **more):
    stats = {} if rows is None else {"stats": json.dumps({"numRecords": rows})}
    told = {"path": path, "partitionValues": values or {}, "size": size, "modificationTime": 1, "dataChange": True}
    return {"add": told | stats | more}


class Log:
    """A table whose commits are written one by one."""

    def __init__(self, root):
        self.root = pathlib.Path(root)
        self.log = self.root / "_delta_log"
        self.log.mkdir(parents=True)
        self.version = 0

    def commit(self, *actions, **info):
        told = {"timestamp": 1_600_000_000_000 + self.version, "operation": "WRITE", "operationParameters": {}}
        lines = [{"commitInfo": told | info}, *actions]
        path = self.log / f"{self.version:020}.json"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        self.version += 1

    def file(self, name, table, values=None, **more):
        """Writes a data file and answers with its Add. The name is that on disk."""
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        options = more.pop("options", {})
        pq.write_table(table, path, **options)
        return add(urllib.parse.quote(name, safe="/="), path.stat().st_size, table.num_rows, values, **more)


def ids(column, id):
    """A column's Parquet field with an id."""
    return column.with_metadata({b"PARQUET:field_id": str(id).encode()})


# Deletion vectors (PROTOCOL.md, "Deletion Vector Format").


def bitmap(positions):
    """A portable roaring bitmap array of positions below 65536."""
    positions = sorted(positions)
    container = struct.pack("<II", 12346, 1) + struct.pack("<HH", 0, len(positions) - 1) + struct.pack("<I", 16)
    container += b"".join(struct.pack("<H", position) for position in positions)
    return struct.pack("<IQI", 1681511377, 1, 0) + container


def z85(data):
    data += bytes(-len(data) % 4)
    letters = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
    words = struct.unpack(f">{len(data) // 4}I", data)
    return "".join(letters[word // 85**place % 85] for word in words for place in (4, 3, 2, 1, 0))


def inline(positions):
    data = bitmap(positions)
    told = {"storageType": "i", "pathOrInlineDv": z85(data), "sizeInBytes": len(data), "cardinality": len(positions)}
    return {"deletionVector": told}


def vector_file(path, *vectors):
    """Writes vectors into one file and answers with where each lies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content, places = b"\x01", []
    for positions in vectors:
        data = bitmap(positions)
        places.append({"offset": len(content), "sizeInBytes": len(data), "cardinality": len(positions)})
        content += struct.pack(">I", len(data)) + data + struct.pack(">I", zlib.crc32(data))
    path.write_bytes(content)
    return places


# The tables.


def by_deltalake(root):
    """Partitioned, appended to twice, rows deleted, checkpointed."""
    for first in (0, 10):
        rows = pa.table({"n": pa.array(range(first, first + 4), pa.int64()), "p": pa.array(["a b", "ü/=", None, "a b"])})
        deltalake.write_deltalake(str(root), rows, partition_by=["p"], mode="append")
    table = deltalake.DeltaTable(str(root))
    table.delete("n = 13")
    table.create_checkpoint()
    expected = [[0, "a b"], [1, "ü/="], [2, None], [3, "a b"], [10, "a b"], [11, "ü/="], [12, None]]
    return expected, BOTH


def by_duckdb(root):
    """A table of deltalake's that DuckDB's own extension inserted into."""
    rows = pa.table({"n": pa.array([1], pa.int64()), "t": pa.array(["x"])})
    deltalake.write_deltalake(str(root), rows)
    connection = duckdb.connect()
    connection.execute(f"LOAD '{EXTENSION}'")
    connection.execute(f"ATTACH '{root}' AS d (TYPE delta)")
    connection.execute("INSERT INTO d VALUES (2, 'y'), (3, NULL)")
    connection.execute("INSERT INTO d VALUES (4, '')")
    connection.close()
    return [[1, "x"], [2, "y"], [3, None], [4, ""]], BOTH


def mapped_by_name(root):
    """Columns renamed, dropped, and added again under the same name, nested ones too."""
    log = Log(root)
    inner = record(mapped("renamed", "long", 4, "c4"), mapped("again", "string", 6, "c6"))
    fields = [mapped("id", "long", 1, "c1"), mapped("again", "long", 5, "c5"), mapped("s", inner, 3, "c3")]
    old = pa.table({
        "c1": pa.array([1, 2], pa.int64()),
        "c2": pa.array([10, 20], pa.int64()),
        "c3": pa.array([{"c4": 7, "gone": "x"}, None], pa.struct([("c4", pa.int64()), ("gone", pa.string())])),
    })
    new = pa.table({
        "c5": pa.array([30], pa.int64()),
        "c3": pa.array([{"c6": "y", "c4": 8}], pa.struct([("c6", pa.string()), ("c4", pa.int64())])),
        "c1": pa.array([3], pa.int64()),
    })
    properties = {"delta.columnMapping.mode": "name", "delta.columnMapping.maxColumnId": "6"}
    log.commit(protocol(["columnMapping"]), metadata(fields, properties=properties), log.file("old.parquet", old))
    log.commit(log.file("new.parquet", new))
    rows = [[1, None, {"renamed": 7, "again": None}], [2, None, None], [3, 30, {"renamed": 8, "again": "y"}]]
    return rows, BOTH


def mapped_by_id(root):
    """Files whose columns have the ids of the table's and names of their own."""
    log = Log(root)
    fields = [mapped("id", "long", 1, "c1"), mapped("text", "string", 2, "c2")]

    def file(name, columns):
        arrays = [values for _, values in columns]
        schema = pa.schema([ids(field, id) for (field, _), id in zip(columns, [2, 1])])
        return log.file(name, pa.table([pa.array(v, f.type) for (f, _), v in zip(columns, arrays)], schema))

    swapped = file("a.parquet", [(pa.field("c1", pa.string()), ["x"]), (pa.field("c2", pa.int64()), [1])])
    other = file("b.parquet", [(pa.field("u", pa.string()), ["y"]), (pa.field("v", pa.int64()), [2])])
    properties = {"delta.columnMapping.mode": "id", "delta.columnMapping.maxColumnId": "2"}
    log.commit(protocol(["columnMapping"]), metadata(fields, properties=properties), swapped, other)
    return [[1, "x"], [2, "y"]], []  # neither looks at ids alone


def widened(root):
    """One file of each column's first type, and one of its last."""
    log = Log(root)
    money = decimal.Decimal

    def change(before, after, *path):
        changes = {"fromType": before, "toType": after} | ({"fieldPath": path[0]} if path else {})
        return {"delta.typeChanges": [changes]}

    listed = {"type": "array", "elementType": "long", "containsNull": True}
    fields = [
        field("n", "long"),
        field("l", "long", **change("byte", "long")),
        field("f", "double", **change("float", "double")),
        field("i", "double", **change("integer", "double")),
        field("d", "timestamp_ntz", **change("date", "timestamp_ntz")),
        field("m", "decimal(10,4)", **change("decimal(5,2)", "decimal(10,4)")),
        field("w", "decimal(12,2)", **change("integer", "decimal(12,2)")),
        field("a", listed, **change("integer", "long", "element")),
    ]
    old = pa.table({
        "n": pa.array([1], pa.int64()),
        "l": pa.array([-128], pa.int8()),
        "f": pa.array([0.5], pa.float32()),
        "i": pa.array([-7], pa.int32()),
        "d": pa.array([datetime.date(1969, 12, 31)]),
        "m": pa.array([money("-1.25")], pa.decimal128(5, 2)),
        "w": pa.array([9], pa.int32()),
        "a": pa.array([[1, None]], pa.list_(pa.int32())),
    })
    new = pa.table({
        "n": pa.array([2], pa.int64()),
        "l": pa.array([2**62], pa.int64()),
        "f": pa.array([0.1], pa.float64()),
        "i": pa.array([0.5], pa.float64()),
        "d": pa.array([1], pa.timestamp("us")),
        "m": pa.array([money("123456.7891")], pa.decimal128(10, 4)),
        "w": pa.array([money("0.01")], pa.decimal128(12, 2)),
        "a": pa.array([[2**40]], pa.list_(pa.int64())),
    })
    features = protocol(["typeWidening", "timestampNtz"])
    log.commit(features, metadata(fields, properties={"delta.enableTypeWidening": "true"}), log.file("old.parquet", old))
    log.commit(log.file("new.parquet", new))
    rows = [
        [1, -128, "0.5", "-7.0", "1969-12-31T00:00:00", "-1.2500", "9.00", [1, None]],
        [2, 2**62, "0.1", "0.5", "1970-01-01T00:00:00.000001", "123456.7891", "0.01", [2**40]],
    ]
    return rows, ["delta_scan"]  # deltalake does not offer the feature


ODD_TEXTS = [" a b ", "100%", "%41", "a/b", "a=b", "12:30", "ü雪🦆", "a\nb", "it's \"q\"", "__HIVE", "null", "#?&+", "\\"]


def odd_partitions(root):
    """Texts of all kinds as partition values, NULL in both of its spellings."""
    log = Log(root)
    log.commit(protocol(), metadata([field("n", "long"), field("p", "string")], ["p"]))
    values = [*ODD_TEXTS, None, ""]
    for n, value in enumerate(values):
        directory = urllib.parse.quote(value, safe=" ü") if value else "__HIVE_DEFAULT_PARTITION__"
        rows = pa.table({"n": pa.array([n], pa.int64())})
        log.commit(log.file(f"p={directory}/part.parquet" if value else f"p={directory}/{n}.parquet", rows, {"p": value}))
    return [[n, value or None] for n, value in enumerate(values)], ["delta_scan"]  # deltalake keeps the empty text


def typed_partitions(root):
    """Partition columns of every type, timestamps in both spellings."""
    log = Log(root)
    columns = [
        ("b", "boolean", "true", True),
        ("i", "byte", "-128", -128),
        ("l", "long", "9223372036854775807", 2**63 - 1),
        ("f", "double", "-1.5E10", "-15000000000.0"),
        ("d", "date", "1969-12-31", "1969-12-31"),
        ("t", "timestamp", "2020-01-02 03:04:05.000006", "2020-01-02T03:04:05.000006"),
        ("z", "timestamp", "2020-01-02T03:04:05.000006Z", "2020-01-02T03:04:05.000006"),
        ("u", "timestamp_ntz", "1582-10-04 00:00:00", "1582-10-04T00:00:00"),
    ]
    names = [name for name, *_ in columns]
    fields = [field("n", "long"), *(field(name, type) for name, type, *_ in columns)]
    log.commit(protocol(["timestampNtz"]), metadata(fields, names))
    rows = lambda n: pa.table({"n": pa.array([n], pa.int64())})
    log.commit(log.file("a.parquet", rows(1), {name: text for name, _, text, _ in columns}))
    log.commit(log.file("b.parquet", rows(2), dict.fromkeys(names)))
    return [[1, *(value for *_, value in columns)], [2, *[None] * len(names)]], BOTH


def negative_decimal_partitions(root):
    """Decimals below zero."""
    log = Log(root)
    log.commit(protocol(), metadata([field("n", "long"), field("p", "decimal(9,2)")], ["p"]))
    log.commit(log.file("a.parquet", pa.table({"n": pa.array([1], pa.int64())}), {"p": "-1.50"}))
    return [[1, "-1.50"]], BOTH


def timestamps(root):
    """The same instant in each of Parquet's forms, and the ends of the calendar."""
    log = Log(root)
    fields = [field("n", "long"), field("t", "timestamp"), field("u", "timestamp_ntz")]
    log.commit(protocol(["timestampNtz"]), metadata(fields))
    micros = [-5_000_000_000_001_000, 1_600_000_000_123_000]
    forms = [
        ("int96", lambda zone: pa.timestamp("us", zone), {"use_deprecated_int96_timestamps": True}),
        ("millis", lambda zone: pa.timestamp("ms", zone), {}),
        ("micros", lambda zone: pa.timestamp("us", zone), {}),
        ("nanos", lambda zone: pa.timestamp("ns", zone), {"version": "2.6"}),
    ]
    rows = []
    text = lambda value: (datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=value)).isoformat()
    for first, (name, type, options) in enumerate(forms):
        array = lambda zone: pa.array(micros, pa.timestamp("us", zone)).cast(type(zone))
        numbers = [first * 2, first * 2 + 1]
        table = pa.table({"n": pa.array(numbers, pa.int64()), "t": array("UTC"), "u": array(None)})
        log.commit(log.file(f"{name}.parquet", table, options=options))
        rows += [[n, text(value), text(value)] for n, value in zip(numbers, micros)]
    ends = [-719_162 * DAY, 2_932_897 * DAY - 1]
    table = pa.table({
        "n": pa.array([98, 99], pa.int64()),
        "t": pa.array(ends, pa.timestamp("us", "UTC")),
        "u": pa.array(ends, pa.timestamp("us")),
    })
    log.commit(log.file("ends.parquet", table))
    rows += [[n, text(value), text(value)] for n, value in zip([98, 99], ends)]
    return rows, BOTH


def uneven(root):
    """Files without rows, without some columns, with others, in another order, with few statistics or none."""
    log = Log(root)
    log.commit(protocol(), metadata([field("n", "long"), field("t", "string"), field("x", "double")]))
    number = lambda *values: pa.array(values, pa.int64())
    log.commit(log.file("empty.parquet", pa.table({"n": number(), "t": pa.array([], pa.string())})))
    log.commit(log.file("few.parquet", pa.table({"n": number(1)}), stats='{"numRecords":1,"minValues":{"n":1}}'))
    more = pa.table({"extra": pa.array([[1]]), "x": pa.array([0.5]), "t": pa.array(["a"]), "n": number(2)})
    log.commit(log.file("more.parquet", more, stats=None))
    log.commit(log.file("wrong.parquet", pa.table({"t": pa.array(["b"]), "n": number(3)}), stats="{}"))
    return [[1, None, None], [2, "a", "0.5"], [3, "b", None]], BOTH


def with_vectors(root):
    """Deletion vectors in the log, in a file below a directory, in one that two share, and named in full."""
    log = Log(root)
    features = protocol(["deletionVectors"])
    log.commit(features, metadata([field("n", "long")], properties={"delta.enableDeletionVectors": "true"}))
    uuids = [bytes([n] * 16) for n in (1, 2)]
    name = lambda uuid: "deletion_vector_" + "-".join(uuid.hex()[a:b] for a, b in [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)]) + ".bin"
    (prefixed,) = vector_file(log.root / "ab" / name(uuids[0]), [0])
    shared = vector_file(log.root / name(uuids[1]), [1], [2, 9])
    absolute = log.root / "odd name%41.bin"
    (full,) = vector_file(absolute, [3, 4])
    vectors = [
        inline([5, 6]),
        {"deletionVector": {"storageType": "u", "pathOrInlineDv": "ab" + z85(uuids[0])} | prefixed},
        {"deletionVector": {"storageType": "u", "pathOrInlineDv": z85(uuids[1])} | shared[0]},
        {"deletionVector": {"storageType": "u", "pathOrInlineDv": z85(uuids[1])} | shared[1]},
        {"deletionVector": {"storageType": "p", "pathOrInlineDv": absolute.as_uri()} | full},
    ]
    deleted = [{5, 6}, {0}, {1}, {2, 9}, {3, 4}]
    rows = []
    for file, vector in enumerate(vectors):
        numbers = range(file * 10, file * 10 + 10)
        log.commit(log.file(f"{file}.parquet", pa.table({"n": pa.array(numbers, pa.int64())}), **vector))
        rows += [[n] for n in numbers if n % 10 not in deleted[file]]
    return rows, BOTH


def vectored(root):
    """Several files in odd partitions, columns mapped by name, vectors, and a checkpoint with every second commit."""
    # DuckDB gives NULL for a partition column that is mapped.
    log = Log(root)
    fields = [mapped("id", "long", 1, "c1"), mapped("p", "string", 2, "c2")]
    properties = {
        "delta.columnMapping.mode": "name",
        "delta.columnMapping.maxColumnId": "2",
        "delta.enableDeletionVectors": "true",
        "delta.checkpointInterval": "2",
    }
    log.commit(protocol(["columnMapping", "deletionVectors"]), metadata(fields, ["p"], properties))
    rows = []
    for file, value in enumerate(["a b", None, "100%", "a b"]):
        numbers = range(file * 1000, (file + 1) * 1000)
        table = pa.table({"c1": pa.array(numbers, pa.int64())})
        log.commit(log.file(f"odd {file}%41.parquet", table, {"c2": value}, **(inline([0]) if file == 2 else {})))
        rows += [[n, value] for n in numbers if n != 2000]
    return rows, ["deltalake"]


def full_paths(root):
    """Files named by whole URLs and encoded in every way."""
    log = Log(root)
    log.commit(protocol(), metadata([field("n", "long")]))
    rows = lambda n: pa.table({"n": pa.array([n], pa.int64())})
    for n, name in enumerate(["a b.parquet", "50%.parquet", "ü/雪.parquet"]):
        file = log.file(name, rows(n))
        if n % 2 == 0:
            file["add"]["path"] = (log.root / name).as_uri()
        log.commit(file)
    return [[0], [1], [2]], ["deltalake"]  # delta_scan looks for whole URLs below the table


def tracked(root):
    """Row ids, times in commits, clustering, a change feed: features that ask something of writers alone."""
    log = Log(root)
    writer = ["rowTracking", "domainMetadata", "inCommitTimestamp", "clustering", "appendOnly", "changeDataFeed"]
    properties = {
        "delta.enableRowTracking": "true",
        "delta.rowTracking.materializedRowIdColumnName": "_row_id",
        "delta.rowTracking.materializedRowCommitVersionColumnName": "_row_version",
        "delta.enableInCommitTimestamps": "true",
        "delta.appendOnly": "true",
        "delta.enableChangeDataFeed": "true",
        "delta.dataSkippingNumIndexedCols": "0",
    }
    domain = lambda name, value: {"domainMetadata": {"domain": name, "configuration": json.dumps(value), "removed": False}}
    log.commit(
        protocol(writer=writer),
        metadata([field("n", "long"), field("t", "string")], properties=properties),
        domain("delta.clustering", {"clusteringColumns": [["n"]]}),
        inCommitTimestamp=4_000_000_000_000,
    )
    rows = pa.table({"n": pa.array([1, 2], pa.int64()), "t": pa.array(["a", None])})
    file = log.file("a.parquet", rows, baseRowId=0, defaultRowCommitVersion=1)
    log.commit(file, domain("delta.rowTracking", {"rowIdHighWaterMark": 1}), inCommitTimestamp=4_000_000_000_001)
    return [[1, "a"], [2, None]], BOTH


def checkpointed_often(root):
    """A checkpoint of the second kind is due with every commit, with statistics as columns only."""
    log = Log(root)
    properties = {
        "delta.checkpointPolicy": "v2",
        "delta.checkpointInterval": "1",
        "delta.checkpoint.writeStatsAsJson": "false",
        "delta.checkpoint.writeStatsAsStruct": "true",
    }
    log.commit(protocol(["v2Checkpoint"]), metadata([field("n", "long")], properties=properties))
    log.commit(log.file("a.parquet", pa.table({"n": pa.array([1, 2], pa.int64())})))
    return [[1], [2]], BOTH


def collated(root):
    """Texts with an order of their own, and checkpoints that must not be removed."""
    log = Log(root)
    marks = {"__COLLATIONS": {"t": "spark.UTF8_LCASE"}}
    features = protocol(writer=["collations", "domainMetadata", "checkpointProtection", "invariants"])
    log.commit(features, metadata([field("n", "long"), field("t", "string", **marks)]))
    log.commit(log.file("a.parquet", pa.table({"n": pa.array([1, 2], pa.int64()), "t": pa.array(["A", "a"])})))
    return [[1, "A"], [2, "a"]], BOTH


def evolved(root):
    """Columns added and moved over versions, and a checkpoint in between."""
    log = Log(root)
    n, t, s = field("n", "long"), field("t", "string"), field("s", record(field("a", "long")))
    wide = field("s", record(field("b", "string"), field("a", "long")))
    number = lambda *values: pa.array(values, pa.int64())
    log.commit(protocol(), metadata([n]), log.file("0.parquet", pa.table({"n": number(1)})))
    log.commit(metadata([n, s]), log.file("1.parquet", pa.table({"n": number(2), "s": pa.array([{"a": 5}])})))
    deltalake.DeltaTable(str(root)).create_checkpoint()
    last = pa.table({"s": pa.array([{"a": 6, "b": "y"}]), "t": pa.array(["x"]), "n": number(3)})
    log.commit(metadata([t, n, wide]), log.file("2.parquet", last))
    return [[None, 1, None], [None, 2, {"b": None, "a": 5}], ["x", 3, {"b": "y", "a": 6}]], BOTH


TABLES = {
    make.__name__: make
    for make in [
        by_deltalake,
        by_duckdb,
        mapped_by_name,
        mapped_by_id,
        widened,
        odd_partitions,
        typed_partitions,
        negative_decimal_partitions,
        timestamps,
        uneven,
        with_vectors,
        vectored,
        full_paths,
        tracked,
        checkpointed_often,
        collated,
        evolved,
    ]
}


# Tables whose rows are to be changed.


def files(root, count, rows, **options):
    """`count` files of `rows` rows each, `id` and `t`, by deltalake, which enables no deletion vectors."""
    for first in range(0, count * rows, rows):
        numbers = range(first, first + rows)
        table = pa.table({"id": pa.array(numbers, pa.int64()), "t": pa.array([f"t{n}" for n in numbers])})
        deltalake.write_deltalake(str(root), table, mode="append", **options)


def with_feed(root, partition_by=(), vectors=False, mapping=False):
    """Rows of `id`, `t` and `p` that keep a change data feed: by deltalake, or by hand what it does not make."""
    numbers = range(1000)
    part = lambda n: ["a", None, "b c"][n % 3]
    named = {"id": "id", "t": "t", "p": "p"} | ({"id": "c1", "t": "c2", "p": "c3"} if mapping else {})
    properties = {"delta.enableChangeDataFeed": "true"}
    rows = {
        named["id"]: pa.array(numbers, pa.int64()),
        named["t"]: pa.array([f"t{n}" for n in numbers]),
        named["p"]: pa.array([part(n) for n in numbers], pa.string()),
    }
    if not vectors and not mapping:
        table = pa.table(rows)
        deltalake.write_deltalake(str(root), table, partition_by=list(partition_by) or None, configuration=properties)
        return
    both, fields = [], [field("id", "long"), field("t", "string"), field("p", "string")]
    if vectors:
        both.append("deletionVectors")
        properties["delta.enableDeletionVectors"] = "true"
    if mapping:
        both.append("columnMapping")
        properties |= {"delta.columnMapping.mode": "name", "delta.columnMapping.maxColumnId": "3"}
        fields = [mapped("id", "long", 1, "c1"), mapped("t", "string", 2, "c2"), mapped("p", "string", 3, "c3")]
    log = Log(root)
    log.commit(protocol(both, ["changeDataFeed"]), metadata(fields, partition_by, properties))
    if not partition_by:
        log.commit(log.file("all.parquet", pa.table(rows)))
        return
    del rows[named["p"]]
    for number, value in enumerate(["a", None, "b c"]):
        of_part = pa.table(rows).filter(pa.array([part(n) == value for n in numbers]))
        log.commit(log.file(f"{number}.parquet", of_part, {named["p"]: value}))


def feed(root, version):
    """What a version changed, as deltalake tells it: the type of change, `id`, `t` and `p`."""
    read = deltalake.DeltaTable(str(root)).load_cdf(starting_version=version, ending_version=version)
    rows = pa.table(read.read_all()).to_pylist()
    assert all(row["_commit_version"] == version for row in rows), rows
    return sorted(([row[name] for name in ("_change_type", "id", "t", "p")] for row in rows), key=str)


def change_files(root, version):
    """What a version changed, from the files its log names, by the names that these have; and the files."""
    log = pathlib.Path(root) / "_delta_log" / f"{version:020}.json"
    cdc = [action["cdc"] for action in map(json.loads, log.read_text().splitlines()) if "cdc" in action]
    assert all(not action["dataChange"] for action in cdc), cdc
    paths = [pathlib.Path(root) / urllib.parse.unquote(action["path"]) for action in cdc]
    assert [path.stat().st_size for path in paths] == [action["size"] for action in cdc], cdc
    rows = [row | action["partitionValues"] for path, action in zip(paths, cdc) for row in pq.ParquetFile(path).read().to_pylist()]
    return sorted(rows, key=str), [str(path.relative_to(root)) for path in paths]


def versions(root):
    return sorted(int(log.stem) for log in (pathlib.Path(root) / "_delta_log").glob("*.json"))


def actions(root, version):
    """A version's actions by kind."""
    log = pathlib.Path(root) / "_delta_log" / f"{version:020}.json"
    found = {}
    for line in log.read_text().splitlines():
        for kind, action in json.loads(line).items():
            found.setdefault(kind, []).append(action)
    return found


# Tables that are refused, each with the words of the refusal.


def refused_to_read(root, name):
    """Makes one of a few tables that cannot be read."""
    variants = {
        "variant": (protocol(["variantType"]), [field("v", "variant")]),
        "catalog": (protocol(["catalogManaged"], ["inCommitTimestamp"]), [field("n", "long")]),
        "tomorrow": (protocol(["timeTravelToTheFuture"]), [field("n", "long")]),
        "void": (protocol(), [field("v", "void")]),
        "narrowed": (
            protocol(["typeWidening"]),
            [field("n", "integer", **{"delta.typeChanges": [{"fromType": "long", "toType": "integer"}]})],
        ),
    }
    needs, fields = variants[name]
    Log(root).commit(needs, metadata(fields))


def clone(root):
    """A shallow clone: its file lies in another table."""
    log = Log(root)
    other = log.root.parent / "elsewhere.parquet"
    pq.write_table(pa.table({"n": pa.array([1], pa.int64())}), other)
    log.commit(protocol(), metadata([field("n", "long")]), add(other.as_uri(), other.stat().st_size, 1))


def refused_to_write(root, feature, properties=None):
    """A readable table that lists one feature for writers."""
    Log(root).commit(protocol(writer=[feature]), metadata([field("n", "long")], properties=properties))
