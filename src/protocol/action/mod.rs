//! DoAction: what is asked for ([`ActionRequest`]) and how it is answered ([`reply`]).

mod alter;
mod at;
mod ddl;
mod function;
pub mod reply;
mod request;
mod scan;

pub use alter::{AlterTable, TableChange};
pub use at::AtClause;
pub use ddl::{CreateSchema, CreateTable, DropSchema, DropTable, OnConflict};
pub use function::FunctionCall;
pub use request::{ActionRequest, CatalogRequest};
pub use scan::{ColumnStatistics, Endpoints, FlightInfoRequest};

#[cfg(test)]
mod tests;
