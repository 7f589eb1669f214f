//! Start and end of a server: drain, sockets, ports.

use std::os::unix::fs::{FileTypeExt, PermissionsExt};

use airport_tests::{
    client::Client,
    server::{CATALOG, Server, Setup},
};

use crate::support::{SALES, create_people, eventually, ids, lake, listed, seen};

/// Only running calls are waited for; a grace this long would outlast the guard against hanging.
const GRACE: [&str; 2] = ["--drain-grace-seconds", "3600"];

#[tokio::test]
async fn a_signal_ends_an_idle_server_well() {
    for signal in ["TERM", "INT"] {
        let mut server = Setup::new().serve_lake().unix().arguments(GRACE).start();
        let idle = server.client().await;
        idle.list_schemas().await.unwrap();
        assert!(server.socket().exists());
        server.signal(signal);
        let status = server.ended().await;
        assert!(status.success(), "SIG{signal}: {status}; it said:\n{}", server.stderr());
        assert!(!server.socket().exists(), "SIG{signal} left the socket file");
    }
}

/// A peer that says nothing, or greets and never answers, is no call that runs.
#[tokio::test]
async fn silent_peers_do_not_hold_up_the_end() {
    let mut server = Setup::new().serve_lake().unix().arguments(GRACE).start();
    let greeting = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    let peers = [&b""[..], &greeting[..10], greeting].map(|said| {
        let mut peer = std::os::unix::net::UnixStream::connect(server.socket()).unwrap();
        std::io::Write::write_all(&mut peer, said).unwrap();
        peer
    });
    let client = server.client().await;
    client.list_schemas().await.unwrap();
    server.terminate();
    let status = server.ended().await;
    assert!(status.success(), "{status}; it said:\n{}", server.stderr());
    drop((peers, client));
}

#[tokio::test]
async fn a_running_insert_drains() {
    let (mut server, client) = lake().await;
    let table = create_people(&client, "t").await;
    let mut exchange = client.exchange(&table, "insert", false).await;
    exchange.send_schema(&table.insert_schema()).await;
    exchange.read_schema().await.unwrap();
    exchange.send_batch(&ids(0..2048)).await;

    server.terminate();
    let location = server.tcp().to_owned();
    eventually("no new connection is taken", async || Client::attach(&location, CATALOG).await.is_err()).await;
    assert!(server.poll().is_none(), "a call is running");

    exchange.send_batch(&ids(2048..4096)).await;
    exchange.half_close();
    assert_eq!(exchange.read_changed().await.unwrap(), 4096);
    let status = server.ended().await;
    assert!(status.success(), "{status}; it said:\n{}", server.stderr());

    let server = server.setup().again().serve_lake().tcp().start();
    let client = server.client().await;
    let table = listed(&client, SALES, "t").await;
    assert_eq!(seen(&client, &table).await.len(), 4096);
}

#[tokio::test]
async fn a_running_scan_drains() {
    let (mut server, client) = lake().await;
    let table = create_people(&client, "t").await;
    client.insert(&table, &[ids(0..300_000)]).await.unwrap();
    let mut streams = Vec::new();
    for endpoint in client.endpoints(&table, &["id", "name"], "[]").await.unwrap() {
        streams.push(client.get(&table, endpoint).await.unwrap());
    }
    server.terminate();
    let mut rows = 0;
    for mut stream in streams {
        while let Some(batch) = stream.next().await.unwrap() {
            rows += batch.num_rows();
        }
    }
    assert_eq!(rows, 300_000);
    assert!(server.ended().await.success(), "it said:\n{}", server.stderr());
}

/// Whatever a client does, the server ends: here one that never finishes its insert.
#[tokio::test]
async fn the_drain_has_an_end() {
    let setup = Setup::new().serve_lake().unix().arguments(["--drain-grace-seconds", "1"]);
    let mut server = setup.start();
    let client = server.client().await;
    client.create_schema(SALES).await.unwrap();
    let table = create_people(&client, "t").await;
    let mut exchange = client.exchange(&table, "insert", false).await;
    exchange.send_schema(&table.insert_schema()).await;
    exchange.read_schema().await.unwrap();
    exchange.send_batch(&ids(0..2048)).await;
    server.terminate();
    server.ended().await;
    exchange.read_changed().await.expect_err("the call was cut off");
    assert!(!server.socket().exists());
    assert_eq!(crate::support::versions(&server.table(SALES, "t")), [0], "half an insert was committed");
}

