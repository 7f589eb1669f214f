//! Hash tables from keys to rows of the source: the rows of a key follow one another in the order they came.

use std::hash::{BuildHasher, RandomState};

use arrow::{
    array::ArrayRef,
    error::ArrowError,
    row::{RowConverter, Rows, SortField},
};

use super::packed::{Packed, mixed, pack};

/// Rows are looked up in blocks of this many: the memory accesses of one are under way together.
const BLOCK_ROWS: usize = 1024;

/// The end of a chain.
const NONE: u32 = u32::MAX;

/// Entries at most: their numbers are told from [`NONE`].
pub(super) const ENTRIES_MAX: usize = (u32::MAX - 1) as usize;

/// What [`Packed`] keys take up an entry: key, row, the next of its chain, and up to two chains.
pub(super) const fn packed_entry_bytes<K>() -> usize {
    size_of::<K>() + 4 * size_of::<u32>()
}

/// What an entry of [`Encoded`] takes up besides the bytes of its key: row, hash, the next of its chain, up to two chains.
pub(super) const ENCODED_ENTRY_BYTES: usize = 5 * size_of::<u32>();

/// Entries of one hash are a chain.
#[derive(Debug, Default)]
struct Chains {
    /// The first entry of each.
    heads: Vec<u32>,
    /// The entry after each entry.
    next: Vec<u32>,
}

impl Chains {
    /// Of entries with these hashes, from the last to the first.
    fn new(entries: usize, hash: impl Fn(usize) -> u64) -> Self {
        let mut chains = Self { heads: vec![NONE; entries.next_power_of_two()], next: vec![NONE; entries] };
        for entry in (0..entries).rev() {
            let chain = chains.of(hash(entry));
            // No more than `ENTRIES_MAX`.
            chains.next[entry] = std::mem::replace(&mut chains.heads[chain], entry as u32);
        }
        chains
    }

    /// There are a power of two.
    fn of(&self, hash: u64) -> usize {
        hash as usize & (self.heads.len() - 1)
    }

    fn first(&self, hash: u64) -> u32 {
        self.heads[self.of(hash)]
    }
}

/// What is done with each match: a row that is looked up, and the row of the source; false ends the search.
pub(super) trait Visit: FnMut(usize, u32) -> bool {}
impl<F: FnMut(usize, u32) -> bool> Visit for F {}

/// Keys that are numbers.
#[derive(Debug)]
pub(super) struct Numbers<K> {
    seed: u64,
    keys: Vec<K>,
    rows: Vec<u32>,
    chains: Chains,
}

