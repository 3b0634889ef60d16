//! Reading request bodies.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::StreamExt as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::error::ApiError;
use super::object::Object;

/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(30);

/// How much of a body that is too large is still taken off the wire, in bytes, so that the client
/// gets to read the refusal instead of a broken connection.
const DRAINED: usize = 16 * 1024 * 1024;

/// How long to wait for more of such a body.
const SILENCE: Duration = Duration::from_secs(2);

/// The body, at most `limit` bytes of it. A body may not be there at all.
pub(super) async fn read(
    request: &HttpRequest,
    payload: Payload,
    limit: usize,
) -> Result<Bytes, ApiError> {
    // Without these there is none (RFC 9112 §6.3), and nothing to wait for.
    let announced = request.headers().get(CONTENT_LENGTH);
    if announced.is_none() && !request.headers().contains_key(TRANSFER_ENCODING) {
        return Ok(Bytes::new());
    }
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let mut payload = payload.into_inner();
    let body = if announced.is_some_and(|length| length > limit) {
        None
    } else {
        let too_slow = |_| ApiError::BadRequest("The body did not arrive in time.".to_owned());
        let arriving = timeout(PATIENCE, arrive(&mut payload, limit));
        arriving.await.map_err(too_slow)??
    };
    let Some(body) = body else {
        // Refused already, however this ends.
        let _ = timeout(PATIENCE, drain(&mut payload)).await;
        return Err(ApiError::PayloadTooLarge(limit));
    };
    Ok(body)
}

/// The body, or none if it is longer than `limit`.
async fn arrive(
    payload: &mut actix_web::dev::Payload,
    limit: usize,
) -> Result<Option<Bytes>, ApiError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| ApiError::BrokenBody)?;
        if body.len() + chunk.len() > limit {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body.freeze()))
}

/// Takes what comes of a body that is too large off the wire.
async fn drain(payload: &mut actix_web::dev::Payload) {
    let mut left = DRAINED;
    while let Ok(Some(Ok(chunk))) = timeout(SILENCE, payload.next()).await {
        match left.checked_sub(chunk.len()) {
            Some(less) => left = less,
            None => break,
        }
    }
}

/// Refuses a body where there must be none.
pub(super) async fn expect_none(
    request: &HttpRequest,
    payload: Payload,
    limit: usize,
) -> Result<(), ApiError> {
    if read(request, payload, limit).await?.is_empty() {
        Ok(())
    } else {
        let message = "This request takes no body.".to_owned();
        Err(ApiError::BadRequest(message))
    }
}

/// Refuses a body with members where there are none to give. Some clients send `{}` with whatever
/// they ask.
pub(super) async fn expect_no_members(
    request: &HttpRequest,
    payload: Payload,
    limit: usize,
) -> Result<(), ApiError> {
    let body = read(request, payload, limit).await?;
    if !body.is_empty() {
        let NoMembers {} = parse_object(&body)?;
    }
    Ok(())
}

/// An object without members.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NoMembers {}

/// Parses a JSON object. An unknown or repeated member is refused, so that a misspelt one is never
/// overlooked; `T` must deny unknown fields.
pub(super) fn parse_object<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let parsed: Result<Object<T>, _> = serde_json::from_slice(body);
    let unreadable = |error| ApiError::BadRequest(format!("The body cannot be read: {error}."));
    parsed.map(|Object(members)| members).map_err(unreadable)
}

/// Parses a JSON string.
pub(super) fn parse_string(body: &[u8]) -> Result<String, ApiError> {
    serde_json::from_slice(body)
        .map_err(|_| ApiError::BadRequest("The body must be a JSON string.".to_owned()))
}
