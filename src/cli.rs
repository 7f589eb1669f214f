//! The command line.

use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use deltaport_transports::Endpoint;

use crate::{
    config::{CatalogConfig, Config, LISTEN_DEFAULT, Limits},
    delta::{DeletionVectors, DeltaOptions, MergeOptions},
};

/// Serves Delta tables to DuckDB over its Airport extension.
#[derive(Debug, Parser)]
#[command(name = "deltaport", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve one or more directories of Delta tables.
    Serve {
        /// A directory; its last component names the catalog.
        dir: Option<PathBuf>,
        /// A catalog by name; may be repeated.
        #[arg(long = "catalog", value_name = "NAME=PATH", value_parser = parse_catalog)]
        catalogs: Vec<CatalogConfig>,
        /// How to serve them.
        #[command(flatten)]
        options: ServeOptions,
    },
    /// Make a small sample lake if there is none, and serve it.
    Demo {
        /// Where the lake is made.
        #[arg(default_value = "lake")]
        dir: PathBuf,
        /// How to serve it.
        #[command(flatten)]
        options: ServeOptions,
    },
}

/// How to serve.
#[derive(Debug, Args)]
pub struct ServeOptions {
    /// Where to listen: tcp://HOST:PORT or unix:///PATH; may be repeated.
    #[arg(long, value_name = "ENDPOINT", default_value = LISTEN_DEFAULT)]
    pub listen: Vec<Endpoint>,
    /// Permission bits of Unix sockets, octal; 660 admits the group.
    #[arg(long, value_name = "MODE", default_value = "600", value_parser = parse_mode)]
    pub socket_mode: u32,
    /// Seconds that running calls may go on after SIGTERM.
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub drain_grace_seconds: u64,
    /// The most streams one scan is split into [default: twice the cores].
    #[arg(long, value_name = "N")]
    pub scan_streams_max: Option<NonZeroUsize>,
    /// What becomes of Delta tables.
    #[command(flatten)]
    pub delta: TableOptions,
    /// Bounds on what clients can ask for.
    #[command(flatten)]
    pub limits: LimitOptions,
}

/// What becomes of Delta tables; [`DeltaOptions`] says what each is for.
#[derive(Debug, Args)]
#[command(next_help_heading = "Tables")]
pub struct TableOptions {
    /// Whether new tables have deletion vectors enabled.
    #[arg(long, value_name = "BOOL", default_value_t = true, action = ArgAction::Set)]
    pub new_table_deletion_vectors: bool,
    /// Whether UPDATE and DELETE write deletion vectors.
    #[arg(long, value_name = "WHEN", default_value = "as-table")]
    pub deletion_vectors: VectorsWhen,
    /// How many INSERTs into one table may share a commit, if they come while another is being made; with 1 each makes
    /// its own [default: 1024].
    #[arg(long, value_name = "N")]
    pub group_commit_statements_max: Option<NonZeroUsize>,
    /// MiB that one MERGE may keep in memory; what goes beyond is spilled to disk [default: 512].
    #[arg(long, value_name = "MIB")]
    pub merge_memory_mib_max: Option<NonZeroUsize>,
    /// Where a MERGE spills to [default: the directory for temporary files].
    #[arg(long, value_name = "DIRECTORY")]
    pub spill_directory: Option<PathBuf>,
}

/// Whether UPDATE and DELETE write deletion vectors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum VectorsWhen {
    /// Where a table's properties ask for them; the files of other tables are written again.
    AsTable,
    /// For no table.
    Never,
}

impl TableOptions {
    /// The settings.
    pub fn options(&self) -> DeltaOptions {
        let deletion_vectors = match self.deletion_vectors {
            VectorsWhen::AsTable => DeletionVectors::AsTable,
            VectorsWhen::Never => DeletionVectors::Never,
        };
        let defaults = DeltaOptions::default();
        DeltaOptions {
            new_table_deletion_vectors: self.new_table_deletion_vectors,
            deletion_vectors,
            group_commit_statements_max: self
                .group_commit_statements_max
                .unwrap_or(defaults.group_commit_statements_max),
            merge: self.merge(),
            ..defaults
        }
    }

    fn merge(&self) -> MergeOptions {
        let defaults = MergeOptions::default();
        let bytes = |mib: NonZeroUsize| mib.saturating_mul(NonZeroUsize::new(1 << 20).unwrap_or(mib));
        MergeOptions {
            memory_bytes_max: self.merge_memory_mib_max.map_or(defaults.memory_bytes_max, bytes),
            spill_directory: self.spill_directory.clone().unwrap_or(defaults.spill_directory),
        }
    }
}

