//! What a marker says: JSON lines, each written before what it speaks of is made.

use serde::{Deserialize, Serialize};

use super::DIRECTORY;
use crate::delta::log::{LOG_DIRECTORY, is_temporary_name};

/// The longest path that is believed.
const PATH_BYTES_MAX: usize = 4096;

/// One line of a marker.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Line {
    /// The first line.
    Head(Head),
    /// A file that is about to be made, below the table's root.
    File(String),
    /// A directory likewise.
    Directory(String),
    /// The last line of a statement that does not know what became of its commit.
    Undecided,
}

/// Whose marker it is.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Head {
    /// The boot of the system under which the marker's lock means something; empty if the system does not tell.
    pub(super) boot: String,
    /// For people who look.
    pub(super) pid: u32,
    /// A version that was there before the marker: no commit up to this one speaks of what the marker notes.
    pub(super) base: u64,
}

/// A marker, read.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) head: Head,
    pub(super) files: Vec<String>,
    /// Outer ones first.
    pub(super) directories: Vec<String>,
    pub(super) undecided: bool,
}

/// Why a marker is not believed.
#[derive(Debug, thiserror::Error)]
pub(super) enum Garbage {
    #[error("line {0} is not understood")]
    Line(usize),
    #[error("it names '{0}', which no statement makes")]
    Path(String),
}

impl Record {
    /// Reads a marker; `None` if it notes nothing, not even whose it is. What follows the last end of a line was never
    /// written whole, so that nothing of it was made.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<Self>, Garbage> {
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let mut lines = (1..).zip(bytes[..whole].split_inclusive(|byte| *byte == b'\n'));
        let read = |(number, line)| serde_json::from_slice(line).map_err(|_| Garbage::Line(number));
        let head = match lines.next().map(read).transpose()? {
            None => return Ok(None),
            Some(Line::Head(head)) => head,
            Some(_) => return Err(Garbage::Line(1)),
        };
        let mut record = Self { head, files: Vec::new(), directories: Vec::new(), undecided: false };
        for (number, line) in lines {
            match read((number, line))? {
                Line::Head(_) => return Err(Garbage::Line(number)),
                Line::File(path) => record.files.push(believed(path, true)?),
                Line::Directory(path) => record.directories.push(believed(path, false)?),
                Line::Undecided => record.undecided = true,
            }
        }
        Ok(Some(record))
    }
}

/// A path below the table's root where statements make files: of the log, only a commit on its way.
fn believed(path: String, is_file: bool) -> Result<String, Garbage> {
    let plain = |name: &str| !matches!(name, "" | "." | "..") && !name.contains('\0');
    let place = match path.split_once('/').unwrap_or((&path, "")) {
        (DIRECTORY, _) => false,
        (LOG_DIRECTORY, name) => is_file && is_temporary_name(name),
        _ => true,
    };
    let good = place && path.len() <= PATH_BYTES_MAX && path.split('/').all(plain);
    if good { Ok(path) } else { Err(Garbage::Path(path.chars().take(100).collect())) }
}
