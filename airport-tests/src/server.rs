//! The built binary as a process of its own.
//!
//! Dropping a [`Server`] kills it (SIGKILL), as a crash would. A server that dies or does not come up fails the
//! test with what it wrote to stderr.

use std::{
    fmt,
    io::{BufRead, BufReader, Read},
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::client::Client;

/// A guard against a server that hangs; no test waits for it to pass.
const HANG: Duration = Duration::from_secs(60);

/// How often a process is asked whether it has ended.
const POLL: Duration = Duration::from_millis(5);

/// The catalog every [`Server::start`] serves.
pub const CATALOG: &str = "lake";

/// What the command line says.
#[derive(Debug)]
pub struct Setup {
    directory: TempDir,
    command: &'static str,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    lines: usize,
}

/// A running server.
pub struct Server {
    setup: Setup,
    child: Child,
    attach: Vec<Attach>,
    stderr: Arc<Mutex<String>>,
    collector: Option<JoinHandle<()>>,
    ended: Option<ExitStatus>,
}

/// One line `ATTACH 'catalog' (TYPE airport, LOCATION 'location');`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attach {
    /// The catalog's name.
    pub catalog: String,
    /// `grpc://HOST:PORT` or `grpc+unix:///PATH`
    pub location: String,
}

impl Setup {
    /// A fresh directory that holds an empty lake; nothing served and nowhere to listen yet.
    pub fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("deltaport").tempdir().expect("a temporary directory");
        std::fs::create_dir(directory.path().join(CATALOG)).expect("the lake directory");
        Self { directory, command: "serve", arguments: Vec::new(), environment: Vec::new(), lines: 0 }
    }

    /// The lake directory.
    pub fn lake(&self) -> PathBuf {
        self.directory.path().join(CATALOG)
    }

    /// A path beside the lake.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Where [`Setup::unix`] listens.
    pub fn socket(&self) -> PathBuf {
        self.beside("deltaport.sock")
    }

    /// Runs `deltaport demo` instead of `deltaport serve`.
    #[must_use]
    pub fn demo(mut self) -> Self {
        self.command = "demo";
        self
    }

    /// Adds arguments after the command.
    #[must_use]
    pub fn arguments<T: Into<String>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable of the server.
    #[must_use]
    pub fn environment(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Serves the lake directory.
    #[must_use]
    pub fn serve_lake(self) -> Self {
        let lake = self.lake().to_str().expect("a temporary path is UTF-8").to_owned();
        self.arguments([lake])
    }

    /// Listens on a port the system picks.
    #[must_use]
    pub fn tcp(self) -> Self {
        self.listen("tcp://127.0.0.1:0")
    }

    /// Listens on a Unix socket beside the lake.
    #[must_use]
    pub fn unix(self) -> Self {
        let socket = format!("unix://{}", self.socket().display());
        self.listen(&socket)
    }

    /// Listens on `endpoint`, and waits for one more ATTACH line.
    #[must_use]
    pub fn listen(mut self, endpoint: &str) -> Self {
        self.lines += 1;
        self.arguments(["--listen", endpoint])
    }

    /// Waits for this many ATTACH lines instead of one for each listener.
    #[must_use]
    pub fn lines(mut self, lines: usize) -> Self {
        self.lines = lines;
        self
    }

    /// Forgets what the command line said; the directory stays, for a server that comes after another.
    #[must_use]
    pub fn again(self) -> Self {
        Self { command: "serve", arguments: Vec::new(), environment: Vec::new(), lines: 0, ..self }
    }

    /// Starts the server and waits for its ATTACH lines.
    ///
    /// # Panics
    /// If it ends or hangs before it has printed them.
    pub fn start(self) -> Server {
        match self.spawn().attached() {
            Ok(server) => server,
            Err(stderr) => panic!("the server did not come up; it said:\n{stderr}"),
        }
    }

    /// Starts a server that must refuse to run: its exit status and its stderr.
    ///
    /// # Panics
    /// If it comes up.
    pub fn refused(self) -> (ExitStatus, String) {
        let mut server = self.spawn();
        let status = server.wait();
        // It has ended, so what it wrote has an end; the last of it may still be on its way here.
        if let Some(collector) = server.collector.take() {
            collector.join().expect("reading does not panic");
        }
        let stderr = server.stderr();
        assert!(!status.success(), "it ended well: {stderr}");
        (status, stderr)
    }

    fn spawn(self) -> Server {
        let mut child = Command::new(binary())
            .arg(self.command)
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|e| panic!("{}: {e}; `cargo build` makes it, ./check does so first", binary().display()));
        let stderr = Arc::new(Mutex::new(String::new()));
        let collector = Some(collect(child.stderr.take().expect("it is piped"), Arc::clone(&stderr)));
        Server { setup: self, child, attach: Vec::new(), stderr, collector, ended: None }
    }
}

