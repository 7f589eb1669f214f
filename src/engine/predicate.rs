//! Filters as the engine understands them: a small, negation-free language over columns and constants.
//!
//! A predicate is advice: DuckDB applies its own filter again, so an implementation may keep rows the predicate
//! rejects but must never drop a row it accepts. Three-valued logic as in SQL: a row whose predicate is NULL is
//! rejected. There is no NOT: whoever builds a predicate pushes negation to the leaves, which makes
//! [`Predicate::Unknown`] safe anywhere.

/// A column, or a field nested in struct columns: outermost name first. Never empty.
pub type ColumnPath = Vec<String>;

/// A condition on the rows of one table.
#[derive(Debug, Clone, PartialEq)]
pub enum Predicate {
    /// Not understood, or always true: keeps every row.
    Unknown,
    /// `column op value`.
    Compare {
        /// Left side.
        column: ColumnPath,
        /// Comparison.
        op: CompareOp,
        /// Right side, never NULL.
        value: Scalar,
    },
    /// `column [NOT] IN (values)`; no value is NULL.
    In {
        /// Left side.
        column: ColumnPath,
        /// Right side, not empty.
        values: Vec<Scalar>,
        /// NOT IN.
        negated: bool,
    },
    /// `column IS [NOT] NULL`.
    IsNull {
        /// The column.
        column: ColumnPath,
        /// IS NOT NULL.
        negated: bool,
    },
    /// `[NOT] starts_with(column, prefix)`, by bytes.
    StartsWith {
        /// A string column.
        column: ColumnPath,
        /// The prefix, not empty.
        prefix: String,
        /// Negated.
        negated: bool,
    },
    /// All of them; empty means true.
    And(Vec<Predicate>),
    /// Any of them; empty means false.
    Or(Vec<Predicate>),
}

/// How a column is compared with a constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompareOp {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// A constant, in the value space of DuckDB's type: the same type as the column it is compared with.
///
/// Columns of [`super::Extension`]s, intervals, lists, arrays, maps and structs are only ever asked whether they are NULL.
///
/// Order is DuckDB's: strings and binaries by bytes; NaN equals NaN and is greater than every number;
/// -0.0 equals 0.0.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// BOOLEAN
    Boolean(bool),
    /// TINYINT to BIGINT and UTINYINT to UBIGINT; TIME in microseconds, TIME_NS in nanoseconds; TIMESTAMP_NS in
    /// nanoseconds since 1970-01-01, `i64::MAX` and its negative being the infinities
    Integer(i128),
    /// DECIMAL: `unscaled / 10^scale`
    Decimal {
        /// The digits as an integer.
        unscaled: i128,
        /// Digits after the point.
        scale: u8,
    },
    /// FLOAT and DOUBLE
    Float(f64),
    /// VARCHAR
    Text(String),
    /// BLOB
    Binary(Vec<u8>),
    /// DATE: days since 1970-01-01
    Date(i32),
    /// TIMESTAMP, TIMESTAMP WITH TIME ZONE, TIMESTAMP_S and TIMESTAMP_MS: microseconds since 1970-01-01 (UTC for the
    /// second), whether or not the column could hold them; infinities as above
    Timestamp(i64),
}

impl Predicate {
    /// The one that no row satisfies.
    pub const NEVER: Self = Self::Or(Vec::new());

    /// Every column the predicate looks at, outermost names only, without repetition.
    pub fn columns(&self) -> std::collections::BTreeSet<&str> {
        let mut names = std::collections::BTreeSet::new();
        self.collect_columns(&mut names);
        names
    }

    fn collect_columns<'a>(&'a self, names: &mut std::collections::BTreeSet<&'a str>) {
        match self {
            Self::Unknown => {}
            Self::Compare { column, .. }
            | Self::In { column, .. }
            | Self::IsNull { column, .. }
            | Self::StartsWith { column, .. } => names.extend(column.first().map(String::as_str)),
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|part| part.collect_columns(names)),
        }
    }
}

/// What tests judge by.
#[cfg(test)]
impl CompareOp {
    pub(crate) const ALL: [Self; 6] =
        [Self::Equal, Self::NotEqual, Self::Less, Self::LessOrEqual, Self::Greater, Self::GreaterOrEqual];

    /// Whether it holds of two values in this order.
    pub(crate) fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Self::Equal => order.is_eq(),
            Self::NotEqual => order.is_ne(),
            Self::Less => order.is_lt(),
            Self::LessOrEqual => order.is_le(),
            Self::Greater => order.is_gt(),
            Self::GreaterOrEqual => order.is_ge(),
        }
    }
}
