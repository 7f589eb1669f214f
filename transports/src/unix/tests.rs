//! What Unix sockets do beyond the contract: the socket file and the peer's credentials.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net as std_unix;
use std::path::PathBuf;

use tempfile::TempDir;

use super::*;
use crate::contract::{Setup, transport_contract};

async fn setup() -> Setup {
    let (directory, path) = socket_path();
    let listener = bind(&path).unwrap();
    Setup { listener: Box::new(listener), connector: Box::new(UnixConnector::new(&path)), directory: Some(directory) }
}

transport_contract!(setup);

fn socket_path() -> (TempDir, PathBuf) {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("x.sock");
    (directory, path)
}

fn bind(path: &Path) -> Result<UnixListener, Error> {
    UnixListener::bind(path, &UnixOptions::default())
}

fn names_in(directory: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(directory.path()).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Leaves a socket file that nobody listens on.
fn leave_stale(path: &Path) {
    drop(std_unix::UnixListener::bind(path).unwrap());
    assert!(fs::symlink_metadata(path).unwrap().file_type().is_socket());
}

async fn is_served(path: &Path, listener: &mut UnixListener) -> bool {
    let connector = UnixConnector::new(path);
    let (dialled, accepted) = tokio::join!(connector.dial(), listener.accept());
    dialled.is_ok() && accepted.is_ok()
}

#[tokio::test]
async fn the_peers_credentials_are_those_of_its_process() {
    let mut setup = setup().await;
    let (dialled, accepted) = setup.connect().await;
    let own = fs::metadata("/proc/self").unwrap();
    for end in [dialled, accepted] {
        let Peer::Unix { path, credentials: Some(credentials) } = end.peer() else { panic!("{end:?}") };
        assert!(path.ends_with("x.sock"));
        assert_eq!((credentials.uid, credentials.gid), (own.uid(), own.gid()));
        assert_eq!(credentials.pid, Some(i32::try_from(std::process::id()).unwrap()));
    }
}

#[tokio::test]
async fn the_mode_is_as_asked_whatever_the_umask() {
    for mode in [0o600, 0o660, 0o666, 0o777] {
        let (_directory, path) = socket_path();
        let _listener = UnixListener::bind(&path, &UnixOptions { mode, ..UnixOptions::default() }).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, mode);
    }
    let (_directory, path) = socket_path();
    let _listener = bind(&path).unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600, "only the own user by default");
}

#[tokio::test]
async fn a_mode_beyond_nine_bits_is_refused_and_leaves_nothing() {
    let (directory, path) = socket_path();
    let error = UnixListener::bind(&path, &UnixOptions { mode: 0o1660, ..UnixOptions::default() }).unwrap_err();
    assert!(matches!(error, Error::Mode { mode: 0o1660, .. }));
    assert!(error.to_string().contains("1660"), "{error}");
    assert!(names_in(&directory).is_empty());
}

#[tokio::test]
async fn the_owner_is_as_asked_or_the_bind_fails_and_leaves_nothing() {
    let (directory, path) = socket_path();
    let own = fs::metadata(directory.path()).unwrap();
    let privileged = own.uid() == 0;
    let (uid, gid) = (own.uid() + 1, own.gid() + 1);
    match UnixListener::bind(&path, &UnixOptions { mode: 0o660, uid: Some(uid), gid: Some(gid) }) {
        Ok(_listener) => {
            assert!(privileged);
            let metadata = fs::metadata(&path).unwrap();
            assert_eq!((metadata.uid(), metadata.gid(), metadata.mode() & 0o777), (uid, gid, 0o660));
        }
        Err(error) => {
            assert!(!privileged && matches!(error, Error::File { .. }), "{error}");
            assert!(names_in(&directory).is_empty());
        }
    }
    let own = UnixOptions { uid: Some(own.uid()), gid: Some(own.gid()), ..UnixOptions::default() };
    UnixListener::bind(&path, &own).unwrap();
}

#[tokio::test]
async fn a_dropped_listener_leaves_nothing_behind() {
    let (directory, path) = socket_path();
    let listener = bind(&path).unwrap();
    assert_eq!(names_in(&directory).len(), 2, "the socket and its lock");
    drop(listener);
    assert!(names_in(&directory).is_empty());
}

#[tokio::test]
async fn a_stale_socket_is_replaced() {
    let (_directory, path) = socket_path();
    leave_stale(&path);
    fs::write(lock_file(&path), "").unwrap();
    let mut listener = bind(&path).unwrap();
    assert!(is_served(&path, &mut listener).await);
}

#[tokio::test]
async fn a_live_server_of_this_kind_is_refused_and_goes_on() {
    let (_directory, path) = socket_path();
    let mut first = bind(&path).unwrap();
    let error = bind(&path).unwrap_err();
    assert!(matches!(&error, Error::Locked { lock, .. } if *lock == lock_file(&path)), "{error}");
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    assert!(is_served(&path, &mut first).await);
}

