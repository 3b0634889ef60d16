//! The last segment of a path, where it is an ID.

use std::borrow::Cow;

use actix_web::HttpRequest;
use percent_encoding::percent_decode_str;

/// The segment as sent, percent-encoding and all.
pub(super) fn raw_last_segment(request: &HttpRequest) -> &str {
    let path = request.uri().path();
    path.rsplit_once('/').map_or(path, |(_, segment)| segment)
}

/// The segment decoded; `None` if it is not UTF-8.
pub(super) fn last_segment(request: &HttpRequest) -> Option<Cow<'_, str>> {
    percent_decode_str(raw_last_segment(request))
        .decode_utf8()
        .ok()
}
