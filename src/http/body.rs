//! Reading request bodies.

use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::StreamExt as _;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::error::ApiError;

/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(30);

/// How much of a body that is too large is still taken off the wire, in bytes, so that the client
/// gets to read the refusal instead of a broken connection.
const DRAINED: usize = 16 * 1024 * 1024;

/// The body, at most `limit` bytes of it. A body may not be there at all.
pub(super) async fn read(
    request: &HttpRequest,
    payload: Payload,
    limit: usize,
) -> Result<Bytes, ApiError> {
    // Without these there is none (RFC 9112 §6.3), and nothing to wait for.
    let announces = |header| request.headers().contains_key(header);
    if !announces(&CONTENT_LENGTH) && !announces(&TRANSFER_ENCODING) {
        return Ok(Bytes::new());
    }
    let arriving = timeout(PATIENCE, arrive(request, payload, limit));
    let too_slow = |_| ApiError::BadRequest("The body did not arrive in time.".to_owned());
    arriving.await.map_err(too_slow)?
}

async fn arrive(request: &HttpRequest, payload: Payload, limit: usize) -> Result<Bytes, ApiError> {
    let announced = request.headers().get(CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let mut is_too_large = announced.is_some_and(|length| length > limit);
    let mut payload = payload.into_inner();
    let mut body = BytesMut::new();
    let mut seen = 0;
    while let Some(chunk) = next_chunk(&mut payload).await {
        let chunk = chunk?;
        seen += chunk.len();
        is_too_large |= seen > limit;
        if !is_too_large {
            body.extend_from_slice(&chunk);
        } else if seen > limit.saturating_add(DRAINED) {
            break;
        }
    }
    if is_too_large {
        Err(ApiError::PayloadTooLarge(limit))
    } else {
        Ok(body.freeze())
    }
}

async fn next_chunk(payload: &mut actix_web::dev::Payload) -> Option<Result<Bytes, ApiError>> {
    let chunk = payload.next().await?;
    Some(chunk.map_err(|_| ApiError::BadRequest("The body could not be read.".to_owned())))
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

/// Parses a JSON object. An unknown or repeated member is refused, so that a misspelt one is never
/// overlooked; `T` must deny unknown fields.
pub(super) fn parse_object<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    // serde would also take the fields of a struct from an array.
    let is_object = body.trim_ascii_start().starts_with(b"{");
    if !is_object {
        let message = "The body must be a JSON object.".to_owned();
        return Err(ApiError::BadRequest(message));
    }
    serde_json::from_slice(body)
        .map_err(|error| ApiError::BadRequest(format!("The body cannot be read: {error}.")))
}

/// Parses a JSON string.
pub(super) fn parse_string(body: &[u8]) -> Result<String, ApiError> {
    serde_json::from_slice(body)
        .map_err(|_| ApiError::BadRequest("The body must be a JSON string.".to_owned()))
}
