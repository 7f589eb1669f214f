//! The `deltaport` binary: settings, log, bind, print the ATTACH lines, serve, drain.

use std::{
    io::{self, IsTerminal, Write},
    process::ExitCode,
    sync::Arc,
};

use clap::Parser;
use deltaport::{
    app::Server,
    cli::{self, Cli, Command},
    config::Config,
    delta::DeltaFormat,
    demo, shutdown,
};
use tracing::error;
use tracing_subscriber::EnvFilter;

/// The server's own events; the Delta kernel tells of every log replay at level info.
const LOG_DEFAULT: &str = "warn,deltaport=info,deltaport_transports=info";

fn main() -> ExitCode {
    let cli = Cli::parse();
    init_log();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&format!("starting the runtime: {error}")),
    };
    match runtime.block_on(run(cli.command)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => failed(&message),
    }
}

async fn run(command: Command) -> Result<(), String> {
    let config = configure(command).await?;
    // The handlers stand before anybody can be told the address, so no signal is lost.
    let signalled = shutdown::signalled().map_err(|e| format!("installing signal handlers: {e}"))?;
    let server = Server::bind(config).await.map_err(|e| e.to_string())?;
    announce(&server).map_err(|e| format!("printing the ATTACH lines: {e}"))?;
    server.run(signalled).await.map_err(|e| e.to_string())
}

async fn configure(command: Command) -> Result<Config, String> {
    match command {
        Command::Serve { dir, mut catalogs, options } => {
            if let Some(dir) = dir {
                catalogs.insert(0, cli::catalog_of(dir)?);
            }
            Ok(options.config(catalogs))
        }
        Command::Demo { dir, options } => {
            let format = Arc::new(DeltaFormat::new(options.delta.options()));
            demo::make(&dir, format.as_ref()).await.map_err(|e| format!("making the sample lake: {e}"))?;
            Ok(options.config(vec![cli::catalog_of(dir)?]))
        }
    }
}

/// Says on standard output what to paste into DuckDB.
fn announce(server: &Server) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "INSTALL airport FROM community; LOAD airport;")?;
    for line in server.attach_lines() {
        writeln!(out, "{line}")?;
    }
    out.flush()
}

fn init_log() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(LOG_DEFAULT));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
}

fn failed(message: &str) -> ExitCode {
    error!("{message}");
    ExitCode::FAILURE
}