#[tokio::test]
async fn a_stale_socket_is_replaced_and_a_live_one_refused() {
    let setup = Setup::new().serve_lake().unix().start().crash();
    assert!(setup.socket().exists(), "a crash leaves the socket file");
    let server = setup.again().serve_lake().unix().start();
    server.client().await.catalog_version().await.unwrap();

    let socket = server.socket();
    let endpoint = format!("unix://{}", socket.display());
    let (_status, stderr) = Setup::new().serve_lake().listen(&endpoint).refused();
    assert!(stderr.contains(socket.to_str().unwrap()), "the path is not named: {stderr}");
    assert!(stderr.contains("another server"), "{stderr}");
    server.client().await.catalog_version().await.unwrap();
    server.stop_beside_clients().await;
}

#[tokio::test]
async fn what_is_no_socket_is_not_replaced() {
    let setup = Setup::new();
    std::fs::write(setup.socket(), "precious").unwrap();
    let path = setup.socket();
    let lake = setup.lake();
    let endpoint = format!("unix://{}", path.display());
    let (_status, stderr) = Setup::new().arguments([lake.to_str().unwrap()]).listen(&endpoint).refused();
    assert!(stderr.contains(path.to_str().unwrap()), "{stderr}");
    assert!(stderr.contains("the path is a regular file"), "{stderr}");
    assert!(stderr.contains("not a socket, and is left as it is; choose another path"), "{stderr}");
    assert_eq!(std::fs::read_to_string(path).unwrap(), "precious");
}

#[tokio::test]
async fn a_taken_port_is_refused() {
    let server = Server::start();
    let address = server.tcp().replacen("grpc://", "tcp://", 1);
    let (_status, stderr) = Setup::new().serve_lake().listen(&address).refused();
    assert!(stderr.contains(address.trim_start_matches("tcp://")), "the address is not named: {stderr}");
    assert!(stderr.contains("cannot listen on tcp://127.0.0.1"), "{stderr}");
}

#[tokio::test]
async fn sockets_are_for_their_owner_unless_told_otherwise() {
    for (arguments, mode) in [(&[][..], 0o600), (&["--socket-mode", "660"], 0o660)] {
        let server = Setup::new().serve_lake().unix().arguments(arguments.iter().copied()).start();
        let metadata = std::fs::symlink_metadata(server.socket()).unwrap();
        assert!(metadata.file_type().is_socket());
        assert_eq!(metadata.permissions().mode() & 0o777, mode);
    }
}

#[test]
fn a_wrong_command_line_is_refused_with_reasons() {
    let nowhere = Setup::new().beside("nowhere");
    let long = format!("unix:///{}", "x".repeat(119));
    for (arguments, named) in [
        (vec![nowhere.to_str().unwrap(), "--listen", "tcp://127.0.0.1:0"], "nowhere"),
        (vec!["--catalog", "a=./nowhere"], "catalog \"a\": ./nowhere is not a directory"),
        (vec!["--listen", "tcp://127.0.0.1:0"], "no catalog: name a directory, or --catalog NAME=PATH"),
        (vec!["/"], "has no name to attach; use --catalog NAME=/"),
        (vec!["--catalog", "a"], "expected NAME=PATH, for example sales=/data/sales"),
        (vec!["--catalog", "a=.", "--catalog", "A=."], "two catalogs are called \"A\"; names must differ in more"),
        (vec![".", "--socket-mode", "888"], "expected permission bits in octal, for example 660"),
        (vec![".", "--listen", "carrier-pigeon://x"], "has no known scheme: use tcp://HOST:PORT or unix:///ABSOLUTE"),
        (vec![".", "--listen", "tcp://:1"], "endpoint 'tcp://:1' has no host"),
        (vec![".", "--listen", "tcp://a b:1"], "has an invalid host 'a b'"),
        (vec![".", "--listen", "tcp://127.0.0.1"], "has no port: use tcp://HOST:PORT"),
        (vec![".", "--listen", "tcp://127.0.0.1:x"], "has an invalid port 'x'"),
        (vec![".", "--listen", "unix://run/x"], "has a relative path: use unix:///ABSOLUTE/PATH"),
        (vec![".", "--listen", "unix:///run/"], "names a directory: add the name of the socket file"),
        (vec![".", "--listen", &long], "has a path of 120 bytes: the longest a unix socket can have is 107"),
        (
            vec![".", "--listen", "tcp://no-such-host.invalid:1"],
            "cannot resolve the host of tcp://no-such-host.invalid:1",
        ),
        (vec![".", "--listen", "unix:///no/such/x"], "directory /no/such does not exist, create it or choose another"),
        (vec!["--no-such-flag"], "no-such-flag"),
    ] {
        let (_status, stderr) = Setup::new().arguments(arguments.clone()).refused();
        assert!(stderr.contains(named), "{arguments:?}: {named:?} is not named: {stderr}");
    }
}
