//! What caches between a client and the node may keep (RFC 9111). Without a word, they may keep much
//! of what a GET answers, also a KeyPackage that nobody may ever get again.

use actix_web::HttpResponse;
use actix_web::http::header::{CACHE_CONTROL, HeaderValue};
use actix_web::middleware::DefaultHeaders;

use super::timestamp::Requested;

const NEVER: HeaderValue = HeaderValue::from_static("no-store");

/// Kept for a year, and not asked about in that time (RFC 8246).
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// The middleware: what says nothing else about caches is not for them.
pub(super) fn forbid() -> DefaultHeaders {
    DefaultHeaders::new().add((CACHE_CONTROL, NEVER))
}

/// The answer to a lookup, which may be kept if it is final; but caches know it by its URL, so not if the
/// second is in the body.
pub(super) fn allow(
    requested: Requested,
    is_final: bool,
    mut answer: HttpResponse,
) -> HttpResponse {
    if is_final && requested.is_in_url {
        answer.headers_mut().insert(CACHE_CONTROL, FOR_EVER);
    }
    answer
}
