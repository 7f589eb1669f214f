//! The headers the client sends (`airport_request_headers.cpp`, `storage/airport_exchange.cpp`) and what they say.
//!
//! Knows no HTTP type: names and values come in as text. Authorization is not read here.

use super::{DecodeError, exchange::Operation};

/// The client's version: `airport/20250723`.
pub const USER_AGENT: &str = "airport-user-agent";
/// A UUID, one for each DuckDB process.
pub const SESSION_ID: &str = "airport-client-session-id";
/// A UUID, one for each scan or write, the same on all of its calls.
pub const TRACE_ID: &str = "airport-trace-id";
/// The name given to ATTACH.
pub const CATALOG: &str = "airport-catalog";
/// What `create_transaction` answered. Absent on DDL and on `flight_info`.
pub const TRANSACTION_ID: &str = "airport-transaction-id";
/// The descriptor's path joined by `/`.
pub const FLIGHT_PATH: &str = "airport-flight-path";
/// The action's type; may come twice.
pub const ACTION_NAME: &str = "airport-action-name";
/// What a DoExchange does: [`Operation`].
pub const OPERATION: &str = "airport-operation";
/// `1` when each batch sent wants one batch back.
pub const RETURN_CHUNKS: &str = "return-chunks";
/// `1` when the rows of a scan are not looked at.
pub const SKIP_PRODUCING_RESULTS: &str = "airport-skip-producing-results";

/// Who calls, and within what.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CallContext {
    /// [`USER_AGENT`]
    pub user_agent: Option<String>,
    /// [`SESSION_ID`]
    pub session_id: Option<String>,
    /// [`TRACE_ID`]
    pub trace_id: Option<String>,
    /// [`CATALOG`]
    pub catalog: Option<String>,
    /// [`TRANSACTION_ID`]; never empty.
    pub transaction_id: Option<String>,
    /// [`FLIGHT_PATH`]
    pub flight_path: Option<String>,
    /// [`RETURN_CHUNKS`]
    pub return_chunks: bool,
    /// [`SKIP_PRODUCING_RESULTS`]
    pub skip_producing_results: bool,
    operation: Option<String>,
}

impl CallContext {
    /// Reads the headers it knows and ignores the rest. Names are compared in lower case, as HTTP/2 sends them; of a
    /// repeated header the last counts; an empty one counts as absent.
    pub fn from_headers<'a>(headers: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut context = Self::default();
        for (name, value) in headers {
            if !value.is_empty() {
                context.read(name, value);
            }
        }
        context
    }

    /// What a DoExchange is for.
    ///
    /// # Errors
    /// If the header is missing or names no operation.
    pub fn operation(&self) -> Result<Operation, DecodeError> {
        match &self.operation {
            Some(name) => Operation::from_name(name),
            None => Err(DecodeError::new("exchange", format!("header {OPERATION} is missing"))),
        }
    }

    fn read(&mut self, name: &str, value: &str) {
        let text = || Some(value.to_owned());
        match name {
            USER_AGENT => self.user_agent = text(),
            SESSION_ID => self.session_id = text(),
            TRACE_ID => self.trace_id = text(),
            CATALOG => self.catalog = text(),
            TRANSACTION_ID => self.transaction_id = text(),
            FLIGHT_PATH => self.flight_path = text(),
            OPERATION => self.operation = text(),
            RETURN_CHUNKS => self.return_chunks = value == "1",
            SKIP_PRODUCING_RESULTS => self.skip_producing_results = value == "1",
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::golden;

    fn recorded(call: &str) -> CallContext {
        let headers = golden::request_headers(call);
        CallContext::from_headers(headers.iter().map(|(name, value)| (name.as_str(), value.as_str())))
    }

    #[test]
    fn reads_a_recorded_insert() {
        let context = recorded("031-DoExchange-insert");
        assert_eq!(context.operation(), Ok(Operation::Insert));
        assert!(context.return_chunks);
        assert_eq!(context.catalog.as_deref(), Some("lake"));
        assert_eq!(context.user_agent.as_deref(), Some("airport/20250723"));
        assert_eq!(context.flight_path.as_deref(), Some("lake/sales/table/orders"));
        assert!(context.session_id.is_some() && context.trace_id.is_some());
        assert_eq!(context.transaction_id, None, "the recorded server gave out no identifier");
    }

    #[test]
    fn every_recorded_exchange_names_its_operation() {
        for (call, operation) in [
            ("016-DoExchange-insert", Operation::Insert),
            ("077-DoExchange-update", Operation::Update),
            ("086-DoExchange-delete", Operation::Delete),
        ] {
            assert_eq!(recorded(call).operation(), Ok(operation), "{call}");
        }
    }

    #[test]
    fn missing_empty_and_unknown_headers() {
        let context = CallContext::from_headers([(TRANSACTION_ID, ""), ("x-other", "1"), (RETURN_CHUNKS, "0")]);
        assert_eq!(context, CallContext::default());
        let missing = context.operation().unwrap_err().to_string();
        assert_eq!(missing, "malformed exchange: header airport-operation is missing");
        let unknown = CallContext::from_headers([(OPERATION, "upsert")]).operation().unwrap_err().to_string();
        assert!(unknown.contains("\"upsert\"") && unknown.contains("insert, update, delete"), "{unknown}");
    }
}
