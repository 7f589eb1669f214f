//! No bound in the log excludes a row of its file.

use arrow::{
    array::{Array, ListArray, StructArray},
    buffer::NullBuffer,
    datatypes::{Fields, Int32Type},
};
use serde_json::{Value, json};

use super::*;

async fn stats_of(columns: Vec<(Field, ArrayRef)>) -> Value {
    stats_with(columns, StatsColumns::default()).await
}

async fn stats_with(columns: Vec<(Field, ArrayRef)>, stats_columns: StatsColumns) -> Value {
    serde_json::from_str(&stats_text(columns, stats_columns).await).unwrap()
}

async fn stats_text(columns: Vec<(Field, ArrayRef)>, stats_columns: StatsColumns) -> String {
    let (fields, columns): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    let mut table = Fixture::new(fields, &[]);
    table.stats_columns = stats_columns;
    // Several row groups, so that bounds are merged.
    table.limits.chunk_rows = 1;
    table.limits.row_group_rows = 2;
    let batch = table.batch(columns);
    let rows = (0..batch.num_rows()).map(|row| batch.slice(row, 1)).collect();
    let adds = table.append(rows).await;
    assert_eq!(adds.len(), 1);
    adds[0].stats.clone().unwrap()
}

/// A number of the statistics; serde_json's own may be off by the last bit.
fn exact(text: &str, end: &str, column: &str) -> Option<f64> {
    let (_, values) = text.split_once(&format!("\"{end}\":{{")).unwrap();
    let (values, _) = values.split_once('}').unwrap();
    let (_, value) = values.split_once(&format!("\"{column}\":"))?;
    Some(value.split(',').next().unwrap().parse().unwrap())
}

#[tokio::test]
async fn every_type_has_the_statistics_the_protocol_knows() {
    let stats = stats_of(primitives()).await;
    let text = stats.to_string();
    assert_eq!(stats["numRecords"], 3);
    assert_eq!(stats["tightBounds"], true);
    let (minimum, maximum) = (&stats["minValues"], &stats["maxValues"]);
    for name in ["bool", "bytes"] {
        assert_eq!(minimum.get(name), None, "{text}");
        assert_eq!(maximum.get(name), None, "{text}");
    }
    let want = json!({"i8": -128, "i16": -32768, "i32": i32::MIN, "i64": i64::MIN, "f32": -1.5, "f64": 0.1,
        "text": "a/b=c%20\"'", "date": "0001-01-01",
        "utc": "1969-12-31T23:59:59.999Z", "ntz": "1969-12-31T23:59:59.999"});
    for (name, value) in want.as_object().unwrap() {
        assert_eq!(&minimum[name], value, "{name}");
    }
    let want = json!({"i8": 127, "i64": i64::MAX, "f64": 1e300, "text": "naïve 😀", "date": "2022-01-08",
        "utc": "2023-11-14T22:13:20.124Z", "ntz": "2023-11-14T22:13:20.124"});
    for (name, value) in want.as_object().unwrap() {
        assert_eq!(&maximum[name], value, "{name}");
    }
    assert!(stats["nullCount"].as_object().unwrap().values().all(|count| count == 1), "{text}");
    assert_eq!(stats["nullCount"].as_object().unwrap().len(), primitives().len());
}

#[tokio::test]
async fn decimals_keep_all_their_digits() {
    let columns = primitives().into_iter().filter(|(field, _)| field.name().starts_with('d')).collect::<Vec<_>>();
    let (fields, columns): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
    let table = Fixture::new(fields, &[]);
    let adds = table.append(vec![table.batch(columns)]).await;
    let text = adds[0].stats.as_ref().unwrap();
    for digits in [
        r#""d1":-9,"#,
        r#""d9":-123.45,"#,
        r#""d9":9999999.99,"#,
        r#""d18":-0.000000000000000005,"#,
        r#""d18":0.999999999999999999,"#,
        r#""d38":-9999999999999999999999999999.9999999999"#,
        r#""d38":0.0000000005"#,
    ] {
        assert!(text.contains(digits), "{digits} is not in {text}");
    }
}

