//! The second that a lookup asks for.

use actix_web::HttpRequest;
use actix_web::web::{Payload, Query};
use antiphon_protocol::Timestamp;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::error::ApiError;
use super::{Doors, body};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InBody {
    // As it is written: not every JSON number can be held.
    #[serde(default, deserialize_with = "some")]
    timestamp: Option<Box<RawValue>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InQuery {
    timestamp: Option<String>,
}

/// Tells a member that is null from one that is not there.
fn some<'de, D>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error>
where
    D: serde::Deserializer<'de>,
{
    Box::deserialize(deserializer).map(Some)
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
    let body = body::read(request, payload, &doors.bodies).await?;
    let in_body = if body.is_empty() {
        None
    } else {
        body::parse_object::<InBody>(&body)?.timestamp
    };
    let in_query = Query::<InQuery>::from_query(request.query_string());
    let in_query = in_query.map_err(|error| ApiError::BadRequest(format!("{error}.")))?;
    let in_body = in_body.as_deref().map(from_json).transpose()?;
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

fn from_json(value: &RawValue) -> Result<Timestamp, ApiError> {
    let text: Result<String, _> = serde_json::from_str(value.get());
    // A whole number is written in JSON as it is in a string, and nothing else is.
    from_text(text.as_deref().unwrap_or(value.get()))
}

fn from_text(text: &str) -> Result<Timestamp, ApiError> {
    Timestamp::parse(text).map_err(|_| ApiError::InvalidTimestamp)
}
