//! Base64 on the wire: RFC 4648 §4, standard alphabet, padded, no line breaks.

use ::base64::{Engine as _, engine::general_purpose::STANDARD};

/// The text is not the one accepted form of Base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not Base64 in the standard alphabet, padded and without line breaks")]
pub struct Base64Error;

/// Encodes bytes as they are sent.
pub fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Appends to `text` what [`encode`] makes of bytes.
pub fn encode_into(bytes: &[u8], text: &mut String) {
    STANDARD.encode_string(bytes, text);
}

/// Decodes text as it is received. Base64url, missing padding, line breaks and non-zero trailing
/// bits are refused, so that equal bytes have one spelling.
pub fn decode(text: &str) -> Result<Vec<u8>, Base64Error> {
    STANDARD.decode(text).map_err(|_| Base64Error)
}
