//! Deletion vectors: read, merged and written.
