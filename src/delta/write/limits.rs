//! The bounds of one append, each with its reason.

/// How much an append holds, and how large its files become.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Rows up to which an append shares its files with others that wait: encoding them takes no longer than the
    /// commit that all wait for. More are encoded beside that commit.
    pub(super) shared_rows: usize,
    /// Likewise for wide rows.
    pub(super) shared_bytes: usize,
    /// Bytes of rows up to which columns are encoded one by one on the thread that writes the file: to wake others
    /// takes longer.
    pub(super) lone_bytes: usize,
    /// Rows handed to the encoder at once. 32 of DuckDB's 2048-row batches: few enough for the encoder to start
    /// early, enough for a hand-over to cost nothing next to encoding.
    pub(super) chunk_rows: usize,
    /// Bytes of rows handed over at once, for wide rows; a chunk may exceed it by one batch.
    pub(super) chunk_bytes: usize,
    /// Chunks between the caller and the encoder's thread.
    pub(super) queue_chunks: usize,
    /// Bytes of rows on their way through the pool. A few chunks, so that one slow column does not keep the other
    /// cores waiting.
    pub(super) encoding_bytes: usize,
    /// Rows after which a row group ends: the customary million, which readers take in parallel.
    pub(super) row_group_rows: usize,
    /// Bytes of Arrow data after which a row group ends; encoded they are hardly ever more, often a third.
    pub(super) row_group_bytes: usize,
    /// Encoded bytes after which a file ends, at the next end of a row group: large enough for few Adds, small
    /// enough to be rewritten and skipped.
    pub(super) file_bytes: usize,
    /// Bytes of rows that wait for others of their partition: the more, the fewer and larger the files.
    pub(super) partition_bytes: usize,
    /// Encoded bytes of the unfinished row groups of all partitions.
    pub(super) encoded_bytes: usize,
    /// Files open at once: each holds buffers for every column.
    pub(super) open_files: usize,
    /// Objects being uploaded at once, where there are partitions: each holds the part it gathers and the one it sends.
    pub(super) open_uploads: usize,
    /// Partitions one append may touch: each costs a file and a line in the log.
    pub(super) partitions: usize,
}

const MIB: usize = 1 << 20;

impl Default for Limits {
    fn default() -> Self {
        Self {
            shared_rows: 16 * 1024,
            shared_bytes: 2 * MIB,
            lone_bytes: MIB / 8,
            chunk_rows: 64 * 1024,
            chunk_bytes: 16 * MIB,
            queue_chunks: 2,
            encoding_bytes: 64 * MIB,
            row_group_rows: 1 << 20,
            row_group_bytes: 128 * MIB,
            file_bytes: 192 * MIB,
            partition_bytes: 256 * MIB,
            encoded_bytes: 192 * MIB,
            open_files: 64,
            open_uploads: 16,
            partitions: 65_536,
        }
    }
}
