//! One DuckDB process with the Airport extension loaded.
//!
//! `DELTAPORT_DUCKDB` names a command; without it `readers/duck.py` plays the part with the pinned Python package.
//! Either is started with `-i -csv -noheader -a`, loads the extension `AIRPORT_EXTENSION` names, and then answers
//! each block of lines that ends with `;` with its rows and a line `--END-- ok`, or with `Error: ...` and a line
//! `--END-- error`.

use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use tempfile::TempDir;

/// An open session; dropping it ends the process.
#[derive(Debug)]
pub struct Session {
    process: Child,
    statements: ChildStdin,
    output: BufReader<ChildStdout>,
    _home: TempDir,
}

impl Session {
    /// Starts the process and loads the extension.
    ///
    /// # Panics
    /// If no client was given (see the module).
    pub fn start() -> Self {
        // The extension keeps a disk cache of catalogs under HOME; a fresh one makes every run a first run.
        let home = tempfile::tempdir().expect("a temporary directory");
        let mut process = command()
            .args(["-i", "-csv", "-noheader", "-a"])
            .env("HOME", home.path())
            .env("QUERY_FARM_TELEMETRY_OPT_OUT", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the DuckDB command starts");
        let statements = process.stdin.take().expect("it is piped");
        let output = BufReader::new(process.stdout.take().expect("it is piped"));
        let mut session = Self { process, statements, output, _home: home };
        session.execute("SET TimeZone = 'UTC'").expect("a first statement");
        session
    }

    /// The lines a statement printed, or its error.
    pub fn execute(&mut self, sql: &str) -> Result<Vec<String>, String> {
        let sql = sql.trim().trim_end_matches(';');
        assert!(!sql.lines().any(|line| line.trim_end().ends_with(';')), "a block ends at the first such line: {sql}");
        writeln!(self.statements, "{sql};").map_err(|e| format!("the DuckDB process has ended: {e}"))?;
        let mut lines = Vec::new();
        loop {
            let mut line = String::new();
            match self.output.read_line(&mut line) {
                Ok(1..) => {}
                ended => return Err(format!("the DuckDB process has ended ({ended:?}): {}", lines.join("\n"))),
            }
            match line.trim_end_matches('\n') {
                "--END-- ok" => return Ok(lines),
                "--END-- error" => return Err(lines.join("\n")),
                line => lines.push(line.to_owned()),
            }
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
    }
}

fn command() -> Command {
    if let Ok(command) = std::env::var("DELTAPORT_DUCKDB") {
        return Command::new(command);
    }
    let python = std::env::var("DELTAPORT_TEST_PYTHON").expect("run ./check, which sets DELTAPORT_TEST_PYTHON");
    let mut command = Command::new(python);
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("readers/duck.py"));
    command
}
