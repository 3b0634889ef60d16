//! The server's identity key: showing its ID-Cert, rotating it.

use actix_web::web::{Data, Json, Payload};
use actix_web::{HttpRequest, HttpResponse};
use antiphon_actors::cert_registry::ServerCertInForce;
use antiphon_actors::key_manager::RotateServerKey;

use super::auth::Authenticated;
use super::error::ApiError;
use super::readers::Readers;
use super::{Doors, base64_json, body, caching, timestamp};

/// `GET /p2core/key/server`: the ID-Cert in force now or at a second, in Base64.
pub(super) async fn show(
    request: HttpRequest,
    payload: Payload,
    doors: Data<Doors>,
    readers: Data<Readers>,
) -> Result<HttpResponse, ApiError> {
    let requested = timestamp::requested(&request, payload, &doors).await?;
    let at = requested.at;
    let cert = readers.certs.send(ServerCertInForce { at }).await??;
    let answer = base64_json::string(&cert.certs);
    Ok(caching::allow(requested, cert.is_final, answer))
}

/// `PUT /p2core/key/server`: a new key; the answer is its public half in PEM.
pub(super) async fn rotate(
    Authenticated(caller): Authenticated,
    request: HttpRequest,
    payload: Payload,
    doors: Data<Doors>,
) -> Result<Json<String>, ApiError> {
    if !caller.user.is_administrator {
        return Err(ApiError::NotAdministrator);
    }
    body::expect_none(&request, payload, &doors.bodies).await?;
    let cert = doors.key_manager.send(RotateServerKey).await??;
    tracing::info!(by = %caller.user.fid, "the server key has been rotated");
    let pem = cert.public_key().to_pem();
    Ok(Json(
        pem.map_err(antiphon_actors::key_manager::KeyError::from)?,
    ))
}
