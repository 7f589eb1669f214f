//! What a real DuckDB said, to be said again to this server.
//!
//! A recorded message holds the descriptors of the server it was said to; [`Golden`] puts this server's there.

use std::{collections::HashMap, fs, path::PathBuf, sync::Arc};

use arrow::{array::RecordBatch, datatypes::Schema};
use arrow_flight::{Action, FlightData, FlightDescriptor, FlightEndpoint, utils::flight_data_to_arrow_batch};
use prost::Message;
use serde_json::Value;

use crate::client::{Client, Error, Exchange, Packer, Result, Table};

/// A directory of recorded calls.
#[derive(Debug)]
pub struct Golden {
    directory: PathBuf,
    calls: Vec<Value>,
}

impl Golden {
    /// The recording of DuckDB 1.5.5.
    pub fn duckdb_1_5_5() -> Self {
        Self::named("duckdb-1.5.5")
    }

    /// The recording of what DuckDB 1.5.5 says to change rows of this server's tables.
    pub fn changes_duckdb_1_5_5() -> Self {
        Self::named("changes-duckdb-1.5.5")
    }

    /// The recording of what DuckDB 1.5.5 says to merge into this server's tables.
    pub fn merge_duckdb_1_5_5() -> Self {
        Self::named("merge-duckdb-1.5.5")
    }

    fn named(name: &str) -> Self {
        let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden").join(name);
        let index = fs::read(directory.join("index.json")).expect("the recording has an index");
        let calls = serde_json::from_slice(&index).expect("the index is a JSON array");
        Self { directory, calls }
    }

    /// Names of all calls that end with `suffix` (`DoAction-endpoints`), in order.
    pub fn calls(&self, suffix: &str) -> Vec<&str> {
        let names = self.calls.iter().map(|call| call["call"].as_str().expect("every call has a name"));
        names.filter(|name| name.ends_with(suffix)).collect()
    }

    /// A header the client sent with a call.
    pub fn header(&self, call: &str, name: &str) -> Option<&str> {
        let headers = self.call(call)["request_headers"].as_array().expect("every call has headers");
        headers.iter().find(|header| header[0] == name)?[1].as_str()
    }

    /// The client's messages of a call.
    pub fn client_messages(&self, call: &str) -> Vec<Vec<u8>> {
        let call = self.call(call);
        let messages = call["messages"].as_array().expect("every call has messages").iter();
        let files = messages.filter(|m| m["from"] == "c").filter_map(|m| m["file"].as_str());
        files.map(|file| fs::read(self.directory.join(file)).expect("every indexed file is there")).collect()
    }

    fn call(&self, call: &str) -> &Value {
        self.calls.iter().find(|c| c["call"] == call).unwrap_or_else(|| panic!("no call {call}"))
    }

    /// The action a call sent.
    pub fn action(&self, call: &str) -> Action {
        Action::decode(&self.client_messages(call)[0][..]).expect("the first message is an Action")
    }

