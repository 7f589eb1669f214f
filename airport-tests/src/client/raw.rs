//! One call in bare HTTP/2 frames over a Unix socket, with the `:authority` gRPC C++ sends there.
//!
//! The `http` crate refuses a percent sign in an authority, so no tonic client can say this. Headers go out as
//! HPACK literals without indexing; of the answer only data frames and the way the stream ended are looked at.

use std::{
    io::{Read, Result, Write},
    os::unix::net::UnixStream,
    path::Path,
    time::Duration,
};

use bytes::Bytes;
use prost::Message;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const FRAME_HEAD_BYTES: usize = 9;
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Only a guard against a server that never answers.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// How the call ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ending {
    /// The stream was ended by the server in the ordinary way.
    Ended,
    /// RST_STREAM or GOAWAY with this HTTP/2 error code.
    Reset(u32),
}

/// The path of `socket` as gRPC C++ makes an authority of it: no leading slash, the rest percent-encoded.
pub fn authority(socket: &Path) -> String {
    let path = socket.to_str().expect("a test's path is UTF-8");
    let unreserved = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    let encode = |b: u8| if unreserved(b) { char::from(b).to_string() } else { format!("%{b:02X}") };
    path.trim_start_matches('/').bytes().map(encode).collect()
}

/// Calls DoAction with `action` and returns the bodies of its results.
pub fn do_action(socket: &Path, authority: &str, action: &arrow_flight::Action) -> Result<(Ending, Vec<Bytes>)> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.write_all(PREFACE)?;
    write_frame(&mut stream, SETTINGS, 0, 0, &[])?;
    write_frame(&mut stream, HEADERS, END_HEADERS, 1, &request_headers(authority))?;
    write_frame(&mut stream, DATA, END_STREAM, 1, &grpc_message(&action.encode_to_vec()))?;
    let (ending, data) = read_answer(&mut stream)?;
    Ok((ending, results(&data)))
}

fn request_headers(authority: &str) -> Vec<u8> {
    let headers = [
        (":path", "/arrow.flight.protocol.FlightService/DoAction"),
        (":authority", authority),
        (":method", "POST"),
        (":scheme", "http"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("user-agent", "grpc-c++/1.71.0 grpc-c/46.0.0 (linux; chttp2)"),
    ];
    let mut block = Vec::new();
    for (name, value) in headers {
        block.push(0); // literal without indexing, new name
        for text in [name, value] {
            assert!(text.len() < 127, "longer strings need a multi-byte length");
            block.push(u8::try_from(text.len()).expect("checked above"));
            block.extend(text.as_bytes());
        }
    }
    block
}

fn grpc_message(body: &[u8]) -> Vec<u8> {
    let mut message = vec![0];
    message.extend(u32::try_from(body.len()).expect("a small message").to_be_bytes());
    message.extend(body);
    message
}

fn write_frame(stream: &mut UnixStream, kind: u8, flags: u8, id: u32, payload: &[u8]) -> Result<()> {
    let len = u32::try_from(payload.len()).expect("a small frame").to_be_bytes();
    let mut frame = vec![len[1], len[2], len[3], kind, flags];
    frame.extend(id.to_be_bytes());
    frame.extend(payload);
    stream.write_all(&frame)
}

fn read_answer(stream: &mut UnixStream) -> Result<(Ending, Vec<u8>)> {
    let mut data = Vec::new();
    loop {
        let mut head = [0; FRAME_HEAD_BYTES];
        stream.read_exact(&mut head)?;
        let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        stream.read_exact(&mut payload)?;
        let (kind, flags) = (head[3], head[4]);
        match kind {
            SETTINGS if flags & ACK == 0 => write_frame(stream, SETTINGS, ACK, 0, &[])?,
            PING if flags & ACK == 0 => write_frame(stream, PING, ACK, 0, &payload)?,
            RST_STREAM => return Ok((Ending::Reset(error_code(&payload[..4])), data)),
            GOAWAY => return Ok((Ending::Reset(error_code(&payload[4..8])), data)),
            DATA => data.extend(&payload),
            _ => {}
        }
        if matches!(kind, DATA | HEADERS) && flags & END_STREAM != 0 {
            return Ok((Ending::Ended, data));
        }
    }
}

fn error_code(bytes: &[u8]) -> u32 {
    u32::from_be_bytes(bytes.try_into().expect("four bytes"))
}

fn results(mut data: &[u8]) -> Vec<Bytes> {
    let mut bodies = Vec::new();
    while let Some((head, rest)) = data.split_at_checked(5) {
        let len = error_code(&head[1..]) as usize;
        let result = arrow_flight::Result::decode(&rest[..len]).expect("a Flight Result");
        bodies.push(result.body);
        data = &rest[len..];
    }
    bodies
}
