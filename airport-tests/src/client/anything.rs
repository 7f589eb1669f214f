//! Calls that no client makes: any bytes for messages, any headers, any method.

use bytes::{Buf, BufMut, Bytes};
use http::uri::PathAndQuery;
use tonic::{
    Request, Status,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    metadata::{Ascii, MetadataKey, MetadataValue},
};

use super::{Client, Error, Result};

impl Client {
    /// Calls `method` of the Flight service with these messages and, beside the usual headers, these. Gives all
    /// messages of the answer.
    pub async fn call_raw(
        &self,
        method: &str,
        messages: Vec<Bytes>,
        headers: &[(&str, Vec<u8>)],
    ) -> Result<Vec<Bytes>> {
        let mut request: Request<_> = self.request(tokio_stream::iter(messages));
        for (name, value) in headers {
            let name: MetadataKey<Ascii> = name.parse().map_err(Error::malformed)?;
            let value = MetadataValue::<Ascii>::try_from(&value[..]).map_err(Error::malformed)?;
            request.metadata_mut().append(name, value);
        }
        let path = format!("/arrow.flight.protocol.FlightService/{method}");
        let mut grpc = Grpc::new(self.channel.clone());
        grpc.ready().await.map_err(Error::malformed)?;
        let path = PathAndQuery::try_from(path).map_err(Error::malformed)?;
        let mut answer = grpc.streaming(request, path, BytesCodec).await?.into_inner();
        let mut found = Vec::new();
        while let Some(message) = answer.message().await? {
            found.push(message);
        }
        Ok(found)
    }
}

/// Messages as they are.
#[derive(Debug, Clone, Copy)]
struct BytesCodec;

impl Codec for BytesCodec {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(message);
        Ok(())
    }
}

impl Decoder for BytesCodec {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        let length = source.remaining();
        Ok(Some(source.copy_to_bytes(length)))
    }
}
