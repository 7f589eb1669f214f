//! A table of the types that travel in more than one form, as a real client makes and fills it.

use std::collections::BTreeSet;

use arrow::{array::AsArray, datatypes::Int32Type};

use super::*;
use crate::{
    engine::Extension,
    protocol::{action::ActionRequest, ipc::decode_batch},
};

/// Two rows, one of them of NULLs, with `arrow_lossless_conversion`.
const LOSSLESS: &str = "006-DoExchange-insert";
/// The same without, and the TIMETZ NULL.
const LOSSY: &str = "009-DoExchange-insert";
/// The same in views and with 64-bit offsets.
const VIEWS: &str = "015-DoExchange-insert";

fn message(name: &str) -> FlightData {
    FlightData::decode(golden::types_file(name).as_slice()).unwrap()
}

fn sent(call: &str) -> RecordBatch {
    let [schema, rows] = ["01", "03"].map(|step| message(&format!("{call}.{step}.client.pb")));
    let schema = Arc::new(decode_schema_message("exchange", &schema.data_header).unwrap());
    decode_batch("exchange", &rows.data_header, rows.data_body, &schema).unwrap()
}

fn table() -> Arc<Schema> {
    Arc::new(canonical_schema(&sent(LOSSLESS).schema()).unwrap())
}

#[test]
fn the_table_is_made_with_the_types_its_rows_are_sent_in() {
    let action = golden::action_of(&golden::types_file("003-DoAction-create_table.00.client.pb"));
    let ActionRequest::CreateTable(made) = ActionRequest::decode(&action.r#type, &action.body).unwrap() else {
        panic!("another action");
    };
    assert_eq!(canonical_schema(&made.columns).unwrap(), *table());
    assert_eq!(enum_column(&made.columns), Some("mood"));
    assert_eq!(enum_column(&table()), None);
    let extensions: Vec<_> = table().fields().iter().map(|field| Extension::of(field)).collect();
    let known: Vec<_> = extensions.iter().flatten().collect();
    use Extension::*;
    assert_eq!(known, [&HugeInt, &UHugeInt, &Uuid, &TimeTz, &Bit, &BigNum, &Json]);
}

#[test]
fn rows_are_the_same_in_every_form() {
    let expected = conform(&sent(LOSSLESS), &table()).unwrap();
    let (huge, uhuge) = (expected.column(0).as_fixed_size_binary(), expected.column(1).as_fixed_size_binary());
    assert_eq!(huge.value(0), i128::MAX.to_le_bytes());
    assert_eq!(uhuge.value(0), u128::MAX.to_le_bytes());
    let id = 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff_u128.to_be_bytes();
    assert_eq!(expected.column(2).as_fixed_size_binary().value(0), id);
    assert_eq!(expected.column(4).as_binary::<i32>().value(0), [7, 0b1111_1110, 0b1011_0101]);
    assert_eq!(expected.column(8).as_fixed_size_list().value(0).as_primitive::<Int32Type>().value(0), 1);
    assert_eq!(expected.column(9).as_fixed_size_list().value(0).as_fixed_size_binary().value(0), id);
    let within = expected.column(13).as_struct();
    assert_eq!(within.column(0).as_fixed_size_binary().value(0), i128::MIN.to_le_bytes());
    assert_eq!(expected.column(14).as_string::<i32>().value(0), "ok");
    assert!(expected.columns().iter().all(|column| column.is_null(1)));
    for call in [LOSSY, VIEWS] {
        let rows = conform(&sent(call), &table()).unwrap();
        for ((column, expected), field) in rows.columns().iter().zip(expected.columns()).zip(table().fields()) {
            match field.name().as_str() {
                "zoned" => assert_eq!(column.null_count(), 2, "{call}"),
                name => assert_eq!(column, expected, "{call}: {name}"),
            }
        }
    }
}

#[test]
fn the_forms_do_differ() {
    let forms = |call: &str| -> BTreeSet<String> {
        let schema = sent(call).schema();
        schema.fields().iter().map(|field| field.data_type().to_string()).collect()
    };
    assert!(forms(LOSSLESS).contains("FixedSizeBinary(16)"));
    assert!(forms(LOSSY).contains("Decimal128(38, 0)") && forms(LOSSY).contains("Time64(µs)"));
    assert!(forms(VIEWS).contains("Utf8View") && forms(VIEWS).contains("BinaryView"), "{:?}", forms(VIEWS));
}

#[test]
fn a_time_zone_that_was_not_sent_is_refused() {
    let schema = sent(LOSSY).schema();
    let rows = message("012-DoExchange-insert.03.client.pb");
    let rows = decode_batch("exchange", &rows.data_header, rows.data_body, &schema).unwrap();
    let error = conform(&rows, &table()).unwrap_err().to_string();
    assert!(error.starts_with(r#"column "zoned":"#), "{error}");
    assert!(error.ends_with("SET arrow_lossless_conversion = true"), "{error}");
}

#[test]
fn damaged_rows_conform_or_are_refused_without_panic() {
    let mut noise = golden::Noise::new(8);
    for call in [LOSSLESS, LOSSY, VIEWS] {
        let (schema, rows) = (sent(call).schema(), message(&format!("{call}.03.client.pb")));
        let conform = Conform::new(Arc::clone(&schema), table()).unwrap();
        for _ in 0..2_000 {
            let (header, body) = (noise.mutate(&rows.data_header), noise.mutate(&rows.data_body));
            for header in [header.as_slice(), &rows.data_header] {
                if let Ok(damaged) = decode_batch("exchange", header, body.clone().into(), &schema) {
                    let _ = conform.apply(&damaged);
                }
            }
        }
    }
}
