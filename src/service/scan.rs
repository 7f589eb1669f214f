//! Reading: `endpoints` plans a scan, DoGet streams one part of it.

use std::sync::Arc;

use arrow::{
    array::{RecordBatch, RecordBatchOptions},
    datatypes::Schema,
    error::ArrowError,
};
use arrow_flight::Ticket;
use futures::{StreamExt, stream};
use tonic::{Request, Response, Status};
use tracing::debug;

use super::{
    Airport,
    frames::{Frame, FrameEncoder},
    resolve::{self, Readable},
    router::FrameStream,
    status::{Answer, Failure, status},
};
use crate::{
    engine::{self, Error, ReadBatch, ReadPart, RowId, ScanRequest, row_id_field},
    protocol::{
        action::Endpoints,
        descriptor::TableReference,
        exchange,
        filters::Filters,
        headers::CallContext,
        ticket::ScanTicket,
        types::{Projection, ScanShape},
    },
};

/// The most rows of a message. The engine's own batches are bounded by their bytes and smaller.
const FRAME_ROWS_MAX: usize = 128 << 10;

impl Airport {
    /// The tickets of a scan, one a stream. Each says all DoGet needs: no state waits for it here.
    pub(super) async fn endpoints(&self, context: &CallContext, request: &Endpoints) -> Answer<Vec<Vec<u8>>> {
        let table = TableReference::from_descriptor(&request.descriptor)?;
        let Readable { snapshot, columns } = self.readable(context, &table, request.at).await?;
        let projection = Projection::from_column_ids(&request.column_ids, &columns)?;
        let filters = filters_of(request);
        let row_ids_unread = projection.row_id && !filters.binds_row_id();
        let row_id = projection.row_id && !row_ids_unread;
        let scan = ScanRequest { projection: projection.columns, row_id, predicate: filters.predicate };
        let plan = snapshot.plan(&scan, self.limits.scan_streams_max).await?;
        let ticket = |part: ReadPart| {
            let (table, request) = (table.clone(), scan.clone());
            let table_id = snapshot.table_id().to_owned();
            ScanTicket { table, version: snapshot.version(), table_id, request, part, row_ids_unread }
        };
        Ok(plan.parts.into_iter().map(|part| ticket(part).encode()).collect())
    }

    async fn read(&self, context: &CallContext, ticket: ScanTicket) -> Answer<FrameStream> {
        let Readable { snapshot, columns } = self.planned(context, &ticket).await?;
        let batches = snapshot.read(&ticket.request, &ticket.part).await?;
        let row_id = ticket.request.row_id || ticket.row_ids_unread;
        let shape = ScanShape::new(&columns, &ScanRequest { row_id, ..ticket.request })?;
        let (encoder, schema_frame) = FrameEncoder::new(shape.schema()).map_err(encoding_failed)?;
        let mut sender = Sender { encoder, shape, row_ids_unread: ticket.row_ids_unread };
        let frames = batches.flat_map(cut).map(move |batch| sender.frame(&batch?)).map(|frame| frame.map_err(status));
        Ok(stream::iter([Ok(schema_frame)]).chain(frames).boxed())
    }
}

/// DoGet: one part of a scan.
pub(super) async fn do_get(airport: Arc<Airport>, request: Request<Ticket>) -> Result<Response<FrameStream>, Status> {
    let context = resolve::context_of(request.metadata());
    let ticket = ScanTicket::decode(&request.into_inner().ticket).map_err(status)?;
    let frames = airport.read(&context, ticket).await.map_err(status)?;
    Ok(Response::new(frames))
}

/// Cuts a batch to what one message should hold: a mere count of rows may be as long as the table.
fn cut(batch: engine::Result<ReadBatch>) -> stream::Iter<std::vec::IntoIter<engine::Result<ReadBatch>>> {
    let pieces = match batch {
        Ok(ReadBatch { rows, progress }) if rows.num_rows() > FRAME_ROWS_MAX => {
            let starts = (0..rows.num_rows()).step_by(FRAME_ROWS_MAX);
            let piece = |start| rows.slice(start, FRAME_ROWS_MAX.min(rows.num_rows() - start));
            starts.map(|start| Ok(ReadBatch { rows: piece(start), progress })).collect()
        }
        whole => vec![whole],
    };
    stream::iter(pieces)
}

/// Turns the engine's batches into the client's full-width ones.
struct Sender {
    encoder: FrameEncoder,
    shape: ScanShape,
    /// The client asks for row ids and counts them only: zeros do.
    row_ids_unread: bool,
}

impl Sender {
    fn frame(&mut self, batch: &ReadBatch) -> Answer<Frame> {
        let rows = if self.row_ids_unread { with_zero_row_ids(&batch.rows)? } else { batch.rows.clone() };
        let rows = self.shape.widen(&rows)?;
        let frame = self.encoder.batch(&rows).map_err(encoding_failed)?;
        Ok(frame.with_metadata(exchange::progress(batch.progress)))
    }
}

/// The batch with a row id column that says nothing.
fn with_zero_row_ids(rows: &RecordBatch) -> Answer<RecordBatch> {
    let count = rows.num_rows();
    let fields = rows.schema().fields().iter().cloned().chain([Arc::new(row_id_field())]).collect::<Vec<_>>();
    let columns = rows.columns().iter().cloned().chain([RowId::zeros(count)]).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(count));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options).map_err(encoding_failed)
}

/// What the client pushed down. Filters are advice: DuckDB applies its own again, so one that cannot be read at all
/// costs speed and nothing else.
fn filters_of(request: &Endpoints) -> Filters {
    Filters::parse(&request.json_filters).unwrap_or_else(|reason| {
        debug!(%reason, "pushed filters are left to the client");
        Filters::none()
    })
}

pub(super) fn encoding_failed(error: ArrowError) -> Failure {
    Error::internal("encoding a batch for the client", error).into()
}
