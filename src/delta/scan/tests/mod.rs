//! Scans of files that were written for the purpose.

mod counting;
mod data;
mod failures;
mod fetch;
mod fixture;
mod many_files;
mod oracle;
mod property;
mod pruning;
mod shapes;
mod store;
mod streams;
