//! The same statement by `deltalake`, in a process of its own.

use std::{fs::File, path::Path, process::Command, time::Duration};

use arrow::array::RecordBatch;
use parquet::arrow::ArrowWriter;

use super::{statements::Statement, tables::Shape};

/// As its users do it; timed inside, so that neither the interpreter's start nor the reading of the source counts. How
/// long it took, and how many bytes the process has grown.
pub(crate) fn merge(table: &Path, shape: Shape, statement: Statement, source: &[RecordBatch]) -> (Duration, u64) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("source.parquet");
    write(&file, source);
    let on: Vec<_> = shape.keys().iter().map(|key| format!("t.{key} = s.{key}")).collect();
    let code = format!(
        "import time, deltalake, pyarrow.parquet as pq\n\
         def status(key):\n\
         \x20   lines = open('/proc/self/status').read().splitlines()\n\
         \x20   return next(int(line.split()[1]) << 10 for line in lines if line.startswith(key))\n\
         open('/proc/self/clear_refs', 'w').write('5')\n\
         before = status('VmRSS')\n\
         source = pq.read_table({file:?})\n\
         begin = time.monotonic()\n\
         table = deltalake.DeltaTable({table:?})\n\
         merge = table.merge(source, predicate={:?}, source_alias='s', target_alias='t')\n\
         merge.{}.execute()\n\
         print(time.monotonic() - begin, status('VmHWM') - before)\n",
        on.join(" AND "),
        statement.python(shape)
    );
    let python = std::env::var("DELTAPORT_TEST_PYTHON").expect("it was looked for");
    let output = Command::new(python).args(["-c", &code]).output().expect("an interpreter");
    let told = String::from_utf8_lossy(&output.stdout);
    let mut told = told.split_whitespace().map(|number| number.parse::<f64>().expect("a number"));
    match (told.next(), told.next()) {
        (Some(seconds), Some(bytes)) => (Duration::from_secs_f64(seconds), bytes as u64),
        _ => panic!("{code}\n{}", String::from_utf8_lossy(&output.stderr)),
    }
}

fn write(file: &Path, source: &[RecordBatch]) {
    let file = File::create(file).expect("a new file");
    let mut writer = ArrowWriter::try_new(file, source[0].schema(), None).expect("a Parquet file");
    for batch in source {
        writer.write(batch).expect("a Parquet file");
    }
    writer.close().expect("a Parquet file");
}
