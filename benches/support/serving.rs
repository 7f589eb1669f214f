//! A server in this process, on a runtime of its own, over TCP and a Unix socket.

use std::{path::Path, thread::JoinHandle};

use airport_tests::server::Attach;
use deltaport::app::{Server, StartError};
use deltaport_transports::Endpoint;
use tokio::sync::oneshot;

/// The names of the transports, in the order of [`Serving::locations`].
pub(crate) const TRANSPORTS: [&str; 2] = ["tcp", "unix"];

/// A running server; dropping it stops it.
#[derive(Debug)]
pub(crate) struct Serving {
    /// Where it listens, as ATTACH takes it.
    pub(crate) locations: Vec<String>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Serving {
    /// Serves what `bind` binds to the endpoints it is given; the Unix socket lies at `socket`.
    pub(crate) fn start<F>(socket: &Path, bind: impl FnOnce(Vec<Endpoint>) -> F + Send + 'static) -> Self
    where
        F: Future<Output = Result<Server, StartError>>,
    {
        let endpoint = |text: &str| text.parse::<Endpoint>().expect("an endpoint");
        let listen = vec![endpoint("tcp://127.0.0.1:0"), endpoint(&format!("unix://{}", socket.display()))];
        let (stop, stopped) = oneshot::channel();
        let (ready, lines) = std::sync::mpsc::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                let server = bind(listen).await.expect("the server starts");
                ready.send(server.attach_lines()).expect("its starter waits");
                server.run(async { drop(stopped.await) }).await.expect("the server runs");
            });
        });
        let lines = lines.recv().expect("the server starts");
        let locations = lines.iter().filter_map(|line| Attach::parse(line)).map(|attach| attach.location).collect();
        Self { locations, stop: Some(stop), thread: Some(thread) }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            thread.join().ok();
        }
    }
}
