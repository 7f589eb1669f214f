//! kill -9 while statements run: what was acknowledged is there whole, what was not is there whole or not at all, and
//! nothing else is.
//!
//! `DELTAPORT_SEED=N` repeats what a seed chose (not the moments the kills met); `DELTAPORT_KILLS=N`, or
//! `DELTAPORT_LONG=1` for hundreds, says how often the server is killed.

mod contents;
mod remains;
mod writer;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use airport_tests::{
    client::{OnConflict, Table},
    readers,
    server::{CATALOG, Server, Setup},
};
use arrow::datatypes::{DataType, Field, Schema};

use self::{
    contents::Contents,
    remains::assert_no_remains,
    writer::{Dice, Writer},
};
use crate::support::{SALES, eventually, listed};

const WRITERS: i64 = 4;
/// A server lives for fewer acknowledged statements than these, and after them for fewer milliseconds.
const STATEMENTS_MAX: u64 = 12;
const LAST_MS_MAX: u64 = 120;

/// One of this server's own, with deletion vectors; and two without them that others made, one of them partitioned and
/// with a checkpoint every few versions.
const TABLES: [&str; 3] = ["own", "bare", "parted"];

const OTHERS: &str = "
schema = pa.schema([pa.field(name, pa.int64()) for name in ('statement', 'number', 'mark', 'part')] + [pa.field('text', pa.string())])
deltalake.DeltaTable.create(lake / 'sales' / 'bare', schema)
often = {'delta.checkpointInterval': '5'}
deltalake.DeltaTable.create(lake / 'sales' / 'parted', schema, partition_by=['part'], configuration=often)
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_server_leaves_whole_statements_and_nothing_else() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seed = number("DELTAPORT_SEED").unwrap_or(now.as_nanos() as u64);
    let long = number("DELTAPORT_LONG") == Some(1);
    let kills = number("DELTAPORT_KILLS").unwrap_or(if long { 300 } else { 10 });
    println!("DELTAPORT_SEED={seed} DELTAPORT_KILLS={kills}");
    let mut dice = Dice::new(seed);
    let mut server = Setup::new().serve_lake().tcp().start();
    make_tables(&server).await;
    let mut writers: Vec<_> = (0..WRITERS).map(|number| Writer::new(number, dice.below(u64::MAX))).collect();
    let (mut landed, mut lost) = (0, 0);
    for kill in 1..=kills {
        let life = (dice.below(STATEMENTS_MAX), Duration::from_millis(dice.below(LAST_MS_MAX)));
        let setup = killed_under_load(server, &mut writers, life).await;
        server = setup.again().serve_lake().tcp().start();
        // The first look at each table, behind which it is cleaned up.
        server.client().await.list_schemas().await.unwrap();
        for (index, table) in TABLES.into_iter().enumerate() {
            let path = server.table(SALES, table);
            let mut found = Contents::read(&path);
            for writer in &mut writers {
                let mine = found.take_out(|statement| statement % WRITERS == writer.number);
                match writer.settle(index, mine) {
                    Ok(None) => {}
                    Ok(Some(true)) => landed += 1,
                    Ok(Some(false)) => lost += 1,
                    Err(difference) => panic!("seed {seed}, kill {kill}, table {table}: {difference}"),
                }
            }
            assert!(found.is_empty(), "seed {seed}, kill {kill}, table {table}: nobody's rows: {found:?}");
            assert_no_remains(&path).await;
        }
    }
    let told: Vec<_> = writers.iter().map(|writer| writer.acknowledged).collect();
    println!("acknowledged {told:?}; under way when killed: {landed} landed, {lost} did not");
    let each = (0..3).map(|kind| told.iter().map(|writer| writer[kind]).sum::<u64>());
    assert!(each.into_iter().all(|acknowledged| acknowledged > 0), "of some kind nothing was ever acknowledged");
}

/// What the writers of one server's life share.
#[derive(Debug, Default)]
struct Load {
    acknowledged: AtomicU64,
    killed: AtomicBool,
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

/// Which statement made a row, its number in it, which statement changed it last (0 for none), and a partition that
/// follows from that one.
fn columns() -> Schema {
    let integers = ["statement", "number", "mark", "part"].map(|name| Field::new(name, DataType::Int64, true));
    Schema::new([&integers[..], &[Field::new("text", DataType::Utf8, true)]].concat())
}

async fn make_tables(server: &Server) {
    let client = server.client().await;
    client.create_schema(SALES).await.unwrap();
    client.create_table(SALES, TABLES[0], &columns(), OnConflict::Error).await.unwrap();
    client.create_transaction().await.unwrap();
    readers::python(&server.lake(), OTHERS);
}

/// Lets all write until so many statements were acknowledged, and for a time after that, and kills the server.
async fn killed_under_load(server: Server, writers: &mut Vec<Writer>, life: (u64, Duration)) -> Setup {
    let client = server.client().await;
    let mut tables: Vec<Table> = Vec::new();
    for table in TABLES {
        tables.push(listed(&client, SALES, table).await);
    }
    let (tables, load) = (Arc::new(tables), Arc::new(Load::default()));
    let running: Vec<_> = std::mem::take(writers)
        .into_iter()
        .map(|mut writer| {
            let (tables, load, location) = (tables.clone(), load.clone(), server.tcp().to_owned());
            tokio::spawn(async move {
                writer.write_until_killed(&location, CATALOG, &tables, &load).await;
                writer
            })
        })
        .collect();
    eventually("statements are acknowledged", async || load.acknowledged.load(Ordering::SeqCst) >= life.0).await;
    // The moment of the kill is what this is about: no event may choose it.
    tokio::time::sleep(life.1).await;
    load.killed.store(true, Ordering::SeqCst);
    let setup = tokio::task::block_in_place(|| server.crash());
    for writer in running {
        writers.push(writer.await.unwrap());
    }
    setup
}
