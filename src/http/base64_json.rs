//! Answers that are one Base64 text or an array of them, written in one go: Base64 has no character
//! that JSON would escape.

use actix_web::HttpResponse;
use actix_web::http::header::ContentType;
use antiphon_protocol::base64;

/// A JSON string.
pub(super) fn string(bytes: &[u8]) -> HttpResponse {
    let mut text = String::with_capacity(length(bytes));
    push(bytes, &mut text);
    answer(text)
}

/// A JSON array of strings.
pub(super) fn array(all: &[Vec<u8>]) -> HttpResponse {
    let lengths = all.iter().map(|bytes| length(bytes) + 1);
    let mut text = String::with_capacity(1 + lengths.sum::<usize>());
    text.push('[');
    for (position, bytes) in all.iter().enumerate() {
        if position > 0 {
            text.push(',');
        }
        push(bytes, &mut text);
    }
    text.push(']');
    answer(text)
}

/// Of the Base64 of bytes between its quotes.
fn length(bytes: &[u8]) -> usize {
    bytes.len().div_ceil(3) * 4 + 2
}

fn push(bytes: &[u8], text: &mut String) {
    text.push('"');
    base64::encode_into(bytes, text);
    text.push('"');
}

fn answer(text: String) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(ContentType::json())
        .body(text)
}
