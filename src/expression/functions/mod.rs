//! The functions and operators that are offered, by dialect: their overloads, their values, their spelling.

pub(super) mod arithmetic;
mod call;
mod date;
mod letters;
pub(super) mod nested;
pub(super) mod number;
mod part;
pub(super) mod pattern;
pub(super) mod random;
pub(super) mod spark;
mod substring;
pub(super) mod temporal;
pub(super) mod text;
pub(super) mod variadic;

use super::{Dialect, print::Printer, rules::Parameter, tree::Typed, types::Type};
use crate::engine::{Error, Result};

pub(super) use call::Call;
pub(super) use part::Part;

/// What computes the values of a call.
pub(super) struct Function {
    /// What errors call it.
    pub(super) name: &'static str,
    /// One value for each row of the call, in the memory form of its type.
    pub(super) run: fn(&Call<'_>) -> Result<arrow::array::ArrayRef>,
    /// Whether some row can fail.
    pub(super) fails: bool,
    /// Whether the value is NULL only if an argument is.
    pub(super) keeps_nulls: bool,
    pub(super) duckdb: Form,
    pub(super) spark: Form,
}

impl std::fmt::Debug for Function {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// How a dialect writes a call.
#[derive(Clone, Copy)]
pub(super) enum Form {
    Call(&'static str),
    Infix(&'static str),
    Prefix(&'static str),
    /// `a[b]`
    Subscript,
    /// `a.b`
    Field,
    /// A call by the arguments: it may have none.
    CallBy(fn(Printer, &[Typed]) -> Result<String>),
    InfixBy(fn(Printer, &[Typed]) -> Result<String>),
    /// It has none with this meaning.
    None,
}

/// One signature of a name.
pub(super) struct Overload {
    pub(super) parameters: Vec<Parameter>,
    pub(super) returns: Returns,
    pub(super) function: &'static Function,
}

/// The type of a call's value, and what its arguments are cast to.
pub(super) enum Returns {
    /// The arguments become the parameters.
    Of(Type),
    /// Told by the arguments' types.
    By(Resolve),
}

/// From the types of the arguments: those they are cast to, and the value's.
pub(super) type Resolve = fn(&[Type]) -> Result<(Vec<Type>, Type)>;

/// A signature of fixed types.
pub(super) fn fixed<const N: usize>(parameters: [Type; N], returns: Type, function: &'static Function) -> Overload {
    Overload { parameters: parameters.map(Parameter::Of).into(), returns: Returns::Of(returns), function }
}

/// The signatures of a name, in lower case.
pub(super) fn overloads(name: &str, dialect: Dialect) -> Option<Vec<Overload>> {
    arithmetic::overloads(name, dialect)
        .or_else(|| pattern::overloads(name, dialect))
        .or_else(|| text::overloads(name, dialect))
        .or_else(|| number::overloads(name, dialect))
        .or_else(|| date::overloads(name, dialect))
        .or_else(|| if dialect == Dialect::Spark { spark::overloads(name) } else { None })
        .or_else(|| if dialect == Dialect::DuckDb { temporal::intervals(name) } else { None })
}

/// That a function is none of those offered, or why not.
pub(super) fn refusal(name: &str) -> Error {
    if is_volatile(name) {
        return Error::Unsupported(format!(
            "the function \"{name}\" is not deterministic: it is not offered in expressions"
        ));
    }
    Error::Unsupported(format!("the function \"{name}\" is not offered in expressions"))
}

/// Functions whose value depends on when or where they are called.
fn is_volatile(name: &str) -> bool {
    const NAMES: [&str; 27] = [
        "now",
        "current_date",
        "current_time",
        "current_timestamp",
        "localtime",
        "localtimestamp",
        "today",
        "get_current_time",
        "get_current_timestamp",
        "transaction_timestamp",
        "random",
        "rand",
        "randn",
        "setseed",
        "uuid",
        "gen_random_uuid",
        "uuidv4",
        "uuidv7",
        "nextval",
        "currval",
        "txid_current",
        "current_user",
        "session_user",
        "user",
        "current_database",
        "current_schema",
        "current_setting",
    ];
    NAMES.contains(&name)
}