impl Default for Setup {
    fn default() -> Self {
        Self::new()
    }
}

impl Server {
    /// Serves an empty lake over TCP and over a Unix socket.
    pub fn start() -> Self {
        Setup::new().serve_lake().tcp().unix().start()
    }

    /// The lake directory.
    pub fn lake(&self) -> PathBuf {
        self.setup.lake()
    }

    /// Where a table lies.
    pub fn table(&self, schema: &str, table: &str) -> PathBuf {
        self.lake().join(schema).join(table)
    }

    /// The path of the Unix socket.
    pub fn socket(&self) -> PathBuf {
        self.setup.socket()
    }

    /// All ATTACH lines, in order.
    pub fn attach(&self) -> &[Attach] {
        &self.attach
    }

    /// The first location of TCP.
    pub fn tcp(&self) -> &str {
        self.location("grpc://")
    }

    /// The first location of a Unix socket.
    pub fn unix(&self) -> &str {
        self.location("grpc+unix://")
    }

    /// A client of the first listener.
    pub async fn client(&self) -> Client {
        let Attach { catalog, location } = &self.attach[0];
        Client::attach(location, catalog).await.expect("a running server takes connections")
    }

    /// What it has written to stderr so far.
    pub fn stderr(&self) -> String {
        self.stderr.lock().expect("its holders do not panic").clone()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end (SIGTERM).
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends it a signal by name. The shell's `kill` needs no crate and no `unsafe`.
    pub fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.child.id());
        let status = Command::new("sh").args(["-c", &kill]).status().expect("a shell");
        assert!(status.success(), "{kill}: {status}");
    }

    /// Waits until it has ended. Clients of the calling task's runtime go on meanwhile: a peer that does not answer
    /// is something else than one that is idle.
    ///
    /// # Panics
    /// If it hangs.
    pub async fn ended(&mut self) -> ExitStatus {
        let since = Instant::now();
        loop {
            if let Some(status) = self.poll() {
                return status;
            }
            assert!(since.elapsed() < HANG, "the server does not end; it said:\n{}", self.stderr());
            tokio::time::sleep(POLL).await; // there is no wait with a deadline in std
        }
    }

    /// As [`Server::ended`], where no client is connected.
    fn wait(&mut self) -> ExitStatus {
        let since = Instant::now();
        loop {
            if let Some(status) = self.poll() {
                return status;
            }
            assert!(since.elapsed() < HANG, "the server does not end; it said:\n{}", self.stderr());
            std::thread::sleep(POLL);
        }
    }

    /// Its exit status if it has ended.
    pub fn poll(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().expect("the child is ours");
        }
        self.ended
    }

    /// Ends it with SIGTERM and checks that it ended well; the lake stays until the returned setup is dropped.
    ///
    /// Blocks, so no client of the calling task's runtime may be connected: see [`Server::stop_beside_clients`].
    pub fn stop(mut self) -> Setup {
        self.terminate();
        let status = self.wait();
        self.stopped(status)
    }

    /// As [`Server::stop`], while clients of the calling task's runtime are connected.
    pub async fn stop_beside_clients(mut self) -> Setup {
        self.terminate();
        let status = self.ended().await;
        self.stopped(status)
    }

    fn stopped(mut self, status: ExitStatus) -> Setup {
        assert!(status.success(), "SIGTERM ended it with {status}; it said:\n{}", self.stderr());
        std::mem::take(&mut self.setup)
    }

    /// Takes the setup of a server that has ended; the lake stays until it is dropped.
    pub fn setup(mut self) -> Setup {
        assert!(self.poll().is_some(), "it is still running");
        std::mem::take(&mut self.setup)
    }

    /// Kills it as a crash would; the lake stays until the returned setup is dropped.
    pub fn crash(mut self) -> Setup {
        self.child.kill().expect("the child is ours");
        let status = self.wait();
        assert_eq!(status.signal(), Some(9), "it had ended before it was killed: {}", self.stderr());
        std::mem::take(&mut self.setup)
    }

    fn location(&self, scheme: &str) -> &str {
        let found = self.attach.iter().find(|attach| attach.location.starts_with(scheme));
        &found.unwrap_or_else(|| panic!("no {scheme} among {:?}", self.attach)).location
    }

    fn attached(mut self) -> Result<Self, String> {
        let (lines, printed) = mpsc::channel();
        let stdout = BufReader::new(self.child.stdout.take().expect("it is piped"));
        // Reads on after the last line, so that the server never meets a closed pipe.
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).for_each(|line| drop(lines.send(line))));
        while self.attach.len() < self.setup.lines {
            match printed.recv_timeout(HANG) {
                Ok(line) => self.attach.extend(Attach::parse(&line)),
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    let status = self.wait();
                    return Err(format!("{}\n({status})", self.stderr()));
                }
                Err(mpsc::RecvTimeoutError::Timeout) => return Err(format!("{}\n(it hangs)", self.stderr())),
            }
        }
        Ok(self)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.poll().is_none() {
            self.child.kill().ok();
            self.child.wait().ok();
        }
        if std::thread::panicking() {
            eprintln!("--- the server said:\n{}---", self.stderr());
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("id", &self.id()).field("attach", &self.attach).finish_non_exhaustive()
    }
}

