//! What clients send, built by hand, and the ways it may arrive.

use std::collections::VecDeque;

use super::super::huffman::tests::encode;
use super::*;

/// The client's side of a connection of DuckDB 1.5.5 with the Airport extension (gRPC C++ 1.71) to
/// `unix:///run/x/y.sock`, byte for byte: two DoAction calls, `:authority` raw in the first, by index in the second.
pub(super) const RECORDED: &[u8] = include_bytes!("duckdb-1.5.5.bin");

pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
pub(super) const DIRTY: &str = "run%2Fx%2Fy.sock";
pub(super) const CLEAN: &str = "run-2Fx-2Fy.sock";

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const SETTINGS: u8 = 4;
pub(super) const CONTINUATION: u8 = 9;
pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;
pub(super) const PADDED: u8 = 8;
pub(super) const PRIORITY: u8 = 0x20;

pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A literal with incremental indexing and a literal name: what gRPC C++ emits for a header it expects again (grpc:
/// `EmitLitHdrWithNonBinaryStringKeyIncIdx` in src/core/ext/transport/chttp2/transport/hpack_encoder.cc).
pub(super) fn literal(name: &str, value: &str, huffman: bool) -> Vec<u8> {
    let text = |text: &str| {
        let (flag, bytes) = if huffman { (0x80, encode(text.as_bytes())) } else { (0, text.into()) };
        assert!(bytes.len() < 127);
        [vec![flag | bytes.len() as u8], bytes].concat()
    };
    [vec![0x40], text(name), text(value)].concat()
}

/// The headers of a first DoAction in the recorded order; the last two go into the table too, which makes the second
/// block a denser case than the recording.
pub(super) fn first_block(authority: &str, huffman: bool) -> Vec<u8> {
    let mut block = literal(":path", "/arrow.flight.protocol.FlightService/DoAction", huffman);
    block.extend(literal(":authority", authority, huffman));
    block.extend([0x83, 0x86]); // :method POST, :scheme http
    for (name, value) in [
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("grpc-accept-encoding", "identity, deflate, gzip"),
        ("user-agent", "grpc-c++/1.71.0 grpc-c/46.0.0 (linux; chttp2)"),
        ("airport-action-name", "catalog_version"),
        ("authority", "grpc+unix:///run%2Fx%2Fy.sock"),
    ] {
        block.extend(literal(name, value, huffman));
    }
    block
}

/// The same headers again, all from the dynamic table: 62 is the newest of the eight entries.
pub(super) const SECOND_BLOCK: [u8; 10] = [0xc5, 0xc4, 0x83, 0x86, 0xc3, 0xc2, 0xc1, 0xc0, 0xbf, 0xbe];

/// A client's whole side: two requests with a message each, on one connection.
pub(super) fn conversation(authority: &str, huffman: bool) -> Vec<u8> {
    let first = frame(HEADERS, END_HEADERS, 1, &first_block(authority, huffman));
    let second = frame(HEADERS, END_HEADERS, 3, &SECOND_BLOCK);
    let message = b"\0\0\0\0\x10%2F%2F:authority";
    let data = |stream| frame(DATA, END_STREAM, stream, message);
    [PREFACE.to_vec(), frame(SETTINGS, 0, 0, &[]), first, data(1), second, data(3)].concat()
}

/// Gives the chunks one read at a time, and pends before each as a socket does.
pub(super) struct Chunks {
    chunks: VecDeque<Vec<u8>>,
    pending: bool,
}

impl Chunks {
    pub(super) fn new(bytes: &[u8], sizes: impl IntoIterator<Item = usize>) -> Self {
        let mut rest = bytes;
        let mut chunks = VecDeque::new();
        for size in sizes {
            let (chunk, after) = rest.split_at(size.clamp(1, rest.len().max(1)).min(rest.len()));
            chunks.push_back(chunk.to_vec());
            rest = after;
            if rest.is_empty() {
                break;
            }
        }
        chunks.push_back(rest.to_vec());
        chunks.retain(|chunk| !chunk.is_empty());
        Self { chunks, pending: false }
    }
}

impl AsyncRead for Chunks {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.pending = !self.pending;
        if self.pending {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        if let Some(mut chunk) = self.chunks.pop_front() {
            let rest = chunk.split_off(chunk.len().min(buf.remaining()));
            buf.put_slice(&chunk);
            if !rest.is_empty() {
                self.chunks.push_front(rest);
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Xorshift: the same cases in every run.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 32) as usize % bound
    }

    pub(super) fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.below(256) as u8).collect()
    }

    /// Frames that begin well and are then damaged here and there.
    pub(super) fn frames(&mut self) -> Vec<u8> {
        let mut bytes = PREFACE.to_vec();
        for _ in 0..self.below(12) {
            let kind = [DATA, HEADERS, HEADERS, CONTINUATION, SETTINGS][self.below(5)];
            let flags = [0, END_HEADERS, END_HEADERS, PADDED | END_HEADERS, self.below(256) as u8][self.below(5)];
            let payload = match self.below(4) {
                0 => self.bytes(30),
                1 => first_block(DIRTY, true),
                2 => first_block(DIRTY, false),
                _ => SECOND_BLOCK.to_vec(),
            };
            bytes.extend(frame(kind, flags, 1, &payload));
        }
        for _ in 0..self.below(3) {
            let at = PREFACE.len() + self.below((bytes.len() - PREFACE.len()).max(1));
            if let Some(byte) = bytes.get_mut(at) {
                *byte = self.below(256) as u8;
            }
        }
        bytes
    }
}
