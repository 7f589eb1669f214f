//! The frames of an HTTP/2 connection (RFC 9113), walked as their bytes come by, to get at whole header blocks. All
//! other bytes pass where they lie. Checks nothing that the HTTP/2 implementation behind it checks: what does not make
//! sense is given up on, from then on everything passes unchanged, and the refusal is left to HTTP/2.

use std::ops::Range;

use super::hpack::AuthorityNames;

/// The longest header block that is held back to be cleaned, frame headers between its parts included. Above what
/// servers accept as a header list (16 KiB is usual). A longer block is given up on.
pub(super) const BLOCK_BYTES_MAX: usize = 64 << 10;

/// What a client sends first (RFC 9113, section 3.4). Whoever sends anything else does not speak HTTP/2.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Walks one direction of one connection.
#[derive(Debug)]
pub(super) struct Frames {
    state: State,
    names: AuthorityNames,
}

#[derive(Debug)]
enum State {
    /// So many bytes of the preface were seen.
    Preface(usize),
    /// In a frame's header, of which so many bytes were seen.
    Header([u8; HEADER_BYTES], usize),
    /// In a payload that is no header block, with so many bytes to go.
    Payload(usize),
    /// In a header block whose beginning is held back.
    Block(Block, Vec<u8>),
    /// Given up on: everything passes.
    Opaque,
}

impl Frames {
    pub(super) fn new() -> Self {
        Self { state: State::Preface(0), names: AuthorityNames::default() }
    }

    /// How many bytes the header block being held back lacks; `None` outside of one. While it is `Some`, bytes go to
    /// [`Frames::hold`], and no more than that many; otherwise to [`Frames::pass`].
    pub(super) fn lacking(&self) -> Option<usize> {
        match &self.state {
            State::Block(block, held) => Some(block.known_bytes - held.len()),
            _ => None,
        }
    }

    /// Walks over `bytes`, cleaning the header blocks that lie in it whole. Gives how many bytes may pass; the rest
    /// is the beginning of a header block and was taken.
    pub(super) fn pass(&mut self, bytes: &mut [u8]) -> usize {
        let mut at = 0;
        while at < bytes.len() && self.lacking().is_none() {
            at += self.step(&mut bytes[at..]);
        }
        at
    }

    /// Adds bytes to the block being held back. Gives the block once it is whole and clean, or given up on.
    pub(super) fn hold(&mut self, bytes: &[u8]) -> Option<Vec<u8>> {
        let State::Block(block, held) = &mut self.state else { return Some(bytes.to_vec()) };
        held.extend_from_slice(bytes);
        match block.advance(held) {
            Ok(Progress::Lacking) => None,
            Ok(Progress::Whole) => {
                let mut held = std::mem::take(held);
                let cleaned = block.clean(&mut held, &mut self.names);
                self.state = if cleaned.is_ok() { State::HEADER } else { State::Opaque };
                Some(held)
            }
            Err(GivenUp) => Some(self.give_up()),
        }
    }

    /// Lets everything pass from now on. Gives what was held back.
    pub(super) fn give_up(&mut self) -> Vec<u8> {
        match std::mem::replace(&mut self.state, State::Opaque) {
            State::Block(_, held) => held,
            _ => Vec::new(),
        }
    }

    /// Walks to the next border: of the preface, of a frame's header or payload, or of `bytes`, which are not empty.
    /// Gives how many of them may pass.
    fn step(&mut self, bytes: &mut [u8]) -> usize {
        match &mut self.state {
            State::Preface(seen) => {
                let length = bytes.len().min(PREFACE.len() - *seen);
                let expected = &PREFACE[*seen..*seen + length];
                *seen += length;
                if bytes[..length] != *expected {
                    self.state = State::Opaque;
                } else if *seen == PREFACE.len() {
                    self.state = State::HEADER;
                }
                length
            }
            State::Header(header, seen) => {
                let length = bytes.len().min(HEADER_BYTES - *seen);
                header[*seen..*seen + length].copy_from_slice(&bytes[..length]);
                *seen += length;
                if *seen < HEADER_BYTES {
                    return length;
                }
                let header = FrameHeader::parse(*header);
                length + self.begin(header, &mut bytes[length..])
            }
            State::Payload(left) => {
                let length = bytes.len().min(*left);
                *left -= length;
                if *left == 0 {
                    self.state = State::HEADER;
                }
                length
            }
            State::Block(..) => 0,
            State::Opaque => bytes.len(),
        }
    }

    /// Enters the frame whose payload begins with `rest`. Gives how much of `rest` may pass.
    fn begin(&mut self, header: FrameHeader, rest: &mut [u8]) -> usize {
        if header.kind != HEADERS {
            self.state = if header.payload_bytes == 0 { State::HEADER } else { State::Payload(header.payload_bytes) };
            return 0;
        }
        let mut block = Block::new(header);
        let outcome = block.advance(rest).and_then(|progress| match progress {
            Progress::Whole => block.clean(rest, &mut self.names).map(|()| progress),
            Progress::Lacking => Ok(progress),
        });
        let (state, passes) = match outcome {
            Ok(Progress::Whole) => (State::HEADER, block.known_bytes),
            Ok(Progress::Lacking) => (State::Block(block, rest.to_vec()), 0),
            Err(GivenUp) => (State::Opaque, rest.len()),
        };
        self.state = state;
        passes
    }
}

