//! What every transport promises, as tests. A transport's tests are one call of `transport_contract!` and what is
//! its own.

use std::io::IoSlice;

use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::{AcceptError, Connection, Connector, Error, Listener};

/// A bound transport and the way to it.
pub(crate) struct Setup {
    pub(crate) listener: Box<dyn Listener>,
    pub(crate) connector: Box<dyn Connector>,
    /// What the endpoint lies in, kept while it is used.
    pub(crate) directory: Option<tempfile::TempDir>,
}

impl Setup {
    /// The dialling end and the accepting end of a new connection.
    pub(crate) async fn connect(&mut self) -> (Connection, Connection) {
        let (dialled, accepted) = tokio::join!(self.connector.dial(), self.listener.accept());
        (dialled.unwrap(), accepted.unwrap())
    }
}

/// Makes one named test of each promise; `$setup` is an async function giving a [`Setup`].
macro_rules! transport_contract {
    ($setup:ident) => {
        crate::contract::transport_contract! { @tests $setup:
            both_ends_name_the_same_endpoint bytes_arrive_whole_in_both_directions_at_once
            vectored_writes_are_offered_and_keep_their_order a_half_close_is_read_as_the_end_and_leaves_the_other_half
            a_dropped_end_is_read_as_the_end connections_are_independent
            peers_may_connect_before_they_are_accepted a_cancelled_accept_loses_no_connection
            a_dropped_listener_refuses_dials
        }
    };
    (@tests $setup:ident: $($name:ident)*) => {
        mod contract {
            $(#[tokio::test]
            async fn $name() {
                crate::contract::$name(super::$setup().await).await;
            })*
        }
    };
}
pub(crate) use transport_contract;

pub(crate) async fn both_ends_name_the_same_endpoint(setup: Setup) {
    assert_eq!(setup.listener.endpoint(), setup.connector.endpoint());
}

pub(crate) async fn bytes_arrive_whole_in_both_directions_at_once(mut setup: Setup) {
    const BYTES: usize = 1 << 20;
    let (dialled, accepted) = setup.connect().await;
    let there: Vec<u8> = (0..BYTES).map(|i| (i % 251) as u8).collect();
    let back: Vec<u8> = (0..BYTES).map(|i| (i % 241) as u8).collect();
    let exchange = async |end: Connection, sent: &[u8]| {
        let (mut reader, mut writer) = tokio::io::split(end);
        let mut received = vec![0; BYTES];
        let (read, written) = tokio::join!(reader.read_exact(&mut received), async {
            writer.write_all(sent).await?;
            writer.flush().await
        });
        read.unwrap();
        written.unwrap();
        // Both halves live until all is read: a dropped end may throw away what the peer has not read.
        (received, reader.unsplit(writer))
    };
    let ((came_back, _dialled), (came_there, _accepted)) =
        tokio::join!(exchange(dialled, &there), exchange(accepted, &back));
    assert!(came_there == there && came_back == back);
}

pub(crate) async fn vectored_writes_are_offered_and_keep_their_order(mut setup: Setup) {
    let (mut dialled, mut accepted) = setup.connect().await;
    assert!(dialled.is_write_vectored() && accepted.is_write_vectored());
    for (from, to) in [(true, b"there!"), (false, b"back!!")] {
        let (writer, reader) = if from { (&mut dialled, &mut accepted) } else { (&mut accepted, &mut dialled) };
        let slices = [IoSlice::new(&to[..2]), IoSlice::new(&[]), IoSlice::new(&to[2..])];
        assert_eq!(writer.write_vectored(&slices).await.unwrap(), to.len());
        let mut received = [0; 6];
        reader.read_exact(&mut received).await.unwrap();
        assert_eq!(&received, to);
    }
}

pub(crate) async fn a_half_close_is_read_as_the_end_and_leaves_the_other_half(mut setup: Setup) {
    let (mut dialled, mut accepted) = setup.connect().await;
    dialled.write_all(b"request").await.unwrap();
    dialled.shutdown().await.unwrap();
    let mut request = Vec::new();
    accepted.read_to_end(&mut request).await.unwrap();
    assert_eq!(request, b"request");
    accepted.write_all(b"reply").await.unwrap();
    accepted.shutdown().await.unwrap();
    let mut reply = Vec::new();
    dialled.read_to_end(&mut reply).await.unwrap();
    assert_eq!(reply, b"reply");
}

pub(crate) async fn a_dropped_end_is_read_as_the_end(mut setup: Setup) {
    let (mut dialled, accepted) = setup.connect().await;
    drop(accepted);
    assert_eq!(dialled.read(&mut [0; 8]).await.unwrap(), 0);
}

pub(crate) async fn connections_are_independent(mut setup: Setup) {
    let (mut first, mut first_accepted) = setup.connect().await;
    let (second, second_accepted) = setup.connect().await;
    drop((second, second_accepted));
    first.write_all(b"x").await.unwrap();
    assert_eq!(first_accepted.read_u8().await.unwrap(), b'x');
}

pub(crate) async fn peers_may_connect_before_they_are_accepted(mut setup: Setup) {
    let mut dialled = setup.connector.dial().await.unwrap();
    dialled.write_all(b"early").await.unwrap();
    let mut accepted = setup.listener.accept().await.unwrap();
    let mut received = [0; 5];
    accepted.read_exact(&mut received).await.unwrap();
    assert_eq!(&received, b"early");
}

pub(crate) async fn a_cancelled_accept_loses_no_connection(mut setup: Setup) {
    // Polled once, then dropped: nobody had dialled.
    let cancelled: Option<Result<Connection, AcceptError>> = tokio::select! {
        biased;
        accepted = setup.listener.accept() => Some(accepted),
        () = std::future::ready(()) => None,
    };
    assert!(cancelled.is_none());
    let (mut dialled, mut accepted) = setup.connect().await;
    dialled.write_all(b"x").await.unwrap();
    assert_eq!(accepted.read_u8().await.unwrap(), b'x');
}

pub(crate) async fn a_dropped_listener_refuses_dials(setup: Setup) {
    let Setup { listener, connector, directory: _directory } = setup;
    let endpoint = listener.endpoint().clone();
    drop(listener);
    let error = connector.dial().await.unwrap_err();
    assert!(matches!(&error, Error::Dial { endpoint: named, .. } if *named == endpoint), "{error}");
    assert!(error.to_string().contains(&endpoint.to_string()), "{error}");
}
