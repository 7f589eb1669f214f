//! DoAction: what is asked for ([`ActionRequest`]) and how it is answered ([`reply`]).

mod alter;
mod ddl;
pub mod reply;
mod request;
mod scan;

pub use alter::{AlterTable, TableChange};
pub use ddl::{CreateSchema, CreateTable, DropSchema, DropTable, OnConflict};
pub use request::{ActionRequest, CatalogRequest};
pub use scan::{AtClause, ColumnStatistics, Endpoints, FlightInfoRequest};

#[cfg(test)]
mod tests;