#[tokio::test]
async fn random_values_lie_within_their_bounds() {
    let mut random = Random(7);
    for _ in 0..20 {
        let rows = 1 + random.below(40) as usize;
        let integers: Vec<_> = (0..rows).map(|_| (random.below(5) > 0).then(|| random.next() as i64)).collect();
        let floats: Vec<_> = (0..rows).map(|_| (random.below(5) > 0).then(|| f64::from_bits(random.next()))).collect();
        let floats: Vec<_> = floats.into_iter().map(|float| float.filter(|float| !float.is_nan())).collect();
        let micros: Vec<_> = (0..rows).map(|_| (random.below(5) > 0).then(|| random_micros(&mut random))).collect();
        let texts: Vec<_> = (0..rows).map(|_| (random.below(5) > 0).then(|| random_text(&mut random))).collect();
        let columns: Vec<(Field, ArrayRef)> = vec![
            (field("i", DataType::Int64), Arc::new(Int64Array::from(integers.clone()))),
            (field("f", DataType::Float64), Arc::new(Float64Array::from(floats.clone()))),
            (field("t", ntz()), Arc::new(TimestampMicrosecondArray::from(micros.clone()))),
            (field("s", DataType::Utf8), Arc::new(StringArray::from(texts.clone()))),
        ];
        let text = stats_text(columns, StatsColumns::default()).await;
        let stats: Value = serde_json::from_str(&text).unwrap();
        let (minimum, maximum) = (&stats["minValues"], &stats["maxValues"]);
        for integer in integers.iter().flatten() {
            assert!(minimum["i"].as_i64().unwrap() <= *integer && *integer <= maximum["i"].as_i64().unwrap());
        }
        for float in floats.iter().flatten() {
            assert!(exact(&text, "minValues", "f").is_none_or(|bound| bound <= *float));
            assert!(exact(&text, "maxValues", "f").is_none_or(|bound| *float <= bound));
        }
        for text in texts.iter().flatten() {
            assert!(minimum.get("s").is_none_or(|bound| bound.as_str().unwrap() <= text.as_str()), "{stats} {text:?}");
            assert!(maximum.get("s").is_none_or(|bound| text.as_str() <= bound.as_str().unwrap()), "{stats} {text:?}");
        }
        for micros in micros.iter().flatten() {
            // The text sorts as the times do.
            let time = arrow::temporal_conversions::timestamp_us_to_datetime(*micros).unwrap();
            let time = time.format("%Y-%m-%dT%H:%M:%S%.6f").to_string();
            assert!(minimum["t"].as_str().unwrap() <= time.as_str(), "{stats} {time}");
            assert!(time <= format!("{}000", maximum["t"].as_str().unwrap()), "{stats} {time}");
        }
        let nulls = integers.iter().filter(|value| value.is_none()).count();
        assert_eq!(stats["nullCount"]["i"], nulls);
    }
}

/// In the years 1 to 9999.
fn random_micros(random: &mut Random) -> i64 {
    random.below(315_537_897_600_000_000) as i64 - 62_135_596_800_000_000
}

/// Few distinct characters, so that strings share long beginnings; the last one there is among them.
fn random_text(random: &mut Random) -> String {
    let alphabet = ['a', '\u{7E}', '\u{7F}', 'é', '😀', '\u{10FFFE}', '\u{10FFFF}'];
    let length = random.below(80);
    let letters = 1 + random.below(alphabet.len() as u64);
    (0..length).map(|_| alphabet[random.below(letters) as usize]).collect()
}

#[tokio::test]
async fn nan_leaves_no_bounds() {
    let nested = |values: Vec<f64>| {
        let fields = Fields::from(vec![field("a", DataType::Float64), field("b", DataType::Float64)]);
        let plain: ArrayRef = Arc::new(Float64Array::from(vec![1.0; values.len()]));
        let column = StructArray::new(fields.clone(), vec![plain, Arc::new(Float64Array::from(values))], None);
        (field("s", DataType::Struct(fields)), Arc::new(column) as ArrayRef)
    };
    let stats = stats_of(vec![
        (field("f", DataType::Float32), Arc::new(Float32Array::from(vec![1.0, f32::NAN, 3.0]))),
        (field("g", DataType::Float64), Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0]))),
        nested(vec![1.0, -f64::NAN, 2.0]),
    ])
    .await;
    assert_eq!(stats["minValues"], json!({"g": 1.0, "s": {"a": 1.0}}));
    assert_eq!(stats["maxValues"], json!({"g": 3.0, "s": {"a": 1.0}}));
    assert_eq!(stats["nullCount"], json!({"f": 0, "g": 0, "s": {"a": 0, "b": 0}}));
}

