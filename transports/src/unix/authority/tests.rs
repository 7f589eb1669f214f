//! The filter over whole conversations: what gRPC C++ sends, cut in every way, up to a real HTTP/2 server.

mod wire;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use wire::*;

async fn filtered(bytes: &[u8], sizes: impl IntoIterator<Item = usize>) -> Vec<u8> {
    let mut filter = AuthorityFilter::new(Chunks::new(bytes, sizes));
    let mut read = Vec::new();
    filter.read_to_end(&mut read).await.unwrap();
    read
}

#[tokio::test]
async fn a_conversation_cut_at_any_byte_is_cleaned_alike() {
    for huffman in [false, true] {
        let (dirty, clean) = (conversation(DIRTY, huffman), conversation(CLEAN, huffman));
        assert_eq!(filtered(&dirty, []).await, clean);
        assert_eq!(filtered(&dirty, std::iter::repeat(1)).await, clean);
        for cut in 1..dirty.len() {
            assert_eq!(filtered(&dirty, [cut]).await, clean, "cut at {cut}, huffman {huffman}");
        }
    }
}

#[tokio::test]
async fn the_recorded_conversation_is_cleaned_in_its_authority_only() {
    let at = RECORDED.windows(DIRTY.len()).position(|window| window == DIRTY.as_bytes()).unwrap();
    let mut clean = RECORDED.to_vec();
    clean[at..at + CLEAN.len()].copy_from_slice(CLEAN.as_bytes());
    for cut in 0..RECORDED.len() {
        assert_eq!(filtered(RECORDED, [cut]).await, clean, "cut at {cut}");
    }
}

#[tokio::test]
async fn small_reads_lose_nothing() {
    let (dirty, clean) = (conversation(DIRTY, true), conversation(CLEAN, true));
    for size in 1..40 {
        let mut filter = AuthorityFilter::new(Chunks::new(&dirty, [300]));
        let (mut read, mut buffer) = (Vec::new(), vec![0; size]);
        loop {
            let length = filter.read(&mut buffer).await.unwrap();
            if length == 0 {
                break;
            }
            read.extend_from_slice(&buffer[..length]);
        }
        assert_eq!(read, clean, "reads of {size}");
    }
}

#[tokio::test]
async fn blocks_over_several_frames_padded_and_with_priority_are_cleaned() {
    for huffman in [false, true] {
        let (dirty, clean) = (first_block(DIRTY, huffman), first_block(CLEAN, huffman));
        for cut in 0..=dirty.len() {
            let build = |block: &[u8]| {
                // One byte for the padding's length, five for the priority, the block's beginning, the padding.
                let payload = [&[3, 0, 0, 0, 0, 15][..], &block[..cut], b"%%%"].concat();
                let begin = frame(HEADERS, PADDED | PRIORITY | END_STREAM, 1, &payload);
                let empty = frame(CONTINUATION, 0, 1, &[]);
                let end = frame(CONTINUATION, END_HEADERS, 1, &block[cut..]);
                let again = frame(HEADERS, END_HEADERS, 3, &[0xc5, 0x83]);
                [PREFACE.to_vec(), begin, empty, end, again, frame(DATA, 0, 3, b"%")].concat()
            };
            for sizes in [vec![], vec![1; 2000], vec![PREFACE.len() + 9 + cut]] {
                assert_eq!(filtered(&build(&dirty), sizes).await, build(&clean), "cut at {cut}, huffman {huffman}");
            }
        }
    }
}

#[tokio::test]
async fn what_is_no_http2_passes_unchanged() {
    let http1 = b"GET /%2F HTTP/1.1\r\nhost: run%2Fx\r\n\r\n".to_vec();
    let almost = [&PREFACE[..20], b"!", &conversation(DIRTY, false)[21..]].concat();
    for bytes in [vec![], http1, PREFACE[..10].to_vec(), almost] {
        assert_eq!(filtered(&bytes, []).await, bytes);
        assert_eq!(filtered(&bytes, std::iter::repeat(1)).await, bytes);
    }
}

