//! Deltaport.
fn main() {}
