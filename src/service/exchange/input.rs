//! The client's half of an exchange: its table, its schema, and then its rows, as it sends them.
//!
//! Knows the limits of messages and of silences, and nothing of what the rows are for.

use std::sync::Arc;

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use arrow_flight::{FlightData, FlightDescriptor};
use bytes::Bytes;
use tokio::time::{Instant, timeout, timeout_at};
use tonic::Streaming;

use crate::{
    config::Limits,
    engine::Error,
    protocol::ipc::{decode_batch, decode_schema_message},
    service::status::{Answer, Failure},
};

/// The client's half of an exchange up to its schema. The first message may hold the descriptor alone.
pub(super) struct Opening {
    messages: Streaming<FlightData>,
    /// A message that has been read and not used up.
    pending: Option<FlightData>,
    limits: Limits,
    /// When the schema must have come.
    until: Instant,
}

impl Opening {
    pub(super) fn new(messages: Streaming<FlightData>, limits: Limits) -> Self {
        Self { messages, pending: None, limits, until: Instant::now() + limits.opening_max }
    }

    /// The table the exchange is about.
    pub(super) async fn descriptor(&mut self) -> Answer<FlightDescriptor> {
        let mut message = self.next("a table").await?;
        let descriptor = message.flight_descriptor.take();
        self.pending = Some(message);
        descriptor.ok_or_else(|| Failure::Malformed("the first message of the exchange names no table".to_owned()))
    }

    /// What a function is called with: the first app_metadata there is. It stands before the schema.
    pub(super) async fn call(&mut self) -> Answer<Bytes> {
        let mut empty = 0;
        loop {
            let mut message = self.next("a call").await?;
            let call = std::mem::take(&mut message.app_metadata);
            if !message.data_header.is_empty() || !call.is_empty() {
                self.pending = Some(message);
                return match call.is_empty() {
                    false => Ok(call),
                    true => {
                        Err(Failure::Malformed("the exchange does not say what the function is called with".into()))
                    }
                };
            }
            note_empty(&mut empty)?;
        }
    }

    /// Reads the schema; the rows follow it.
    pub(super) async fn input(mut self) -> Answer<Input> {
        let mut message = self.next("a schema").await?;
        let mut empty = 0;
        while message.data_header.is_empty() {
            note_empty(&mut empty)?;
            message = self.next("a schema").await?;
        }
        let schema = Arc::new(decode_schema_message("exchange", &message.data_header)?);
        self.limits.check_columns(&schema)?;
        Ok(Input { messages: self.messages, schema, limits: self.limits, empty: 0 })
    }

    async fn next(&mut self, what: &str) -> Answer<FlightData> {
        if let Some(message) = self.pending.take() {
            return Ok(message);
        }
        let Ok(message) = timeout_at(self.until, self.messages.message()).await else {
            let seconds = self.limits.opening_max.as_secs();
            return Err(Failure::Silent(format!(
                "the exchange did not name {what} within {seconds} s, so it was ended and nothing was changed; the \
                 server may be started with a larger --opening-seconds-max"
            )));
        };
        let message = message.map_err(|status| Failure::receiving(status, &self.limits))?;
        message.ok_or_else(|| Failure::Malformed(format!("the exchange ended before it named {what}")))
    }
}

/// How many messages without rows may come in a row: none has a meaning, and each costs a little.
const EMPTY_MESSAGES_MAX: usize = 10_000;

fn note_empty(empty: &mut usize) -> Answer<()> {
    *empty += 1;
    match *empty <= EMPTY_MESSAGES_MAX {
        true => Ok(()),
        false => {
            Err(Failure::Malformed(format!("the exchange sent {EMPTY_MESSAGES_MAX} messages without rows in a row")))
        }
    }
}

/// The client's half of an exchange: its rows.
pub(super) struct Input {
    messages: Streaming<FlightData>,
    schema: SchemaRef,
    limits: Limits,
    /// Messages without rows since the last with some.
    empty: usize,
}

impl Input {
    /// The columns as the client sends them.
    pub(super) fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The next rows; `None` after the client's half-close.
    pub(super) async fn next(&mut self) -> Answer<Option<RecordBatch>> {
        while let Some(message) = self.message().await? {
            if message.data_header.is_empty() {
                note_empty(&mut self.empty)?;
                continue;
            }
            let rows = decode_batch("exchange", &message.data_header, message.data_body, &self.schema)?;
            match rows.num_rows() {
                0 => note_empty(&mut self.empty)?,
                rows => self.check_rows(rows)?,
            }
            return Ok(Some(rows));
        }
        Ok(None)
    }

    async fn message(&mut self) -> Answer<Option<FlightData>> {
        let Ok(message) = timeout(self.limits.idle_max, self.messages.message()).await else {
            let seconds = self.limits.idle_max.as_secs();
            return Err(Failure::Silent(format!(
                "no rows came for {seconds} s, so the statement was ended and nothing was changed; run it again, or \
                 start the server with a larger --idle-seconds-max"
            )));
        };
        message.map_err(|status| Failure::receiving(status, &self.limits))
    }

    fn check_rows(&mut self, rows: usize) -> Answer<()> {
        self.empty = 0;
        let rows_max = self.limits.batch_rows_max;
        match rows <= rows_max {
            true => Ok(()),
            false => Err(Error::ResourceExhausted(format!(
                "a message holds {rows} rows, more than {rows_max}; the server may be started with a larger \
                 --batch-rows-max"
            ))
            .into()),
        }
    }
}
