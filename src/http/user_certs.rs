//! The ID-Certs of a user.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use antiphon_actors::accounts::FindUserId;
use antiphon_actors::cert_registry::SessionCertsInForce;
use antiphon_protocol::UserId;

use super::error::ApiError;
use super::readers::Readers;
use super::{Doors, base64_json, caching, path, timestamp};

/// `GET /p2core/key/user/:user_id`: one ID-Cert per session in force now or at a second, in
/// Base64.
pub(super) async fn list(
    request: HttpRequest,
    payload: Payload,
    doors: Data<Doors>,
    readers: Data<Readers>,
) -> Result<HttpResponse, ApiError> {
    let user = path::last_segment(&request).and_then(|text| UserId::parse(&text).ok());
    let user = user.ok_or(ApiError::InvalidUserId)?;
    let requested = timestamp::requested(&request, payload, &doors).await?;
    let user = readers.users.send(FindUserId { user }).await??;
    let at = requested.at;
    let certs = readers
        .certs
        .send(SessionCertsInForce { user, at })
        .await??;
    let answer = base64_json::array(&certs.certs);
    Ok(caching::allow(requested, certs.is_final, answer))
}
