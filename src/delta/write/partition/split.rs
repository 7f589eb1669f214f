//! Splits rows by their partition.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use arrow::{
    array::{Array, ArrayRef, UInt32Array},
    compute::{concat, take},
    error::ArrowError,
    row::{RowConverter, SortField},
};
use rayon::prelude::*;

use super::{directory, value::partition_value};
use crate::{
    delta::{
        schema::{ColumnMapping, TableSchema},
        write::rows::Rows,
    },
    engine::{Error, Result},
};

/// One partition.
#[derive(Debug)]
pub(in super::super) struct PartitionKey {
    /// By the columns' physical names.
    pub(in super::super) values: HashMap<String, Option<String>>,
    /// Below the table's root; empty is the root.
    pub(in super::super) directory: String,
}

/// Tells partitions apart. Each gets a number, in the order of appearance.
#[derive(Debug)]
pub(in super::super) struct Splitter {
    schema: Arc<TableSchema>,
    data_columns: Vec<usize>,
    converter: RowConverter,
    /// By the tuple of values in Arrow's row format, which is equal exactly if the values are.
    numbers: HashMap<Box<[u8]>, usize>,
    partitions_max: usize,
}

/// The rows of a chunk that belong to one partition, in order.
#[derive(Debug)]
pub(in super::super) struct Share {
    pub(in super::super) partition: usize,
    /// Without the partition columns.
    pub(in super::super) rows: Rows,
}

impl Splitter {
    pub(in super::super) fn new(
        schema: Arc<TableSchema>,
        data_columns: Vec<usize>,
        partitions_max: usize,
    ) -> Result<Self> {
        let fields =
            schema.partition_columns.iter().map(|&i| SortField::new(schema.physical.field(i).data_type().clone()));
        let converter = RowConverter::new(fields.collect())
            .map_err(|e| Error::Unsupported(format!("a table cannot be partitioned by such columns: {e}")))?;
        Ok(Self { schema, data_columns, converter, numbers: HashMap::new(), partitions_max })
    }

    /// Splits the rows of `parts`, and adds partitions not seen before to `keys`, whose indexes are their numbers.
    pub(in super::super) fn split(&mut self, parts: &[Rows], keys: &mut Vec<PartitionKey>) -> Result<Vec<Share>> {
        let failed = |e| Error::internal("could not split rows by partition", e);
        let values = concat_columns(parts, &self.schema.partition_columns).map_err(failed)?;
        let shares = self.number(&values, keys)?;
        let data = concat_columns(parts, &self.data_columns).map_err(failed)?;
        let picked = pick(&data, shares.values()).map_err(failed)?;
        let shares = shares.into_iter().zip(picked);
        Ok(shares
            .map(|((partition, rows), columns)| Share { partition, rows: Rows::new(columns, rows.len()) })
            .collect())
    }

    /// Which rows belong to which partition.
    fn number(&mut self, values: &[ArrayRef], keys: &mut Vec<PartitionKey>) -> Result<BTreeMap<usize, Vec<u32>>> {
        let rows = self
            .converter
            .convert_columns(values)
            .map_err(|e| Error::internal("could not compare partition values", e))?;
        let mut shares = BTreeMap::<usize, Vec<u32>>::new();
        // Rows of a partition often come together.
        let mut last: Option<(usize, usize)> = None;
        for (index, row) in rows.iter().enumerate() {
            let number = match last {
                Some((index, number)) if rows.row(index) == row => number,
                _ => match self.numbers.get(row.as_ref()) {
                    Some(number) => *number,
                    None => self.add(row.as_ref(), values, index, keys)?,
                },
            };
            last = Some((index, number));
            shares.entry(number).or_default().push(u32::try_from(index).expect("a chunk holds far fewer rows"));
        }
        Ok(shares)
    }

    fn add(&mut self, row: &[u8], values: &[ArrayRef], index: usize, keys: &mut Vec<PartitionKey>) -> Result<usize> {
        if keys.len() >= self.partitions_max {
            return Err(Error::ResourceExhausted(format!(
                "the rows belong to more than {} partitions, the most one statement may write",
                self.partitions_max
            )));
        }
        let columns = self.schema.partition_columns.iter().zip(values);
        let texts = columns.map(|(&column, values)| {
            let text = partition_value(values, index, self.schema.logical.field(column).name())?;
            Ok((self.schema.physical.field(column).name().as_str(), text))
        });
        let texts = texts.collect::<Result<Vec<_>>>()?;
        let directory = match self.schema.mapping {
            ColumnMapping::None => directory(texts.iter().map(|(name, text)| (*name, text.as_deref()))),
            // Physical names say nothing, and a logical one may change.
            ColumnMapping::Name | ColumnMapping::Id => String::new(),
        };
        let values = texts.into_iter().map(|(name, text)| (name.to_owned(), text)).collect();
        keys.push(PartitionKey { values, directory });
        self.numbers.insert(row.into(), keys.len() - 1);
        Ok(keys.len() - 1)
    }
}

fn concat_columns(parts: &[Rows], columns: &[usize]) -> Result<Vec<ArrayRef>, ArrowError> {
    let concat_column = |&column: &usize| {
        let arrays: Vec<&dyn Array> = parts.iter().map(|rows| rows.columns[column].as_ref()).collect();
        concat(&arrays)
    };
    columns.par_iter().map(concat_column).collect()
}

/// The columns of each share. Copies, so that a share that waits for more rows keeps no other rows in memory.
fn pick<'a>(
    columns: &[ArrayRef],
    shares: impl Iterator<Item = &'a Vec<u32>>,
) -> Result<Vec<Vec<ArrayRef>>, ArrowError> {
    let shares: Vec<_> = shares.map(|rows| UInt32Array::from(rows.clone())).collect();
    if let [_] = shares[..] {
        return Ok(vec![columns.to_vec()]);
    }
    let by_column = columns.par_iter().map(|column| {
        let picked = shares.iter().map(|rows| take(column, rows, None));
        picked.collect::<Result<Vec<_>, _>>().map(Vec::into_iter)
    });
    let mut by_column = by_column.collect::<Result<Vec<_>, _>>()?;
    Ok(shares.iter().map(|_| by_column.iter_mut().filter_map(Iterator::next).collect()).collect())
}