#[tokio::test]
async fn a_conversation_that_ends_anywhere_keeps_its_length() {
    let (dirty, clean) = (conversation(DIRTY, true), conversation(CLEAN, true));
    for length in 0..dirty.len() {
        let read = filtered(&dirty[..length], [length / 2]).await;
        assert_eq!(read.len(), length);
        assert!(read == clean[..length] || read == dirty[..length], "cut off at {length}");
    }
}

#[tokio::test]
async fn what_makes_no_sense_passes_unchanged_from_there_on() {
    let block = first_block(DIRTY, false);
    let broken = [
        frame(HEADERS, PADDED | END_HEADERS, 1, &[200, 0x83]), // more padding than payload
        frame(HEADERS, PADDED | END_HEADERS, 1, &[]),          // no room for the padding's length
        frame(HEADERS, PRIORITY | END_HEADERS, 1, &[0; 4]),    // no room for the priority
        [frame(HEADERS, 0, 1, &block), frame(DATA, 0, 1, &[])].concat(), // another frame within a block
        frame(HEADERS, END_HEADERS, 1, &[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff]), // an endless integer
        frame(HEADERS, END_HEADERS, 1, &block[..block.len() - 1]), // a string beyond the block
    ];
    for broken in broken {
        let bytes = [PREFACE.to_vec(), broken, frame(HEADERS, END_HEADERS, 3, &block)].concat();
        for sizes in [vec![], vec![1; 3000]] {
            let read = filtered(&bytes, sizes).await;
            assert_eq!(read.len(), bytes.len());
            assert!(read.ends_with(&frame(HEADERS, END_HEADERS, 3, &block)));
        }
    }
}

#[tokio::test]
async fn a_block_is_held_up_to_its_bound_and_no_further() {
    // Fields that enter no table and mean nothing, then the authority.
    let filler = |bytes: usize| [[0x00, 1, b'x', 0]; 1].concat().repeat(bytes / 4);
    let build = |fill: usize, authority| {
        let block = [filler(fill), first_block(authority, false)].concat();
        let mut frames = PREFACE.to_vec();
        let pieces: Vec<_> = block.chunks(16 << 10).collect();
        for (i, piece) in pieces.iter().enumerate() {
            let kind = if i == 0 { HEADERS } else { CONTINUATION };
            frames.extend(frame(kind, if i + 1 == pieces.len() { END_HEADERS } else { 0 }, 1, piece));
        }
        frames
    };
    let below = frames::BLOCK_BYTES_MAX - 2000;
    assert_eq!(filtered(&build(below, DIRTY), [5000, 5000]).await, build(below, CLEAN));
    let above = frames::BLOCK_BYTES_MAX + 2000;
    assert_eq!(filtered(&build(above, DIRTY), [5000, 5000]).await, build(above, DIRTY));
    let huge = [PREFACE, &[0xff, 0xff, 0xff, HEADERS, END_HEADERS, 0, 0, 0, 1], &[b'%'; 100]].concat();
    assert_eq!(filtered(&huge, []).await, huge);
}

#[tokio::test]
async fn random_bytes_pass_unchanged_and_random_frames_alike_however_cut() {
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..500 {
        let length = random.below(600);
        let noise = random.bytes(length);
        assert_eq!(filtered(&noise, []).await, noise);
        let frames = random.frames();
        let whole = filtered(&frames, []).await;
        assert_eq!(whole.len(), frames.len());
        let sizes: Vec<usize> = (0..frames.len()).map(|_| 1 + random.below(40)).collect();
        assert_eq!(filtered(&frames, sizes).await, whole);
    }
}

#[tokio::test]
async fn bulk_data_is_read_into_the_callers_buffer() {
    /// Notes where it is asked to read to.
    struct Noting(Chunks, Vec<usize>);
    impl AsyncRead for Noting {
        fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
            let address = buf.initialize_unfilled().as_ptr().addr();
            self.1.push(address);
            Pin::new(&mut self.0).poll_read(cx, buf)
        }
    }
    let bulk = vec![b'%'; 1 << 20];
    let begin = [PREFACE, &[0x10, 0, 0, DATA, 0, 0, 0, 0, 1]].concat();
    let mut filter = AuthorityFilter::new(Noting(Chunks::new(&[begin.clone(), bulk].concat(), [begin.len()]), vec![]));
    filter.read_exact(&mut vec![0; begin.len()]).await.unwrap();
    filter.inner.1.clear();
    let mut buffer = vec![0; 1 << 20];
    assert_eq!(filter.read(&mut buffer).await.unwrap(), 1 << 20);
    assert!(buffer.iter().all(|byte| *byte == b'%'));
    assert!(filter.inner.1.iter().all(|address| *address == buffer.as_ptr().addr()));
}

