//! Targets below and beside the protocol: bytes of a connection, words of a command line.

use std::pin::pin;

use clap::Parser;
use deltaport_transports::{Endpoint, unix::authority::AuthorityFilter};
use futures::FutureExt;
use tokio::io::AsyncReadExt;

use super::{GROWTH_BYTES_MAX, Grammar, Outcome, Target};
use crate::cli::Cli;

/// The first bytes of a connection, through the filter of authorities: as many come out as went in.
pub(super) const FRAMES: Target = Target {
    name: "frames",
    grammar: Grammar::Binary,
    growth_bytes_max: GROWTH_BYTES_MAX,
    run: frames,
    seeds: connections,
};

fn frames(bytes: &[u8]) -> Outcome {
    // What is read at once is of different lengths, so that blocks are cut at different places.
    let (first, rest) = bytes.split_at(bytes.len().min(1 + bytes.len() / 3));
    let mut filter = AuthorityFilter::new(first.chain(rest));
    let mut read = Vec::new();
    let count = pin!(filter.read_to_end(&mut read)).now_or_never().expect("bytes in memory are ready");
    assert_eq!(count.ok(), Some(bytes.len()));
    let changed = read.iter().zip(bytes).filter(|(read, sent)| read != sent).count();
    Outcome::from((changed.min(8), read.len() == bytes.len()))
}

fn connections() -> Vec<Vec<u8>> {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let frame = |kind: u8, flags: u8, payload: &[u8]| {
        let length = (payload.len() as u32).to_be_bytes();
        [&length[1..], &[kind, flags, 0, 0, 0, 1], payload].concat()
    };
    let raw = b"\x83\x86\x41\x0erun%2Fx%2Fy.so\x00\x0a:authority\x07a%3A%40b\x40\x0a:authority\x03%%%\x7e\x02%2";
    let huffman = b"\x41\x8a\xb1\xe8\x0a\x95\x2a\x15\x0a\x95\x2a\x7f\x01\x84\xff\xff\xff\xff";
    vec![
        [PREFACE, &frame(4, 0, b""), &frame(1, 4, raw), &frame(0, 1, b"\0\0\0\0\x02ab")].concat(),
        [PREFACE, &frame(1, 0, &raw[..9]), &frame(9, 0, &raw[9..20]), &frame(9, 4, &raw[20..])].concat(),
        [PREFACE, &frame(1, 0x2c, &[&[2, 0, 0, 0, 0, 9][..], huffman, &[0, 0]].concat())].concat(),
    ]
}

/// Words of a command line, one a line.
pub(super) const COMMAND_LINES: Target = Target {
    name: "command_lines",
    grammar: Grammar::Text,
    growth_bytes_max: GROWTH_BYTES_MAX,
    run: command_line,
    seeds: command_lines,
};

fn command_line(bytes: &[u8]) -> Outcome {
    let text = String::from_utf8_lossy(bytes);
    let parsed = Cli::try_parse_from(["deltaport"].into_iter().chain(text.lines()));
    let endpoints = text.lines().fold(Outcome::from(()), |all, line| all.and(Outcome::of(&line.parse::<Endpoint>())));
    Outcome::of(&parsed.map_err(|error| error.kind().to_string())).and(endpoints)
}

fn command_lines() -> Vec<Vec<u8>> {
    [
        "serve\nlake\n--listen\ntcp://127.0.0.1:0\n--socket-mode\n660",
        "serve\n--catalog\nsales=/data/sales\n--listen\nunix:///run/deltaport.sock\n--drain-grace-seconds\n5",
        "demo\n--scan-streams-max\n4\n--listen\ntcp://[::1]:8815",
    ]
    .map(|words| words.as_bytes().to_vec())
    .into()
}