impl State {
    /// Before a frame.
    const HEADER: Self = Self::Header([0; HEADER_BYTES], 0);
}

/// Makes no sense as HTTP/2, or is too long to be held back.
#[derive(Debug)]
struct GivenUp;

#[derive(Debug)]
enum Progress {
    Whole,
    Lacking,
}

/// One header block: a HEADERS frame's payload and the CONTINUATION frames after it. Offsets count from the beginning
/// of that payload.
#[derive(Debug)]
struct Block {
    /// Where the parts of the HPACK block lie, padding and priority left out.
    fragments: Vec<Range<usize>>,
    /// The block has at least so many bytes: it ends here, or a part of it does.
    known_bytes: usize,
    part: Part,
}

#[derive(Debug)]
enum Part {
    /// The payload of this frame ends at `known_bytes`.
    Payload(FrameHeader),
    /// A CONTINUATION frame's header ends at `known_bytes`.
    Header,
}

impl Block {
    fn new(header: FrameHeader) -> Self {
        Self { fragments: Vec::new(), known_bytes: header.payload_bytes, part: Part::Payload(header) }
    }

    /// Goes on as far as `bytes`, which hold the block from its beginning, allow.
    fn advance(&mut self, bytes: &[u8]) -> Result<Progress, GivenUp> {
        loop {
            if self.known_bytes > BLOCK_BYTES_MAX {
                return Err(GivenUp);
            }
            if bytes.len() < self.known_bytes {
                return Ok(Progress::Lacking);
            }
            let end = self.known_bytes;
            match &self.part {
                Part::Payload(header) => {
                    let start = end - header.payload_bytes;
                    let fragment = header.fragment(&bytes[start..end]).ok_or(GivenUp)?;
                    self.fragments.push(start + fragment.start..start + fragment.end);
                    if header.flags & END_HEADERS != 0 {
                        return Ok(Progress::Whole);
                    }
                    self.known_bytes += HEADER_BYTES;
                    self.part = Part::Header;
                }
                Part::Header => {
                    let mut header = [0; HEADER_BYTES];
                    header.copy_from_slice(&bytes[end - HEADER_BYTES..end]);
                    let header = FrameHeader::parse(header);
                    if header.kind != CONTINUATION {
                        return Err(GivenUp);
                    }
                    self.known_bytes += header.payload_bytes;
                    self.part = Part::Payload(header);
                }
            }
        }
    }

    /// Cleans the whole block in `bytes`.
    fn clean(&self, bytes: &mut [u8], names: &mut AuthorityNames) -> Result<(), GivenUp> {
        if let [fragment] = &self.fragments[..] {
            return names.clean(&mut bytes[fragment.clone()]).map_err(|_| GivenUp);
        }
        // A field may run from one frame into the next: put together, cleaned and put back.
        let mut joined: Vec<u8> =
            self.fragments.iter().flat_map(|fragment| &bytes[fragment.clone()]).copied().collect();
        let cleaned = names.clean(&mut joined).map_err(|_| GivenUp);
        let mut from = &joined[..];
        for fragment in &self.fragments {
            let (part, rest) = from.split_at(fragment.len());
            bytes[fragment.clone()].copy_from_slice(part);
            from = rest;
        }
        cleaned
    }
}

/// RFC 9113, section 4.1.
const HEADER_BYTES: usize = 9;

/// Frame types and flags of RFC 9113, sections 6.2 and 6.10.
const HEADERS: u8 = 0x1;
const CONTINUATION: u8 = 0x9;
const END_HEADERS: u8 = 0x4;
const PADDED: u8 = 0x8;
const PRIORITY: u8 = 0x20;

/// Stream dependency and weight, before the block when `PRIORITY` is set.
const PRIORITY_BYTES: usize = 5;

#[derive(Clone, Copy, Debug)]
struct FrameHeader {
    payload_bytes: usize,
    kind: u8,
    flags: u8,
}

impl FrameHeader {
    fn parse(bytes: [u8; HEADER_BYTES]) -> Self {
        let [a, b, c, kind, flags, ..] = bytes;
        Self { payload_bytes: u32::from_be_bytes([0, a, b, c]) as usize, kind, flags }
    }

    /// Where the HPACK block lies in the payload; `None` if padding and priority leave no room for it.
    fn fragment(&self, payload: &[u8]) -> Option<Range<usize>> {
        let (mut start, mut end) = (0, payload.len());
        // CONTINUATION has neither; these bits mean nothing there.
        if self.kind == HEADERS && self.flags & PADDED != 0 {
            start += 1;
            end = end.checked_sub(usize::from(*payload.first()?))?;
        }
        if self.kind == HEADERS && self.flags & PRIORITY != 0 {
            start += PRIORITY_BYTES;
        }
        (start <= end).then_some(start..end)
    }
}