#[tokio::test]
async fn zeros_of_either_sign_and_infinities_are_within() {
    let stats = stats_of(vec![
        (field("p", DataType::Float64), Arc::new(Float64Array::from(vec![0.0, 0.0]))),
        (field("n", DataType::Float64), Arc::new(Float64Array::from(vec![-0.0, -0.0]))),
        (field("i", DataType::Float64), Arc::new(Float64Array::from(vec![f64::INFINITY, 1.0]))),
    ])
    .await;
    for name in ["p", "n"] {
        assert!(stats["minValues"][name].as_f64().unwrap().is_sign_negative(), "{stats}");
        assert!(stats["maxValues"][name].as_f64().unwrap().is_sign_positive(), "{stats}");
    }
    assert_eq!(stats["minValues"]["i"], 1.0);
    assert_eq!(stats["maxValues"].get("i"), None);
}

#[tokio::test]
async fn nested_fields_are_counted_and_named_one_by_one() {
    let fields = Fields::from(vec![
        field("x", DataType::Int32),
        field("l", DataType::List(Arc::new(field("item", DataType::Int32)))),
        field("y", DataType::Utf8),
    ]);
    let list = || -> ArrayRef {
        Arc::new(ListArray::from_iter_primitive::<Int32Type, _, _>([Some([Some(1)]), None, Some([None])]))
    };
    let column = StructArray::new(
        fields.clone(),
        vec![
            Arc::new(Int32Array::from(vec![Some(1), Some(2), None])),
            list(),
            Arc::new(StringArray::from(vec!["a", "b", "c"])),
        ],
        Some(NullBuffer::from(vec![true, false, true])),
    );
    let columns = || {
        vec![
            (field("s", DataType::Struct(fields.clone())), Arc::new(column.clone()) as ArrayRef),
            (field("l", list().data_type().clone()), list()),
            (field("z", DataType::Int32), Arc::new(Int32Array::from(vec![1, 2, 3])) as ArrayRef),
        ]
    };
    let stats = stats_of(columns()).await;
    assert_eq!(stats["minValues"], json!({"s": {"x": 1, "y": "a"}, "z": 1}));
    assert_eq!(stats["maxValues"], json!({"s": {"x": 1, "y": "c"}, "z": 3}));
    assert_eq!(stats["nullCount"], json!({"s": {"x": 2, "y": 1}, "l": 1, "z": 0}), "below a null struct all is null");

    let first = |max| StatsColumns { indexed_columns_max: Some(max), named: None };
    assert_eq!(stats_with(columns(), first(0)).await["nullCount"], json!({}));
    assert_eq!(stats_with(columns(), first(1)).await["nullCount"], json!({"s": {"x": 2}}));
    assert_eq!(stats_with(columns(), first(4)).await["nullCount"], json!({"s": {"x": 2, "y": 1}, "l": 1}));
    let named = |names: &[&str]| StatsColumns {
        indexed_columns_max: Some(1),
        named: Some(names.iter().map(|name| (*name).to_owned()).collect()),
    };
    assert_eq!(stats_with(columns(), named(&["z", "s.y"])).await["nullCount"], json!({"s": {"y": 1}, "z": 0}));
    assert_eq!(stats_with(columns(), named(&["`s`"])).await["nullCount"], json!({"s": {"x": 2, "y": 1}}));
}

#[tokio::test]
async fn the_default_is_the_first_32_columns() {
    let columns =
        (0..40).map(|i| (field(&format!("c{i}"), DataType::Int32), Arc::new(Int32Array::from(vec![i])) as ArrayRef));
    let stats = stats_of(columns.clone().collect()).await;
    assert_eq!(stats["minValues"].as_object().unwrap().len(), 32);
    let all = StatsColumns { indexed_columns_max: None, named: None };
    assert_eq!(stats_with(columns.collect(), all).await["minValues"].as_object().unwrap().len(), 40);
}

#[tokio::test]
async fn all_null_columns_have_only_a_count() {
    let stats = stats_of(vec![
        (field("a", DataType::Utf8), Arc::new(StringArray::from(vec![None::<&str>, None, None]))),
        (field("b", DataType::Int64), Arc::new(Int64Array::from(vec![None, Some(5), None]))),
    ])
    .await;
    assert_eq!(stats["minValues"], json!({"b": 5}));
    assert_eq!(stats["maxValues"], json!({"b": 5}));
    assert_eq!(stats["nullCount"], json!({"a": 3, "b": 2}));
}