/// Bounds on what clients can ask for; [`Limits`] says what each is for.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits")]
pub struct LimitOptions {
    /// The longest message taken from a client [default: 256 MiB].
    #[arg(long, value_name = "BYTES")]
    pub message_bytes_max: Option<NonZeroUsize>,
    /// The most connections at a time; more wait [default: 512].
    #[arg(long, value_name = "N")]
    pub connections_max: Option<NonZeroUsize>,
    /// The most calls at a time; more are refused [default: 4096].
    #[arg(long, value_name = "N")]
    pub calls_max: Option<NonZeroUsize>,
    /// How long a connection may take to its first call, and an exchange to its schema [default: 60].
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=SECONDS_MAX))]
    pub opening_seconds_max: Option<u64>,
    /// How long a call may go without a row sent or taken [default: 86400].
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=SECONDS_MAX))]
    pub idle_seconds_max: Option<u64>,
    /// The most columns of a table, nested fields counted [default: 10000].
    #[arg(long, value_name = "N")]
    pub columns_max: Option<NonZeroUsize>,
    /// How deep the types of columns may nest [default: 32].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=NESTING_MAX))]
    pub nesting_max: Option<u64>,
    /// The longest column name [default: 4096].
    #[arg(long, value_name = "BYTES")]
    pub column_name_bytes_max: Option<NonZeroUsize>,
    /// The most rows of a message [default: 1048576].
    #[arg(long, value_name = "N")]
    pub batch_rows_max: Option<NonZeroUsize>,
}

/// A year: what is longer is no bound, and far from what timers can count.
const SECONDS_MAX: u64 = 366 * 24 * 3600;

/// Arrow's reader of schemas goes no deeper.
const NESTING_MAX: u64 = 60;

impl LimitOptions {
    fn apply(&self, limits: &mut Limits) {
        let count = |option: Option<NonZeroUsize>, limit: &mut usize| *limit = option.map_or(*limit, NonZeroUsize::get);
        let seconds = |option: Option<u64>, limit: &mut Duration| *limit = option.map_or(*limit, Duration::from_secs);
        count(self.message_bytes_max, &mut limits.message_bytes_max);
        limits.connections_max = self.connections_max.unwrap_or(limits.connections_max);
        limits.calls_max = self.calls_max.unwrap_or(limits.calls_max);
        seconds(self.opening_seconds_max, &mut limits.opening_max);
        seconds(self.idle_seconds_max, &mut limits.idle_max);
        count(self.columns_max, &mut limits.columns_max);
        limits.nesting_max = self.nesting_max.map_or(limits.nesting_max, |levels| levels as usize);
        count(self.column_name_bytes_max, &mut limits.column_name_bytes_max);
        count(self.batch_rows_max, &mut limits.batch_rows_max);
    }
}

impl ServeOptions {
    /// The settings for these catalogs.
    pub fn config(self, catalogs: Vec<CatalogConfig>) -> Config {
        let mut config = Config::new(catalogs, self.listen);
        config.socket_mode = self.socket_mode;
        config.drain_grace = Duration::from_secs(self.drain_grace_seconds);
        if let Some(streams_max) = self.scan_streams_max {
            config.limits.scan_streams_max = streams_max;
        }
        config.delta = self.delta.options();
        self.limits.apply(&mut config.limits);
        config
    }
}

/// The catalog that a directory is: named by its last component, wherever `.` and links lead.
///
/// # Errors
/// If the path is no directory, or its name is not UTF-8.
pub fn catalog_of(dir: PathBuf) -> Result<CatalogConfig, String> {
    let real = dir.canonicalize().map_err(|e| format!("{}: {e}", dir.display()))?;
    match real.file_name().and_then(|name| name.to_str()) {
        Some(name) => Ok(CatalogConfig { name: name.to_owned(), path: dir }),
        None => Err(format!("{} has no name to attach; use --catalog NAME={}", dir.display(), dir.display())),
    }
}

fn parse_catalog(text: &str) -> Result<CatalogConfig, String> {
    match text.split_once('=') {
        Some((name, path)) if !name.is_empty() && !path.is_empty() => {
            Ok(CatalogConfig { name: name.to_owned(), path: path.into() })
        }
        _ => Err("expected NAME=PATH, for example sales=/data/sales".to_owned()),
    }
}

fn parse_mode(text: &str) -> Result<u32, String> {
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| mode & !0o777 == 0)
        .ok_or_else(|| "expected permission bits in octal, for example 660".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        <Cli as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn tables_are_as_told() {
        let options = |arguments: &[&str]| {
            let line = ["deltaport", "serve", "."].iter().chain(arguments);
            let Command::Serve { options, .. } = Cli::try_parse_from(line)?.command else { panic!("it serves") };
            Ok::<_, clap::Error>(options.config(vec![]).delta)
        };
        assert_eq!(options(&[]).unwrap(), DeltaOptions::default());
        let told = options(&["--new-table-deletion-vectors", "false", "--deletion-vectors", "never"]).unwrap();
        assert!(!told.new_table_deletion_vectors);
        assert_eq!(told.deletion_vectors, DeletionVectors::Never);
        assert_eq!(options(&["--deletion-vectors", "as-table"]).unwrap(), DeltaOptions::default());
        assert!(options(&["--deletion-vectors", "always"]).is_err());
        assert!(options(&["--new-table-deletion-vectors"]).is_err());
    }

    #[test]
    fn catalogs_and_modes_are_checked() {
        assert_eq!(parse_catalog("a=/x=y").map(|c| c.path), Ok(PathBuf::from("/x=y")));
        assert!(parse_catalog("=x").is_err() && parse_catalog("x").is_err() && parse_catalog("x=").is_err());
        assert_eq!(parse_mode("600"), Ok(0o600));
        assert!(parse_mode("1777").is_err() && parse_mode("9").is_err());
    }
}
