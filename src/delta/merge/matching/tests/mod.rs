//! What is found in real tables, by plans made by hand.

mod clauses;
mod ends;
mod fixture;
mod property;
mod pruning;
