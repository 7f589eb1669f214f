//! What no client of good will sends: answered as the caller's fault, and the next call works.

use airport_tests::client::{Client, OnConflict, Packer, Table};
use arrow_flight::{Action, FlightData, FlightDescriptor, Ticket};

use crate::support::{OFFERED, SALES, assert_callers_fault, create_people, files, ids, lake, people, seen};

#[tokio::test]
async fn malformed_bodies() {
    let (server, client) = lake().await;
    let before = files(&server.lake());
    // A map within a map within ..., deeper than any stack of decoders should follow.
    let bomb = [b"\x81\xa1a".repeat(100_000), vec![0xc0]].concat();
    for action in OFFERED {
        for body in [
            &b""[..],
            b"\xc1",                                      // never used
            b"\xc0",                                      // nil
            b"\x93\x01\x02\x03",                          // an array
            b"\x81\xaccatalog_name",                      // cut off
            b"\x81\xaccatalog_name\xdb\xff\xff\xff\xffx", // 4 GiB are announced
            b"\xdf\xff\xff\xff\xff",                      // 4 billion keys are announced
            b"\x81\xaccatalog_name\x07",                  // a number for a name
            b"\x81\xaccatalog_name\xa2\xff\xfe",          // a name that is not UTF-8
            b"\x81\x01\x02",                              // a number for a key
            &bomb,
        ] {
            let what = format!("{action} {:?}", &body[..body.len().min(20)]);
            assert_callers_fault(client.action(action, body.to_vec()).await, &what);
        }
    }
    assert_eq!(files(&server.lake()), before);
    still_works(&client).await;
}

#[tokio::test]
async fn unknown_actions_and_methods() {
    let (_server, client) = lake().await;
    for action in ["", "no_such_action", "CREATE_TABLE", &"x".repeat(100_000)] {
        assert_callers_fault(client.action(action, "").await, &action[..action.len().min(40)]);
    }
    still_works(&client).await;
}

#[tokio::test]
async fn schemas_that_are_none() {
    let (_server, client) = lake().await;
    let good = client.create_table_body(SALES, "t", b"", &people(), OnConflict::Error);
    assert_callers_fault(client.action("create_table", good).await, "an empty Arrow schema");
    for schema in [&b"\xff\xff\xff\xff"[..], b"\xff\xff\xff\xff\x00\x00\x00\x7f", b"not a schema at all", &[0; 64]] {
        let body = client.create_table_body(SALES, "t", schema, &people(), OnConflict::Error);
        assert_callers_fault(client.action("create_table", body).await, &format!("{schema:?}"));
    }
    still_works(&client).await;
}

#[tokio::test]
async fn descriptors_that_are_none() {
    let (_server, client) = lake().await;
    let table = create_people(&client, "t").await;
    for descriptor in bad_descriptors(&table) {
        let what = format!("{descriptor:?}");
        assert_callers_fault(client.endpoints_raw(&descriptor, b"{}", &[0]).await, &what);
        assert_callers_fault(client.flight_info(&descriptor, "", "").await, &what);
        let first = FlightData::new().with_descriptor(descriptor);
        let mut exchange = client.exchange_with(first, "insert", false).await;
        exchange.send_schema(&people()).await;
        assert_callers_fault(exchange.read_schema().await, &what);
    }
    let mut garbage = Packer::new();
    garbage.map(3).str("descriptor").str([0xff; 40]).str("at_unit").str("").str("at_value").str("");
    assert_callers_fault(client.action("flight_info", garbage.take()).await, "a descriptor that is no protobuf");
    still_works(&client).await;
}

fn bad_descriptors(table: &Table) -> Vec<FlightDescriptor> {
    let path = |parts: &[&str]| FlightDescriptor::new_path(parts.iter().map(|part| (*part).to_owned()).collect());
    let mut descriptors = vec![
        FlightDescriptor::default(),
        FlightDescriptor::new_cmd(&b""[..]),
        FlightDescriptor::new_cmd(&b"\xff\xfe\xfd"[..]),
        path(&[]),
        path(&[""]),
        path(&["..", "..", "etc", "passwd"]),
        path(&["lake", "..", "x"]),
        path(&["lake", SALES, "nothing"]),
    ];
    // The real one with each of its parts spoilt.
    for part in 0..table.descriptor.path.len() {
        let mut spoilt = table.descriptor.clone();
        spoilt.path[part].push_str("~%ff/../");
        descriptors.push(spoilt);
        let mut cut = table.descriptor.clone();
        cut.path.truncate(part);
        descriptors.push(cut);
    }
    let cmd = &table.descriptor.cmd;
    descriptors.extend((0..cmd.len()).map(|len| FlightDescriptor::new_cmd(cmd.slice(..len))));
    descriptors
}

