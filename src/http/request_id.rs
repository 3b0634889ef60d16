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
    let span = tracing::error_span!("request", id);
    let method = request.method().clone();
    let path = request.path().to_owned();
    async move {
        let mut response = next.call(request).await?;
        let status = response.status().as_u16();
        tracing::debug!(%method, path, status, "answered");
        if let Ok(id) = HeaderValue::from_str(&id) {
            response.headers_mut().insert(X_REQUEST_ID, id);
        }
        Ok(response)
    }
    .instrument(span)
    .await
}
