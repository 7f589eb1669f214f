//! What is found in real tables, by plans made by hand.

mod fixture;
mod property;
