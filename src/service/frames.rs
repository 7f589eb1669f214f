//! Flight's `FlightData` as it leaves the server, without copies of its own.
//!
//! prost would copy every batch into one `Vec` and that into the transport's buffer. A [`Frame`] keeps the Arrow
//! buffers apart, and [`FrameCodec`] writes them straight into the transport's buffer: one copy a byte.

use std::marker::PhantomData;

use arrow::{
    array::RecordBatch,
    buffer::Buffer,
    datatypes::Schema,
    error::ArrowError,
    ipc::writer::{IpcWriteOptions, StreamEncoder},
};
use bytes::{BufMut, Bytes, BytesMut};
use prost::{
    Message,
    encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len},
};
use tonic::{
    Status,
    codec::{BufferSettings, Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};

use super::status::{Failure, status};

/// Field numbers of `FlightData` (Flight.proto).
const DATA_HEADER_FIELD: u32 = 2;
const APP_METADATA_FIELD: u32 = 3;
const DATA_BODY_FIELD: u32 = 1000;

/// Length of an IPC message's prefix: continuation marker and metadata length (Arrow columnar format,
/// "Encapsulated message format").
const IPC_PREFIX_BYTES: usize = 8;

/// The client's Arrow wants buffers aligned to 8 bytes and copies those that are not, so bodies start at a multiple
/// of this in their protobuf message.
const BODY_ALIGNMENT_BYTES: usize = 8;

/// Encoded frames are handed to the connection at this size: large enough that a batch is not cut into many small
/// HTTP/2 writes, small enough that a slow reader holds back little.
const YIELD_BYTES: usize = 256 << 10;

/// One `FlightData` message of the server.
#[derive(Debug, Default)]
pub(super) struct Frame {
    header: Bytes,
    app_metadata: Bytes,
    body: Vec<Buffer>,
}

impl Frame {
    /// A message that carries metadata only.
    pub(super) fn metadata(app_metadata: impl Into<Bytes>) -> Self {
        Self { app_metadata: app_metadata.into(), ..Self::default() }
    }

    /// The same message with metadata.
    pub(super) fn with_metadata(mut self, app_metadata: impl Into<Bytes>) -> Self {
        self.app_metadata = app_metadata.into();
        self
    }

    fn body_len(&self) -> usize {
        self.body.iter().map(Buffer::len).sum()
    }
}

/// Makes the messages of one stream: the schema first, then batches of that schema.
pub(super) struct FrameEncoder {
    encoder: StreamEncoder,
}

impl FrameEncoder {
    /// The encoder, and the schema's message.
    pub(super) fn new(schema: &Schema) -> Result<(Self, Frame), ArrowError> {
        let options = IpcWriteOptions::default();
        let mut encoder = StreamEncoder::try_new_with_options(schema, options)?;
        let empty = RecordBatch::new_empty(schema.clone().into());
        // The first batch brings the schema's message with it; what follows that message is not sent.
        let (schema_frame, _) = split_message(encoder.encode(&empty)?)?;
        Ok((Self { encoder }, Frame { header: schema_frame, ..Frame::default() }))
    }

    /// A batch as one message, however large: what is split in two would break a lock-step exchange.
    pub(super) fn batch(&mut self, batch: &RecordBatch) -> Result<Frame, ArrowError> {
        let (header, body) = split_message(self.encoder.encode(batch)?)?;
        Ok(Frame { header, app_metadata: Bytes::new(), body })
    }
}

/// Takes the first encapsulated IPC message's metadata off the buffers, without its prefix; the rest is its body.
fn split_message(buffers: Vec<Buffer>) -> Result<(Bytes, Vec<Buffer>), ArrowError> {
    let short = || ArrowError::IpcError("an encoded message is shorter than its prefix says".to_owned());
    let mut rest = buffers.into_iter();
    let prefix = rest.next().filter(|prefix| prefix.len() == IPC_PREFIX_BYTES).ok_or_else(short)?;
    let length = prefix.get(4..).and_then(|bytes| bytes.try_into().ok()).map(u32::from_le_bytes).ok_or_else(short)?;
    let mut metadata = BytesMut::with_capacity(length as usize);
    while metadata.len() < length as usize {
        metadata.put_slice(rest.next().ok_or_else(short)?.as_slice());
    }
    Ok((metadata.freeze(), rest.collect()))
}

/// Reads `R` and writes [`Frame`]s.
#[derive(Debug)]
pub(super) struct FrameCodec<R>(PhantomData<R>);

impl<R> Default for FrameCodec<R> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<R: Message + Default + Send + 'static> Codec for FrameCodec<R> {
    type Encode = Frame;
    type Decode = R;
    type Encoder = FrameWriter;
    type Decoder = MessageReader<R>;

    fn encoder(&mut self) -> Self::Encoder {
        FrameWriter
    }

    fn decoder(&mut self) -> Self::Decoder {
        MessageReader(PhantomData)
    }
}

/// Writes [`Frame`]s as protobuf.
#[derive(Debug)]
pub(super) struct FrameWriter;

impl Encoder for FrameWriter {
    type Item = Frame;
    type Error = Status;

    fn encode(&mut self, frame: Frame, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        let body_len = frame.body_len();
        let padding = header_padding(&frame, body_len);
        out.reserve(frame.header.len() + padding + frame.app_metadata.len() + body_len + 64);
        // The body's field number is the highest, so writing it last keeps fields in order.
        put_bytes_field(APP_METADATA_FIELD, &[&frame.app_metadata], 0, out);
        put_bytes_field(DATA_HEADER_FIELD, &[&frame.header], padding, out);
        if body_len > 0 {
            put_key(DATA_BODY_FIELD, body_len, out);
            for buffer in &frame.body {
                out.put_slice(buffer.as_slice());
            }
        }
        Ok(())
    }

