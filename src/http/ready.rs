//! `GET /readyz`: for whoever watches over the node.

use actix_web::HttpResponse;
use actix_web::web::Data;
use serde::Serialize;

use super::Doors;
use super::error::ApiError;

#[derive(Serialize)]
struct Ready {
    ready: bool,
}

/// 200 while the node does all it is there for; 503 `P2CORE_STORAGE_FAILED` once it takes no more
/// writes.
pub(super) async fn show(doors: Data<Doors>) -> Result<HttpResponse, ApiError> {
    if doors.storage.takes_writes() {
        Ok(HttpResponse::Ok().json(Ready { ready: true }))
    } else {
        Err(ApiError::StorageFailed)
    }
}
