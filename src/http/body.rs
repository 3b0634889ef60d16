//! Reading request bodies.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use actix_web::web::{Bytes, BytesMut, Payload};
use actix_web::{HttpMessage as _, HttpRequest};
use futures_util::StreamExt as _;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::error::ApiError;
use super::object::Object;

/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(30);

/// How much of a body that is refused is still taken off the wire, in bytes, so that the client
/// gets to read the refusal instead of a broken connection.
const DRAINED: usize = 16 * 1024 * 1024;

/// How long to wait for more of such a body.
const SILENCE: Duration = Duration::from_secs(2);

/// How much of all bodies together may be in memory, in bytes: more than 200 times 100 KeyPackages. Anybody may send
/// most of one and then nothing.
const ALL: usize = 32 * 1024 * 1024;

/// How much of each does not count, in bytes, so that large ones do not keep out the small ones.
const SMALL: usize = 16 * 1024;

/// How large bodies may be: each, and all that are being read or answered together.
#[derive(Debug, Clone)]
pub struct Bodies {
    largest: usize,
    room: Arc<Semaphore>,
}

impl Bodies {
    /// Each has at most `largest` bytes, and has room if it is alone.
    pub fn new(largest: usize) -> Self {
        let room = Arc::new(Semaphore::new(ALL.max(largest)));
        Self { largest, room }
    }

    fn take(&self, bytes: usize) -> Result<OwnedSemaphorePermit, ApiError> {
        let bytes = u32::try_from(bytes).map_err(|_| ApiError::NoRoom)?;
        let taken = Arc::clone(&self.room).try_acquire_many_owned(bytes);
        taken.map_err(|_| ApiError::NoRoom)
    }
}

/// The body. It may not be there at all.
pub(super) async fn read(
    request: &HttpRequest,
    payload: Payload,
    bodies: &Bodies,
) -> Result<Bytes, ApiError> {
    // Without these there is none (RFC 9112 §6.3), and nothing to wait for.
    let announced = request.headers().get(CONTENT_LENGTH);
    if announced.is_none() && !request.headers().contains_key(TRANSFER_ENCODING) {
        return Ok(Bytes::new());
    }
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    let mut payload = payload.into_inner();
    let arrived = if announced.is_some_and(|length| length > bodies.largest) {
        Err(ApiError::PayloadTooLarge(bodies.largest))
    } else {
        let too_slow = |_| ApiError::BadRequest("The body did not arrive in time.".to_owned());
        let arriving = timeout(PATIENCE, arrive(&mut payload, bodies));
        arriving.await.map_err(too_slow)?
    };
    if let Err(ApiError::PayloadTooLarge(_) | ApiError::NoRoom) = arrived {
        // Refused already, however this ends.
        let _ = timeout(PATIENCE, drain(&mut payload)).await;
    }
    let (body, taken) = arrived?;
    if taken.num_permits() > 0 {
        // Until the request ends: what is made of a body takes about as much.
        request.extensions_mut().insert(taken);
    }
    Ok(body)
}

/// The body, and the room that it takes.
async fn arrive(
    payload: &mut actix_web::dev::Payload,
    bodies: &Bodies,
) -> Result<(Bytes, OwnedSemaphorePermit), ApiError> {
    let (mut body, mut taken) = (BytesMut::new(), bodies.take(0)?);
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| ApiError::BrokenBody)?;
        let length = body.len() + chunk.len();
        if length > bodies.largest {
            return Err(ApiError::PayloadTooLarge(bodies.largest));
        }
        let counted = length.saturating_sub(SMALL);
        taken.merge(bodies.take(counted - taken.num_permits())?);
        body.extend_from_slice(&chunk);
    }
    Ok((body.freeze(), taken))
}

/// Takes what comes of a body that is refused off the wire.
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
    bodies: &Bodies,
) -> Result<(), ApiError> {
    if read(request, payload, bodies).await?.is_empty() {
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
    bodies: &Bodies,
) -> Result<(), ApiError> {
    let body = read(request, payload, bodies).await?;
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
