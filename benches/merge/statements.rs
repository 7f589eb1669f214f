//! The statements, in the words of both.

use super::{lineitem, tables::Shape};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Statement {
    Upsert,
    Update,
    Insert,
    Delete,
    Cdc,
}

pub(crate) const STATEMENTS: [Statement; 5] =
    [Statement::Upsert, Statement::Update, Statement::Insert, Statement::Delete, Statement::Cdc];

const ORDERS: [&str; 9] = [
    "o_orderkey",
    "o_custkey",
    "o_orderstatus",
    "o_totalprice",
    "o_orderdate",
    "o_orderpriority",
    "o_clerk",
    "o_shippriority",
    "o_comment",
];

impl Statement {
    /// For `delta.merge`; `None` where it is `delta.upsert`'s.
    pub(crate) fn clauses(self, shape: Shape) -> Option<String> {
        let amount = shape.amount();
        let clauses = match self {
            Self::Upsert => return None,
            Self::Update => format!("WHEN MATCHED THEN UPDATE SET {amount} = source.{amount}"),
            Self::Insert => "WHEN NOT MATCHED THEN INSERT *".to_owned(),
            Self::Delete => "WHEN MATCHED THEN DELETE".to_owned(),
            Self::Cdc => {
                let columns = columns(shape);
                let set: Vec<_> = columns.iter().map(|column| format!("{column} = source.{column}")).collect();
                format!(
                    "WHEN MATCHED AND source.op = 'd' THEN DELETE WHEN MATCHED THEN UPDATE SET {} \
                     WHEN NOT MATCHED AND source.op <> 'd' THEN INSERT ({1}) VALUES ({1})",
                    set.join(", "),
                    columns.join(", ")
                )
            }
        };
        Some(format!("USING ({}) {clauses}", shape.keys().join(", ")))
    }

    /// For `DeltaTable.merge`, after its sources and predicate.
    pub(crate) fn python(self, shape: Shape) -> String {
        let amount = shape.amount();
        match self {
            Self::Upsert => "when_matched_update_all().when_not_matched_insert_all()".to_owned(),
            Self::Update => format!("when_matched_update({{'{amount}': 's.{amount}'}})"),
            Self::Insert => "when_not_matched_insert_all()".to_owned(),
            Self::Delete => "when_matched_delete()".to_owned(),
            Self::Cdc => {
                let columns = columns(shape);
                let all: Vec<_> = columns.iter().map(|column| format!("'{column}': 's.{column}'")).collect();
                let all = format!("{{{}}}", all.join(", "));
                format!(
                    "when_matched_delete(\"s.op = 'd'\").when_matched_update({all})\
                     .when_not_matched_insert({all}, \"s.op <> 'd'\")"
                )
            }
        }
    }
}

fn columns(shape: Shape) -> Vec<String> {
    match shape {
        Shape::Lineitem => lineitem::schema().fields().iter().map(|field| field.name().clone()).collect(),
        Shape::Orders => ORDERS.map(str::to_owned).to_vec(),
    }
}