impl<K: Packed> Numbers<K> {
    pub(super) fn with_capacity(entries: usize) -> Self {
        let (keys, rows) = (Vec::with_capacity(entries), Vec::with_capacity(entries));
        Self { seed: RandomState::new().hash_one(0), keys, rows, chains: Chains::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Adds keys in the order of their rows. None has a NULL that equals nothing.
    pub(super) fn add(&mut self, keys: &[ArrayRef], nulls_equal: &[bool], rows: impl ExactSizeIterator<Item = u32>) {
        let mut block = Vec::new();
        for start in (0..rows.len()).step_by(BLOCK_ROWS) {
            pack(keys, nulls_equal, start..rows.len().min(start + BLOCK_ROWS), &mut block);
            self.keys.extend_from_slice(&block);
        }
        self.rows.extend(rows);
    }

    /// Makes them ready to be looked up; what they take up now.
    pub(super) fn finish(&mut self) -> usize {
        self.keys.shrink_to_fit();
        self.rows.shrink_to_fit();
        self.chains = Chains::new(self.keys.len(), |entry| self.keys[entry].hash(self.seed));
        let links = self.rows.capacity() + self.chains.heads.capacity() + self.chains.next.capacity();
        self.keys.capacity() * size_of::<K>() + links * size_of::<u32>()
    }

    /// Looks up rows from `first` on, where `wanted`.
    pub(super) fn look_up(
        &self,
        keys: &[ArrayRef],
        nulls_equal: &[bool],
        (first, end): (usize, usize),
        wanted: impl Fn(usize) -> bool,
        mut visit: impl Visit,
    ) {
        let (mut block, mut heads) = (Vec::with_capacity(BLOCK_ROWS), Vec::with_capacity(BLOCK_ROWS));
        for start in (first..end).step_by(BLOCK_ROWS) {
            pack(keys, nulls_equal, start..end.min(start + BLOCK_ROWS), &mut block);
            heads.clear();
            heads.extend(block.iter().map(|key: &K| self.chains.first(key.hash(self.seed))));
            for (row, (key, head)) in (start..).zip(block.iter().zip(&heads)) {
                let mut entry = *head;
                while let Some(found) = self.keys.get(entry as usize) {
                    if found == key && wanted(row) && !visit(row, self.rows[entry as usize]) {
                        return;
                    }
                    entry = self.chains.next[entry as usize];
                }
            }
        }
    }

    /// The first row whose key an earlier one has, after that one.
    pub(super) fn repeated(&self) -> Option<(u32, u32)> {
        (0..self.keys.len()).find_map(|entry| {
            let mut before = self.chains.first(self.keys[entry].hash(self.seed)) as usize;
            while before < entry {
                if self.keys[before] == self.keys[entry] {
                    return Some((self.rows[before], self.rows[entry]));
                }
                before = self.chains.next[before] as usize;
            }
            None
        })
    }
}

/// Keys of any type, as bytes (Arrow's row format).
#[derive(Debug)]
pub(super) struct Encoded {
    seed: u64,
    converter: RowConverter,
    parts: Vec<Rows>,
    /// The first entry of each part.
    starts: Vec<usize>,
    rows: Vec<u32>,
    hashes: Vec<u32>,
    chains: Chains,
}

impl Encoded {
    pub(super) fn new(types: impl IntoIterator<Item = arrow::datatypes::DataType>) -> Result<Self, ArrowError> {
        let converter = RowConverter::new(types.into_iter().map(SortField::new).collect())?;
        Ok(Self {
            seed: RandomState::new().hash_one(0),
            converter,
            parts: Vec::new(),
            starts: Vec::new(),
            rows: Vec::new(),
            hashes: Vec::new(),
            chains: Chains::default(),
        })
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Keys for [`Self::add`]; [`Rows::size`] is what they take up.
    pub(super) fn encode(&self, keys: &[ArrayRef]) -> Result<Rows, ArrowError> {
        self.converter.convert_columns(keys)
    }

    /// Adds keys in the order of their rows. None has a NULL that equals nothing.
    pub(super) fn add(&mut self, keys: Rows, rows: impl Iterator<Item = u32>) {
        self.starts.push(self.rows.len());
        self.hashes.extend(keys.iter().map(|key| hash_of(key.data(), self.seed) as u32));
        self.rows.extend(rows);
        self.parts.push(keys);
    }

    /// Makes them ready to be looked up; what they take up now.
    pub(super) fn finish(&mut self) -> usize {
        self.rows.shrink_to_fit();
        self.hashes.shrink_to_fit();
        self.chains = Chains::new(self.hashes.len(), |entry| self.hashes[entry].into());
        let (rows, chains) = (self.rows.capacity() + self.hashes.capacity(), &self.chains);
        let links = rows + chains.heads.capacity() + chains.next.capacity();
        self.parts.iter().map(Rows::size).sum::<usize>() + links * size_of::<u32>()
    }

    /// As [`Numbers::look_up`].
    pub(super) fn look_up(
        &self,
        keys: &[ArrayRef],
        (first, end): (usize, usize),
        wanted: impl Fn(usize) -> bool,
        mut visit: impl Visit,
    ) -> Result<(), ArrowError> {
        for start in (first..end).step_by(BLOCK_ROWS) {
            let length = BLOCK_ROWS.min(end - start);
            let block: Vec<ArrayRef> = keys.iter().map(|key| key.slice(start, length)).collect();
            let block = self.encode(&block)?;
            let hashes: Vec<u32> = block.iter().map(|key| hash_of(key.data(), self.seed) as u32).collect();
            for (at, hash) in hashes.into_iter().enumerate().filter(|(at, _)| wanted(start + at)) {
                let mut entry = self.chains.first(hash.into());
                while let Some(found) = self.hashes.get(entry as usize) {
                    let equal = *found == hash && self.key(entry as usize) == block.row(at).data();
                    if equal && !visit(start + at, self.rows[entry as usize]) {
                        return Ok(());
                    }
                    entry = self.chains.next[entry as usize];
                }
            }
        }
        Ok(())
    }

    /// As [`Numbers::repeated`].
    pub(super) fn repeated(&self) -> Option<(u32, u32)> {
        (0..self.rows.len()).find_map(|entry| {
            let mut before = self.chains.first(self.hashes[entry].into()) as usize;
            while before < entry {
                if self.hashes[before] == self.hashes[entry] && self.key(before) == self.key(entry) {
                    return Some((self.rows[before], self.rows[entry]));
                }
                before = self.chains.next[before] as usize;
            }
            None
        })
    }

    fn key(&self, entry: usize) -> &[u8] {
        let part = self.starts.partition_point(|start| *start <= entry) - 1;
        self.parts[part].row(entry - self.starts[part]).data()
    }
}

fn hash_of(bytes: &[u8], seed: u64) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let whole = words.iter().fold(seed, |hash, word| mixed(hash ^ u64::from_le_bytes(*word)));
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    mixed(whole ^ u64::from_le_bytes(last) ^ ((bytes.len() as u64) << 56))
}