#[tokio::test]
async fn tickets_that_are_none() {
    let (_server, client) = lake().await;
    let table = create_people(&client, "t").await;
    client.insert(&table, &[ids(0..10)]).await.unwrap();
    let endpoint = client.endpoints(&table, &["id"], "[]").await.unwrap().remove(0);
    let good = endpoint.ticket.unwrap().ticket;

    let read = async |ticket: Vec<u8>| {
        let mut stream = client.get_ticket(&table.descriptor, Ticket::new(ticket)).await?;
        let mut rows = 0;
        while let Some(batch) = stream.next().await? {
            rows += batch.num_rows();
        }
        airport_tests::client::Result::Ok(rows)
    };
    for ticket in [b"".to_vec(), vec![0xff; 100], vec![0; 100], b"ticket".to_vec(), vec![0x81; 10_000]] {
        assert_callers_fault(read(ticket.clone()).await, &format!("{:?}", &ticket[..ticket.len().min(20)]));
    }
    for len in 0..good.len() {
        assert_callers_fault(read(good[..len].to_vec()).await, &format!("cut off after {len} bytes"));
    }
    // A flipped bit may still make a ticket; then it reads what that ticket says, of this table's ten rows.
    for at in 0..good.len() {
        for bit in [0x01, 0x80] {
            let mut spoilt = good.to_vec();
            spoilt[at] ^= bit;
            match read(spoilt).await {
                Ok(rows) => assert!(rows <= 10, "byte {at}: {rows} rows"),
                Err(error) => assert_callers_fault::<()>(Err(error), &format!("byte {at}")),
            }
        }
    }
    assert_eq!(read(good.to_vec()).await.unwrap(), 10);
    still_works(&client).await;
}

#[tokio::test]
async fn endpoints_with_bad_parameters() {
    let (_server, client) = lake().await;
    let table = create_people(&client, "t").await;
    for ids in [&[2_000_000][..], &[0, 17], &[u64::MAX - 1], &[0; 60_000]] {
        if let Err(error) = client.endpoints_raw(&table.descriptor, b"", ids).await {
            assert_callers_fault::<()>(Err(error), &format!("{} columns", ids.len()));
        }
    }
    let deep = [b"[".repeat(100_000), b"]".repeat(100_000)].concat();
    for filters in [&b"{"[..], b"[]", b"null", b"{\"filters\":7}", b"\xff\xfe", b"{\"filters\":[[[[]]]]}", &deep] {
        // Filters are advice: what is not understood is ignored or refused, but never breaks anything.
        if let Err(error) = client.endpoints_raw(&table.descriptor, filters, &[0]).await {
            assert_callers_fault::<()>(Err(error), &format!("{:?}", &filters[..filters.len().min(20)]));
        }
    }
    still_works(&client).await;
}

#[tokio::test]
async fn exchanges_that_are_none() {
    let (_server, client) = lake().await;
    let table = create_people(&client, "t").await;
    let descriptor = || FlightData::new().with_descriptor(table.descriptor.clone());
    let junk = |header: &[u8]| FlightData::new().with_data_header(header.to_vec());
    let conversations: [(&str, Vec<FlightData>); 6] = [
        ("no descriptor", vec![FlightData::new()]),
        ("garbage first", vec![junk(b"garbage")]),
        ("a garbage schema", vec![descriptor(), junk(b"garbage")]),
        ("an empty schema header", vec![descriptor(), junk(&[0; 16])]),
        ("a batch for a schema", vec![descriptor(), junk(&batch_header())]),
        ("only the descriptor", vec![descriptor()]),
    ];
    for (what, messages) in conversations {
        let mut messages = messages.into_iter();
        let mut exchange = client.exchange_with(messages.next().unwrap(), "insert", false).await;
        for message in messages {
            exchange.send_message(message).await;
        }
        exchange.half_close();
        assert_callers_fault(exchange.read_schema().await, what);
    }
    still_works(&client).await;
}

/// Batches that lie about themselves, in an exchange that is in order so far.
#[tokio::test]
async fn batches_that_are_none() {
    let (_server, client) = lake().await;
    let table = create_people(&client, "t").await;
    let good = FlightData::new().with_data_header(batch_header());
    let spoil = |at: usize| {
        let mut header = batch_header();
        header[at] ^= 0xff;
        FlightData::new().with_data_header(header).with_data_body(vec![0; 1024])
    };
    // Without the body the header announces; and with each byte of the header spoilt.
    for message in std::iter::once(good).chain((0..batch_header().len()).map(spoil)) {
        let mut exchange = client.exchange(&table, "insert", false).await;
        exchange.send_schema(&table.insert_schema()).await;
        exchange.read_schema().await.unwrap();
        exchange.send_message(message.clone()).await;
        exchange.half_close();
        if let Err(error) = exchange.read_changed().await {
            assert_callers_fault::<()>(Err(error), &format!("{:?}", message.data_header));
        }
    }
    still_works(&client).await;
}

/// The header of a batch of three rows of [`people`].
fn batch_header() -> Vec<u8> {
    let messages = arrow_flight::utils::batches_to_flight_data(&people(), vec![ids(0..3)]).unwrap();
    messages[1].data_header.to_vec()
}

/// The connection and the server go on.
async fn still_works(client: &Client) {
    let name = "still_works";
    let table = create_people(client, name).await;
    client.insert(&table, &[ids(0..2)]).await.unwrap();
    assert_eq!(seen(client, &table).await, [0, 1]);
    let action = Action::new("catalog_version", Packer::new().map(1).str("catalog_name").str("lake").take());
    assert_eq!(client.action_message(action).await.unwrap().len(), 1);
}