impl Attach {
    /// Reads one line of the server's stdout; `None` if it is another kind of line.
    pub fn parse(line: &str) -> Option<Self> {
        let rest = line.trim().strip_prefix("ATTACH '")?.strip_suffix("');")?;
        let (catalog, location) = rest.split_once("' (TYPE airport, LOCATION '")?;
        Some(Self { catalog: catalog.replace("''", "'"), location: location.replace("''", "'") })
    }
}

/// The binary cargo built beside the test executables (`TARGET/debug/deps/it-…`).
pub fn binary() -> PathBuf {
    let test = std::env::current_exe().expect("the test knows its own path");
    let profile = test.parent().and_then(Path::parent).expect("a test lies in the profile's deps directory");
    profile.join(format!("deltaport{}", std::env::consts::EXE_SUFFIX))
}

fn collect(mut from: impl Read + Send + 'static, into: Arc<Mutex<String>>) -> JoinHandle<()> {
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(len @ 1..) = from.read(&mut buffer) {
            into.lock().expect("its holders do not panic").push_str(&String::from_utf8_lossy(&buffer[..len]));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_an_attach_line() {
        let line = "ATTACH 'o''lake' (TYPE airport, LOCATION 'grpc+unix:///run/x.sock');";
        let attach = Attach { catalog: "o'lake".into(), location: "grpc+unix:///run/x.sock".into() };
        assert_eq!(Attach::parse(line), Some(attach));
        assert_eq!(Attach::parse("listening on tcp://127.0.0.1:1"), None);
    }
}
