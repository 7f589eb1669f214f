//! The types of the seam's columns.
//!
//! Booleans, integers of both signs up to 64 bits, Float32, Float64, Decimal128, Utf8, Binary, Date32, Time64 (µs and
//! ns), Timestamp (s, ms, µs and ns without a zone, µs in UTC), Interval(MonthDayNano), and List, FixedSizeList, Map
//! and Struct of those; and [`Extension`] types, told by their field's metadata. Each of DuckDB's types has one form
//! here, the one DuckDB itself takes (`arrow_type_extension.cpp`, `arrow_converter.cpp`). A field, nested ones too,
//! carries the metadata of its extension and nothing else.

use std::collections::HashMap;

use arrow::datatypes::{DataType, Field};

/// The metadata of extension types (Arrow columnar format, "Extension Types").
const NAME_KEY: &str = "ARROW:extension:name";
const METADATA_KEY: &str = "ARROW:extension:metadata";
const OPAQUE: &str = "arrow.opaque";
const VENDOR: &str = "DuckDB";

/// A type of DuckDB's that Arrow knows as an extension type only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Extension {
    /// JSON: its text, Utf8.
    Json,
    /// UUID: 16 bytes, in the order they are written.
    Uuid,
    /// HUGEINT: 16 bytes, little-endian, two's complement.
    HugeInt,
    /// UHUGEINT: 16 bytes, little-endian.
    UHugeInt,
    /// TIMETZ: 8 bytes, little-endian, as DuckDB packs time and offset (`dtime_tz_t`).
    TimeTz,
    /// BIT: Binary; the first byte says how many leading bits of the second are padding.
    Bit,
    /// BIGNUM: Binary, as DuckDB packs sign, length and digits (`common/types/bignum.hpp`).
    BigNum,
}

impl Extension {
    const ALL: [Self; 7] =
        [Self::Json, Self::Uuid, Self::HugeInt, Self::UHugeInt, Self::TimeTz, Self::Bit, Self::BigNum];

    /// The extension a field is of, whatever its storage; `None` for plain and unknown types.
    pub fn of(field: &Field) -> Option<Self> {
        let name = field.metadata().get(NAME_KEY)?;
        let canonical = Self::ALL.into_iter().find(|extension| extension.canonical_name() == Some(name));
        canonical.or_else(|| if name == OPAQUE { Self::of_opaque(field.metadata().get(METADATA_KEY)?) } else { None })
    }

    /// How its values lie in memory on the seam.
    pub fn storage(self) -> DataType {
        match self {
            Self::Json => DataType::Utf8,
            Self::Uuid | Self::HugeInt | Self::UHugeInt => DataType::FixedSizeBinary(16),
            Self::TimeTz => DataType::FixedSizeBinary(8),
            Self::Bit | Self::BigNum => DataType::Binary,
        }
    }

    /// A column of this type.
    pub fn field(self, name: impl Into<String>, nullable: bool) -> Field {
        Field::new(name, self.storage(), nullable).with_metadata(self.metadata())
    }

    /// What a field of this type carries.
    pub fn metadata(self) -> HashMap<String, String> {
        let (name, metadata) = match self.canonical_name() {
            Some(name) => (name, String::new()),
            None => (OPAQUE, format!(r#"{{"type_name":"{}","vendor_name":"{VENDOR}"}}"#, self.opaque_name())),
        };
        HashMap::from([(NAME_KEY.to_owned(), name.to_owned()), (METADATA_KEY.to_owned(), metadata)])
    }

    /// DuckDB's name of the type.
    pub const fn duckdb_name(self) -> &'static str {
        match self {
            Self::Json => "JSON",
            Self::Uuid => "UUID",
            Self::HugeInt => "HUGEINT",
            Self::UHugeInt => "UHUGEINT",
            Self::TimeTz => "TIME WITH TIME ZONE",
            Self::Bit => "BIT",
            Self::BigNum => "BIGNUM",
        }
    }

    const fn canonical_name(self) -> Option<&'static str> {
        match self {
            Self::Json => Some("arrow.json"),
            Self::Uuid => Some("arrow.uuid"),
            _ => None,
        }
    }

    const fn opaque_name(self) -> &'static str {
        match self {
            Self::HugeInt => "hugeint",
            Self::UHugeInt => "uhugeint",
            Self::TimeTz => "time_tz",
            Self::Bit => "bit",
            Self::BigNum => "bignum",
            Self::Json | Self::Uuid => "",
        }
    }

    /// Types that only DuckDB has name themselves: `{"type_name": "hugeint", "vendor_name": "DuckDB"}`.
    fn of_opaque(metadata: &str) -> Option<Self> {
        let metadata: serde_json::Value = serde_json::from_str(metadata).ok()?;
        let name = metadata.get("type_name")?.as_str()?;
        (metadata.get("vendor_name")?.as_str() == Some(VENDOR)).then_some(())?;
        Self::ALL.into_iter().find(|extension| extension.canonical_name().is_none() && extension.opaque_name() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_extension_is_known_by_its_own_metadata() {
        for extension in Extension::ALL {
            assert_eq!(Extension::of(&extension.field("x", true)), Some(extension));
        }
        assert_eq!(Extension::of(&Field::new("x", DataType::Utf8, true)), None);
        let other = Field::new("x", DataType::Binary, true)
            .with_metadata([(NAME_KEY.to_owned(), "geoarrow.wkb".to_owned())].into());
        assert_eq!(Extension::of(&other), None);
    }
}
