//! Who asks.

use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header::AUTHORIZATION;
use actix_web::web::Data;
use actix_web::{FromRequest, HttpRequest};
use antiphon_actors::accounts::{Authenticate, Caller};
use antiphon_protocol::{Token, TokenHash};

use super::error::ApiError;
use super::readers::Readers;

/// The session that makes a request, by its bearer token (RFC 6750 §2.1). As an argument of a
/// handler it is judged before the handler reads the body.
pub(super) struct Authenticated(pub(super) Caller);

impl FromRequest for Authenticated {
    type Error = ApiError;
    type Future = Pin<Box<dyn Future<Output = Result<Self, ApiError>>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let asked = request
            .app_data::<Data<Readers>>()
            .zip(bearer_token(request))
            .map(|(readers, token)| readers.users.send(Authenticate { token }));
        Box::pin(async move {
            let caller = asked.ok_or(ApiError::Unauthorized)?.await??;
            Ok(Self(caller))
        })
    }
}

fn bearer_token(request: &HttpRequest) -> Option<TokenHash> {
    let mut headers = request.headers().get_all(AUTHORIZATION);
    let (Some(header), None) = (headers.next(), headers.next()) else {
        return None;
    };
    let (scheme, token) = header.to_str().ok()?.split_once(' ')?;
    let is_bearer = scheme.eq_ignore_ascii_case("bearer");
    let token = is_bearer.then(|| Token::parse(token.trim()))??;
    Some(token.hash())
}