    fn buffer_settings(&self) -> BufferSettings {
        BufferSettings::new(YIELD_BYTES, YIELD_BYTES)
    }
}

/// How many zero bytes the header needs behind it (readers of flatbuffers ignore them) so that the body starts
/// aligned.
fn header_padding(frame: &Frame, body_len: usize) -> usize {
    if body_len == 0 {
        return 0;
    }
    let body_start = |padding: usize| {
        field_len(APP_METADATA_FIELD, frame.app_metadata.len())
            + field_len(DATA_HEADER_FIELD, frame.header.len() + padding)
            + key_len(DATA_BODY_FIELD)
            + encoded_len_varint(body_len as u64)
    };
    (0..2 * BODY_ALIGNMENT_BYTES).find(|padding| body_start(*padding) % BODY_ALIGNMENT_BYTES == 0).unwrap_or(0)
}

/// The length of a bytes field, key and length included; an empty one is not written.
fn field_len(field: u32, len: usize) -> usize {
    if len == 0 { 0 } else { key_len(field) + encoded_len_varint(len as u64) + len }
}

fn put_bytes_field(field: u32, parts: &[&Bytes], padding: usize, out: &mut impl BufMut) {
    let len = parts.iter().map(|part| part.len()).sum::<usize>() + padding;
    if len > 0 {
        put_key(field, len, out);
        parts.iter().for_each(|part| out.put_slice(part));
        out.put_bytes(0, padding);
    }
}

fn put_key(field: u32, len: usize, out: &mut impl BufMut) {
    encode_key(field, WireType::LengthDelimited, out);
    encode_varint(len as u64, out);
}

/// Reads a protobuf message; its `bytes` fields share the transport's buffer.
#[derive(Debug)]
pub(super) struct MessageReader<R>(PhantomData<R>);

impl<R: Message + Default> Decoder for MessageReader<R> {
    type Item = R;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<R>, Status> {
        let malformed = |error: prost::DecodeError| status(Failure::Malformed(format!("malformed message: {error}")));
        Ok(Some(R::decode(source).map_err(malformed)?))
    }
}

/// Reads `R` and writes plain protobuf messages.
#[derive(Debug)]
pub(super) struct MessageCodec<R, W>(PhantomData<(R, W)>);

impl<R, W> Default for MessageCodec<R, W> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<R: Message + Default + 'static, W: Message + 'static> Codec for MessageCodec<R, W> {
    type Encode = W;
    type Decode = R;
    type Encoder = MessageWriter<W>;
    type Decoder = MessageReader<R>;

    fn encoder(&mut self) -> Self::Encoder {
        MessageWriter(PhantomData)
    }

    fn decoder(&mut self) -> Self::Decoder {
        MessageReader(PhantomData)
    }
}

/// Writes a protobuf message.
#[derive(Debug)]
pub(super) struct MessageWriter<W>(PhantomData<W>);

impl<W: Message> Encoder for MessageWriter<W> {
    type Item = W;
    type Error = Status;

    fn encode(&mut self, message: W, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        message.encode_raw(out);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::{
        array::{Int64Array, StringArray},
        datatypes::{DataType, Field},
    };
    use arrow_flight::FlightData;

    use super::*;

    fn encoded(frame: &Frame) -> FlightData {
        let mut out = BytesMut::new();
        let padding = header_padding(frame, frame.body_len());
        put_bytes_field(APP_METADATA_FIELD, &[&frame.app_metadata], 0, &mut out);
        put_bytes_field(DATA_HEADER_FIELD, &[&frame.header], padding, &mut out);
        if frame.body_len() > 0 {
            put_key(DATA_BODY_FIELD, frame.body_len(), &mut out);
            assert_eq!(out.len() % BODY_ALIGNMENT_BYTES, 0, "the body starts aligned");
            frame.body.iter().for_each(|buffer| out.put_slice(buffer.as_slice()));
        }
        FlightData::decode(out.freeze()).expect("a FlightData message")
    }

    #[test]
    fn a_stream_of_frames_is_read_back_by_arrow_flight() {
        let schema = Arc::new(Schema::new(vec![
            Field::new("id", DataType::Int64, false),
            Field::new("name", DataType::Utf8, true),
        ]));
        for rows in [0_i64, 1, 7, 2048] {
            let ids = Int64Array::from_iter_values(0..rows);
            let names = StringArray::from_iter((0..rows).map(|i| (i % 3 > 0).then(|| "x".repeat(i as usize % 11))));
            let batch = RecordBatch::try_new(schema.clone(), vec![Arc::new(ids), Arc::new(names)]).expect("batch");
            let (mut encoder, schema_frame) = FrameEncoder::new(&schema).expect("schema");
            let first = encoder.batch(&batch).expect("frame").with_metadata(vec![0x81; rows as usize % 13]);
            let second = encoder.batch(&batch).expect("frame");
            let stream = [encoded(&schema_frame), encoded(&first), encoded(&second)];
            let batches = arrow_flight::utils::flight_data_to_batches(&stream).expect("batches");
            assert_eq!(batches, [batch.clone(), batch]);
        }
    }

    #[test]
    fn metadata_alone_is_a_message_without_header() {
        let data = encoded(&Frame::metadata(vec![1, 2, 3]));
        assert!(data.data_header.is_empty() && data.data_body.is_empty());
        assert_eq!(&data.app_metadata[..], [1, 2, 3]);
    }
}