    /// The action a call sent, about `descriptor` in place of the recorded one.
    pub fn action_about(&self, call: &str, recorded: &FlightDescriptor, descriptor: &FlightDescriptor) -> Action {
        let action = self.action(call);
        let packed = |d: &FlightDescriptor| Packer::new().str(d.encode_to_vec()).take();
        let body = replace(&action.body, &packed(recorded), &packed(descriptor));
        Action::new(action.r#type, body)
    }

    /// The messages of an exchange as they were recorded.
    pub fn exchange(&self, call: &str) -> Vec<FlightData> {
        let messages = self.client_messages(call).into_iter();
        messages.map(|bytes| FlightData::decode(&bytes[..]).expect("an exchange is FlightData")).collect()
    }

    /// The messages of an exchange, about `descriptor`.
    pub fn exchange_about(&self, call: &str, descriptor: &FlightDescriptor) -> Vec<FlightData> {
        let decode = |bytes: Vec<u8>| FlightData::decode(&bytes[..]).expect("an exchange is FlightData");
        let about = |mut message: FlightData| {
            message.flight_descriptor = message.flight_descriptor.map(|_| descriptor.clone());
            message
        };
        self.client_messages(call).into_iter().map(decode).map(about).collect()
    }

    /// The batches of an UPDATE or DELETE. Their last column is the row ids, which are of the recorded server.
    pub fn changed(&self, call: &str) -> Vec<RecordBatch> {
        let mut messages = self.exchange_about(call, &FlightDescriptor::default()).into_iter().skip(1);
        let schema = Schema::try_from(&messages.next().expect("the schema")).expect("it is a schema");
        let batch = |message: FlightData| {
            flight_data_to_arrow_batch(&message, Arc::new(schema.clone()), &HashMap::new()).expect("a batch of it")
        };
        messages.map(batch).collect()
    }
}

/// Says a recorded `create_table` again.
pub async fn create_table(client: &Client, golden: &Golden, call: &str) -> Result<Table> {
    let results = client.action_message(golden.action(call)).await?;
    let [info] = &results[..] else { return Err(Error::Malformed(format!("{} results", results.len()))) };
    Table::decode(info, client.catalog())
}

/// Says a recorded `endpoints` about `recorded` (the last part of its path) again, about `table`.
pub async fn endpoints(client: &Client, golden: &Golden, call: &str, table: &Table) -> Result<Vec<FlightEndpoint>> {
    let recorded = recorded_descriptor("orders");
    let action = golden.action_about(call, &recorded, &table.descriptor);
    client.endpoints_body(&table.descriptor, action.body.to_vec()).await
}

/// Says a recorded insert again into `table`; the exchange is left half-closed, its acknowledgement unread.
pub async fn insert(client: &Client, golden: &Golden, call: &str, table: &Table, returning: bool) -> Result<Exchange> {
    let mut messages = golden.exchange_about(call, &table.descriptor).into_iter();
    // The first message, the descriptor alone, is what opening an exchange sends.
    let first = messages.next().expect("an exchange has messages");
    assert!(first.data_header.is_empty(), "{call}: the first message holds more than the descriptor");
    let mut exchange = client.exchange(table, "insert", returning).await;
    exchange.send_message(messages.next().expect("the schema")).await;
    exchange.read_schema().await?;
    for batch in messages {
        exchange.send_message(batch).await;
    }
    exchange.half_close();
    Ok(exchange)
}

/// The descriptor the recording's server gave a table of schema `sales`.
pub fn recorded_descriptor(table: &str) -> FlightDescriptor {
    FlightDescriptor::new_path(vec![format!("lake/sales/table/{table}")])
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let at = bytes.windows(from.len()).position(|window| window == from).expect("the recorded descriptor is in it");
    [&bytes[..at], to, &bytes[at + from.len()..]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recorded_message_is_there() {
        for golden in [Golden::duckdb_1_5_5(), Golden::changes_duckdb_1_5_5(), Golden::merge_duckdb_1_5_5()] {
            for call in golden.calls("") {
                assert!(!golden.client_messages(call).is_empty(), "{call}");
            }
        }
    }

    #[test]
    fn a_descriptor_is_replaced_in_endpoints() {
        let golden = Golden::duckdb_1_5_5();
        let ours = FlightDescriptor::new_cmd(&b"anything\xff"[..]);
        for call in golden.calls("DoAction-endpoints") {
            let action = golden.action(call);
            if !action.body.windows(6).any(|w| w == b"orders") {
                continue; // about a table function
            }
            let changed = golden.action_about(call, &recorded_descriptor("orders"), &ours);
            let (old, new) = (recorded_descriptor("orders").encoded_len(), ours.encoded_len());
            assert_eq!(changed.body.len() + old, action.body.len() + new, "{call}");
        }
    }
}