/// The authorities of the conversation's two requests as a real server gets them, or why it refused one.
async fn serve(bytes: &[u8], sizes: impl IntoIterator<Item = usize>) -> Result<[String; 2], h2::Error> {
    // The client stays: at its end a server drops requests that nobody accepted yet.
    let (_client, sink) = tokio::io::duplex(1 << 20);
    let stream = tokio::io::join(Chunks::new(bytes, sizes).chain(sink), tokio::io::sink());
    let mut server = h2::server::handshake(AuthorityFilter::new(stream)).await?;
    let (first, _respond) = server.accept().await.expect("a request or an error")?;
    let (second, _respond) = server.accept().await.expect("a request or an error")?;
    Ok([first, second].map(|request| request.uri().authority().unwrap().to_string()))
}

#[tokio::test]
async fn a_real_server_accepts_what_grpc_sends() {
    for bytes in [RECORDED.to_vec(), conversation(DIRTY, false), conversation(DIRTY, true)] {
        for sizes in [vec![], vec![1; bytes.len()], vec![70, 13, 2]] {
            assert_eq!(serve(&bytes, sizes).await.unwrap(), [CLEAN, CLEAN]);
        }
    }
}

#[tokio::test]
async fn every_socket_path_gives_an_acceptable_authority() {
    for path in ["tmp%2Fa:b:c.sock", "tmp%2F@", "tmp%2F[x", "tmp%2F]x[", "%C3%A4%25%2F.s", "a%2F!$&'()*+,;=._~-"] {
        let coded = serve(&conversation(path, true), []).await;
        let raw = serve(&conversation(path, false), []).await;
        assert_eq!(coded.unwrap(), raw.unwrap());
    }
}

#[tokio::test]
async fn without_the_filter_the_same_server_refuses() {
    for (bytes, is_accepted) in [(RECORDED, false), (&conversation(CLEAN, false), true)] {
        let (mut client, server) = tokio::io::duplex(1 << 20);
        client.write_all(bytes).await.unwrap();
        let mut server = h2::server::handshake(server).await.unwrap();
        assert_eq!(futures::poll!(Box::pin(server.accept())).is_ready(), is_accepted);
    }
}

#[tokio::test]
async fn a_real_client_is_served_through_the_filter() {
    let (client, server) = tokio::io::duplex(64 << 10);
    let serve = async {
        let mut server = h2::server::handshake(AuthorityFilter::new(server)).await.unwrap();
        let (request, mut respond) = server.accept().await.unwrap().unwrap();
        assert_eq!(request.uri().authority().unwrap(), "localhost:8815");
        respond.send_response(http::Response::new(()), true).unwrap();
        while server.accept().await.is_some() {}
    };
    let call = async {
        let (mut client, connection) = h2::client::handshake(client).await.unwrap();
        let request = http::Request::post("http://localhost:8815/x").body(()).unwrap();
        let call = async {
            let (response, _) = client.send_request(request, true).unwrap();
            response.await.unwrap().status()
        };
        tokio::select! {
            status = call => assert_eq!(status, 200),
            ended = connection => panic!("{ended:?}"),
        }
    };
    tokio::join!(serve, call);
}

#[tokio::test]
async fn writes_and_reads_cross_the_filter() {
    let (here, mut there) = tokio::io::duplex(1024);
    let mut filter = AuthorityFilter::new(here);
    assert!(filter.is_write_vectored());
    let slices = [IoSlice::new(b"re"), IoSlice::new(b"ply")];
    assert_eq!(filter.write_vectored(&slices).await.unwrap(), 5);
    filter.shutdown().await.unwrap();
    let mut reply = String::new();
    there.read_to_string(&mut reply).await.unwrap();
    assert_eq!(reply, "reply");
}
