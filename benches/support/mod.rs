//! What the benches share.

pub(crate) mod lineitem;
pub(crate) mod null;
pub(crate) mod report;
pub(crate) mod serving;
