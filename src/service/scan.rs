//! Reading: `endpoints` plans a scan, DoGet streams one part of it.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use arrow_flight::Ticket;
use futures::{StreamExt, TryStreamExt, stream};
use tonic::{Request, Response, Status};

use super::{
    Airport,
    frames::{Frame, FrameEncoder},
    resolve::{self, Resolved},
    router::FrameStream,
    status::{Answer, Failure, status},
};
use crate::{
    engine::{Error, ReadBatch, ReadPart, ScanRequest},
    protocol::{
        action::{AtClause, Endpoints},
        descriptor::TableReference,
        exchange, filters,
        headers::CallContext,
        ticket::ScanTicket,
        types::{scan_schema, widen},
    },
};

impl Airport {
    /// The tickets of a scan, one a stream. Each says all DoGet needs: no state waits for it here.
    pub(super) async fn endpoints(&self, context: &CallContext, request: &Endpoints) -> Answer<Vec<Vec<u8>>> {
        refuse_time_travel(&request.at)?;
        let table_ref = TableReference::from_descriptor(&request.descriptor)?;
        let resolved = self.resolve(context, &table_ref).await?;
        let scan = scan_request(request, resolved.snapshot.schema().fields().len());
        let plan = resolved.snapshot.plan(&scan, self.limits.scan_streams_max).await?;
        let version = resolved.snapshot.version();
        let ticket = |part: ReadPart| ScanTicket {
            table: table_ref.clone(),
            version,
            projection: scan.projection.clone(),
            row_id: scan.row_id,
            json_filters: request.json_filters.clone(),
            part,
        };
        Ok(plan.parts.into_iter().map(|part| ticket(part).encode()).collect())
    }
}

/// DoGet: one part of a scan.
pub(super) async fn do_get(airport: Arc<Airport>, request: Request<Ticket>) -> Result<Response<FrameStream>, Status> {
    let context = resolve::context_of(request.metadata());
    let ticket = ScanTicket::decode(&request.into_inner().ticket).map_err(status)?;
    let frames = airport.read(&context, &ticket).await.map_err(status)?;
    Ok(Response::new(frames))
}

impl Airport {
    async fn read(&self, context: &CallContext, ticket: &ScanTicket) -> Answer<FrameStream> {
        let Resolved { name, table, mut snapshot, .. } = self.resolve(context, &ticket.table).await?;
        if snapshot.version() != ticket.version {
            // Planned before the transaction's own write, or without a transaction.
            snapshot = table.snapshot_at(ticket.version).await?;
        }
        let schema = snapshot.schema();
        if ticket.projection.iter().any(|column| *column >= schema.fields().len()) {
            return Err(Failure::Malformed(format!("the ticket asks for a column that {name} does not have")));
        }
        let scan = ScanRequest {
            projection: ticket.projection.clone(),
            row_id: ticket.row_id,
            predicate: filters::predicate(&ticket.json_filters),
        };
        let batches = snapshot.read(&scan, &ticket.part).await?;
        let wire_schema = Arc::new(scan_schema(&schema, &scan.projection, scan.row_id));
        let (encoder, schema_frame) = FrameEncoder::new(&wire_schema).map_err(encoding_failed)?;
        let mut sender = Sender { encoder, schema: wire_schema, projection: scan.projection };
        let frames = batches.map(move |batch| sender.frame(&batch?)).map_err(status);
        Ok(stream::iter([Ok(schema_frame)]).chain(frames).boxed())
    }
}

/// Turns the engine's batches into the client's full-width ones.
struct Sender {
    encoder: FrameEncoder,
    schema: SchemaRef,
    projection: Vec<usize>,
}

impl Sender {
    fn frame(&mut self, batch: &ReadBatch) -> Answer<Frame> {
        let rows = widen(&batch.rows, &self.schema, &self.projection).map_err(encoding_failed)?;
        let frame = self.encoder.batch(&rows).map_err(encoding_failed)?;
        Ok(frame.with_metadata(exchange::progress(batch.progress)))
    }
}

/// What the client asks for, in the table's terms. Column ids beyond the table are virtual: the row id, or the
/// "no column" of `count(*)`.
fn scan_request(request: &Endpoints, columns: usize) -> ScanRequest {
    let mut projection: Vec<usize> =
        request.column_ids.iter().filter_map(|id| usize::try_from(*id).ok()).filter(|id| *id < columns).collect();
    projection.sort_unstable();
    projection.dedup();
    ScanRequest {
        projection,
        row_id: request.column_ids.contains(&crate::protocol::actions::ROW_ID_COLUMN_ID),
        predicate: filters::predicate(&request.json_filters),
    }
}

/// Time travel is refused rather than answered with the present.
pub(super) fn refuse_time_travel(at: &AtClause) -> Answer<()> {
    match at {
        AtClause::Absent => Ok(()),
        _ => Err(Failure::Unsupported("AT (VERSION | TIMESTAMP => ...) is not offered; leave it out".to_owned())),
    }
}

pub(super) fn encoding_failed(error: arrow::error::ArrowError) -> Failure {
    Error::internal("encoding a batch for the client", error).into()
}

