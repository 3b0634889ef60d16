//! The second that a lookup asks for.

use actix_web::HttpRequest;
use actix_web::web::{Payload, Query};
use antiphon_protocol::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::error::ApiError;
use super::{Doors, body};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InBody {
    #[serde(default, deserialize_with = "some")]
    timestamp: Option<Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InQuery {
    timestamp: Option<String>,
}

/// Tells a member that is null from one that is not there.
fn some<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// A question about a second, or about now.
#[derive(Debug, Clone, Copy)]
pub(super) struct Requested {
    /// The second; none for now.
    pub(super) at: Option<Timestamp>,
    /// Whether the URL alone says so.
    pub(super) is_in_url: bool,
}

/// The timestamp in the query or in the JSON body, whatever the body's Content-Type; in both only
/// if they agree.
pub(super) async fn requested(
    request: &HttpRequest,
    payload: Payload,
    doors: &Doors,
) -> Result<Requested, ApiError> {
    let body = body::read(request, payload, doors.body_bytes).await?;
    let in_body = if body.is_empty() {
        None
    } else {
        body::parse_object::<InBody>(&body)?.timestamp
    };
    let in_query = Query::<InQuery>::from_query(request.query_string());
    let in_query = in_query.map_err(|error| ApiError::BadRequest(format!("{error}.")))?;
    let in_body = in_body.as_ref().map(from_json).transpose()?;
    let in_query = in_query.timestamp.as_deref().map(from_text).transpose()?;
    match (in_body, in_query) {
        (Some(in_body), Some(in_query)) if in_body != in_query => {
            let message = "The body and the query ask for different timestamps.".to_owned();
            Err(ApiError::BadRequest(message))
        }
        (in_body, in_query) => Ok(Requested {
            at: in_body.or(in_query),
            is_in_url: in_body.is_none() || in_query.is_some(),
        }),
    }
}

fn from_json(value: &Value) -> Result<Timestamp, ApiError> {
    match value {
        Value::String(text) => from_text(text),
        Value::Number(number) => number
            .as_u64()
            .map(Timestamp::from_secs)
            .ok_or(ApiError::InvalidTimestamp),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
            Err(ApiError::InvalidTimestamp)
        }
    }
}

fn from_text(text: &str) -> Result<Timestamp, ApiError> {
    Timestamp::parse(text).map_err(|_| ApiError::InvalidTimestamp)
}