#[tokio::test]
async fn a_live_server_without_our_lock_is_refused_and_goes_on() {
    let (directory, path) = socket_path();
    let other = std_unix::UnixListener::bind(&path).unwrap();
    let error = bind(&path).unwrap_err();
    assert!(matches!(error, Error::Live { .. }), "{error}");
    assert_eq!(names_in(&directory), ["x.sock"], "no lock is left");
    std_unix::UnixStream::connect(&path).unwrap();
    drop(other);
}

#[tokio::test]
async fn a_live_server_with_a_full_backlog_is_refused() {
    let (_directory, path) = socket_path();
    let busy = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
    busy.bind(&SockAddr::unix(&path).unwrap()).unwrap();
    busy.listen(0).unwrap();
    let mut waiting = Vec::new();
    loop {
        let socket = Socket::new(Domain::UNIX, Type::STREAM, None).unwrap();
        socket.set_nonblocking(true).unwrap();
        if socket.connect(&SockAddr::unix(&path).unwrap()).is_err() {
            break;
        }
        waiting.push(socket);
    }
    assert!(matches!(bind(&path), Err(Error::Live { .. })));
}

#[tokio::test]
async fn a_socket_of_another_type_is_refused_and_kept() {
    let (_directory, path) = socket_path();
    let _datagrams = std_unix::UnixDatagram::bind(&path).unwrap();
    assert!(matches!(bind(&path), Err(Error::Doubtful { .. })));
    assert!(path.exists());
}

#[tokio::test]
async fn what_is_no_socket_is_refused_and_kept() {
    let (directory, path) = socket_path();
    let refused = |found: &str| {
        let error = bind(&path).unwrap_err();
        assert!(matches!(&error, Error::NotASocket { found: is, .. } if *is == found), "{error}");
        assert!(error.to_string().contains(found), "{error}");
        assert!(!lock_file(&path).exists());
    };
    fs::write(&path, "precious").unwrap();
    refused("a regular file");
    assert_eq!(fs::read(&path).unwrap(), b"precious");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    refused("a directory");
    fs::remove_dir(&path).unwrap();
    // Even to a stale socket: what a link leads to was not named.
    leave_stale(&directory.path().join("stale.sock"));
    symlink("stale.sock", &path).unwrap();
    refused("a symbolic link");
    assert!(path.is_symlink());
}

#[tokio::test]
async fn a_missing_directory_is_named() {
    let (directory, _) = socket_path();
    let missing = directory.path().join("missing");
    let error = bind(&missing.join("x.sock")).unwrap_err();
    assert!(matches!(&error, Error::NoDirectory { directory, .. } if *directory == missing), "{error}");
}

#[tokio::test]
async fn a_path_too_long_for_a_socket_is_refused_and_leaves_nothing() {
    let (directory, _) = socket_path();
    let error = bind(&directory.path().join("x".repeat(120))).unwrap_err();
    assert!(matches!(error, Error::Listen { .. }), "{error}");
    assert!(names_in(&directory).is_empty());
}

#[tokio::test]
async fn a_lock_that_is_a_link_is_refused() {
    let (directory, path) = socket_path();
    fs::write(directory.path().join("elsewhere"), "precious").unwrap();
    symlink("elsewhere", lock_file(&path)).unwrap();
    assert!(matches!(bind(&path), Err(Error::File { .. })));
    assert_eq!(fs::read(directory.path().join("elsewhere")).unwrap(), b"precious");
}

#[tokio::test]
async fn a_file_that_took_the_place_of_ours_is_kept() {
    let (directory, path) = socket_path();
    let listener = bind(&path).unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(&path, "another's").unwrap();
    drop(listener);
    assert_eq!(names_in(&directory), ["x.sock"]);
}

#[tokio::test]
async fn running_connections_outlive_their_listener() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let Setup { mut listener, connector, directory: _directory } = setup().await;
    let (dialled, accepted) = tokio::join!(connector.dial(), listener.accept());
    let (mut dialled, mut accepted) = (dialled.unwrap(), accepted.unwrap());
    drop(listener);
    dialled.write_all(b"x").await.unwrap();
    assert_eq!(accepted.read_u8().await.unwrap(), b'x');
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_many_starters_on_a_stale_socket_exactly_one_wins() {
    for _ in 0..20 {
        let (directory, path) = socket_path();
        leave_stale(&path);
        let start = std::sync::Arc::new(tokio::sync::Barrier::new(8));
        let starters: Vec<_> = (0..8)
            .map(|_| {
                let (path, start) = (path.clone(), std::sync::Arc::clone(&start));
                tokio::spawn(async move {
                    start.wait().await;
                    bind(&path)
                })
            })
            .collect();
        let mut winners = Vec::new();
        for starter in starters {
            match starter.await.unwrap() {
                Ok(listener) => winners.push(listener),
                Err(error) => assert!(matches!(error, Error::Locked { .. } | Error::Live { .. }), "{error}"),
            }
        }
        assert_eq!(winners.len(), 1);
        assert!(is_served(&path, &mut winners[0]).await);
        drop(winners);
        assert!(names_in(&directory).is_empty());
    }
}

fn lock_file(path: &Path) -> PathBuf {
    path.with_extension("sock.lock")
}
