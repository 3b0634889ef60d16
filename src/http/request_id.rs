//! A request ID on every line that is logged for a request, and on every answer.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use rand_core::{OsRng, RngCore as _};
use tracing::Instrument as _;

use super::error::ApiError;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Tells the requests of this start from those of others.
static START: LazyLock<u32> = LazyLock::new(|| OsRng.next_u32());
static COUNT: AtomicU64 = AtomicU64::new(0);

/// The middleware.
pub(super) async fn attach(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let id = format!("{:08x}-{:x}", *START, COUNT.fetch_add(1, Ordering::Relaxed));
    // GETs log nothing but their faults, and a span takes a fifteenth of a lookup.
    let span = if request.method().is_safe() {
        tracing::debug_span!("request", id)
    } else {
        tracing::error_span!("request", id)
    };
    let mut response = next.call(request).instrument(span).await?;
    log(&id, &response);
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(X_REQUEST_ID, id);
    }
    Ok(response)
}

/// Says what was answered, if all is logged, and always what went wrong within the node.
fn log(id: &str, response: &ServiceResponse<impl MessageBody>) {
    let error = response.response().error();
    let fault = error.and_then(|error| error.as_error::<ApiError>()?.fault());
    if fault.is_none() && !tracing::enabled!(tracing::Level::DEBUG) {
        return;
    }
    tracing::error_span!("request", id).in_scope(|| {
        if let Some(fault) = fault {
            tracing::error!(error = fault, "a request failed");
        }
        let (method, path) = (response.request().method(), response.request().path());
        let status = response.status().as_u16();
        tracing::debug!(%method, path, status, "answered");
    });
}
