use arrow::datatypes::Schema;

use super::*;
use crate::{
    engine::{ColumnPath, CompareOp, Scalar},
    protocol::golden,
};

fn column() -> ColumnPath {
    vec!["addr".to_owned(), "größe".to_owned()]
}

fn compare(value: Scalar) -> Predicate {
    Predicate::Compare { column: column(), op: CompareOp::LessOrEqual, value }
}

/// One of each.
fn predicate() -> Predicate {
    let values = [
        Scalar::Boolean(true),
        Scalar::Integer(i128::MIN),
        Scalar::Integer(-1),
        Scalar::Integer(i64::MAX.into()),
        Scalar::Decimal { unscaled: i128::MAX, scale: 38 },
        Scalar::Float(f64::NEG_INFINITY),
        Scalar::Float(0.1),
        Scalar::Text("it's 🦀".to_owned()),
        Scalar::Binary(vec![0xff, 0x00]),
        Scalar::Date(i32::MIN),
        Scalar::Timestamp(i64::MAX),
    ];
    let leaves = vec![
        Predicate::Unknown,
        Predicate::In { column: column(), values: values.to_vec(), negated: true },
        Predicate::IsNull { column: column(), negated: false },
        Predicate::StartsWith { column: column(), prefix: "p".to_owned(), negated: true },
        Predicate::Or(vec![]),
    ];
    let compared = Predicate::And(values.map(compare).into());
    Predicate::Or(vec![compared, Predicate::And(leaves), Predicate::And(vec![])])
}

fn ticket(predicate: Predicate) -> ScanTicket {
    let unit = |file| ReadUnit { file, slice: 1, slices: 3 };
    ScanTicket {
        table: TableReference::new("lake", "sales", "größe / 100%", &Schema::empty()),
        version: u64::MAX,
        table_id: "0b9a-größe".to_owned(),
        request: ScanRequest { projection: vec![0, 2, 300], row_id: true, predicate },
        part: ReadPart { units: vec![unit(0), unit(u32::MAX)] },
        row_ids_unread: true,
    }
}

#[test]
fn comes_back_as_it_was() {
    let sent = ticket(predicate());
    let read = ScanTicket::decode(&sent.encode()).unwrap();
    assert_eq!(read.table, sent.table);
    assert_eq!((read.version, read.table_id), (sent.version, sent.table_id));
    assert_eq!(read.request.projection, sent.request.projection);
    assert_eq!((read.request.row_id, read.row_ids_unread), (true, true));
    assert_eq!(read.request.predicate, sent.request.predicate);
    assert_eq!(read.part, sent.part);
}

#[test]
fn nan_comes_back() {
    let read = ScanTicket::decode(&ticket(compare(Scalar::Float(f64::NAN))).encode()).unwrap();
    let Predicate::Compare { value: Scalar::Float(value), .. } = read.request.predicate else { panic!("another") };
    assert!(value.is_nan());
}

#[test]
fn is_small() {
    let mut plain = ticket(Predicate::Unknown);
    plain.part.units = (0..1000).map(|file| ReadUnit { file, slice: 0, slices: 1 }).collect();
    assert!(plain.encode().len() < 7_000, "{}", plain.encode().len());
}

#[test]
fn the_deepest_predicate_of_the_filters_fits() {
    let deep = (0..41).fold(compare(Scalar::Integer(1)), |inner, level| match level % 2 {
        0 => Predicate::And(vec![inner, predicate()]),
        _ => Predicate::Or(vec![inner, predicate()]),
    });
    let read = ScanTicket::decode(&ticket(deep.clone()).encode()).unwrap();
    assert_eq!(read.request.predicate, deep);
}

#[test]
fn a_long_predicate_is_left_out() {
    let values = (0..10_000).map(Scalar::Integer).collect();
    let sent = ticket(Predicate::In { column: column(), values, negated: false });
    let bytes = sent.encode();
    assert!(bytes.len() < 1_000);
    assert_eq!(ScanTicket::decode(&bytes).unwrap().request.predicate, Predicate::Unknown);
}

#[test]
fn refuses_what_it_never_gave_out() {
    let refused = |change: &dyn Fn(&mut ScanTicket)| {
        let mut ticket = ticket(Predicate::Unknown);
        change(&mut ticket);
        ScanTicket::decode(&ticket.encode()).unwrap_err().to_string()
    };
    let slices = refused(&|ticket| ticket.part.units[0].slices = 0);
    assert_eq!(slices, "malformed ticket: slice 1 is not below 0");
    for projection in [vec![1, 1], vec![2, 1]] {
        let error = refused(&|ticket| ticket.request.projection = projection.clone());
        assert_eq!(error, "malformed ticket: its columns are not in ascending order");
    }
    for (predicate, reason) in [
        (Predicate::In { column: column(), values: vec![], negated: true }, "a list is empty"),
        (Predicate::IsNull { column: vec![], negated: true }, "a column has no name"),
        (Predicate::StartsWith { column: column(), prefix: String::new(), negated: false }, "a prefix is empty"),
        ((0..100).fold(Predicate::Unknown, |inner, _| Predicate::And(vec![inner])), "depth"),
    ] {
        let error = refused(&|ticket| ticket.request.predicate = predicate.clone());
        assert!(error.starts_with("malformed ticket predicate: ") && error.contains(reason), "{error}");
    }
    let mut layout = ticket(Predicate::Unknown).encode();
    layout[1] = LAYOUT + 1;
    let error = ScanTicket::decode(&layout).unwrap_err().to_string();
    assert_eq!(error, "malformed ticket: its layout is 3 instead of 2");
    let error = ScanTicket::decode(&vec![0; TICKET_BYTES_MAX + 1]).unwrap_err().to_string();
    assert_eq!(error, "malformed ticket: it is longer than 4194304 bytes");
    assert!(ScanTicket::decode(b"").is_err());
}

#[test]
fn noise_and_damage_never_panic() {
    let mut noise = golden::Noise::new(6);
    let honest = ticket(predicate()).encode();
    for _ in 0..5_000 {
        let _ = ScanTicket::decode(&noise.bytes());
        let _ = ScanTicket::decode(&noise.mutate(&honest));
        let _ = predicate::decode(&noise.mutate(&predicate::encode(&predicate())));
    }
}
