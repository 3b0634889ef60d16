//! Sessions: beginning one, renewing its ID-Cert, ending it.

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use antiphon_actors::accounts::{
    AccountsError, Caller, EndNamedSession, EndOwnSession, OpenSession, Password,
};
use antiphon_actors::cert_registry::RegistryError;
use antiphon_actors::key_manager::{CertifySession, Purpose};
use antiphon_protocol::{CsrError, IdCsr, LocalName, SessionId, VerifiedCsr, base64};
use serde::{Deserialize, Serialize};

use super::auth::Authenticated;
use super::body::NoMembers;
use super::error::ApiError;
use super::identity::UserPayload;
use super::object::Object;
use super::{Doors, body, path};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TrustRequest {
    username: String,
    csr: String,
    password: Option<String>,
    /// Nothing but the password is asked for here.
    #[serde(rename = "auth_payload")]
    _auth_payload: Option<Object<NoMembers>>,
}

#[derive(Serialize)]
struct Trusted {
    id_cert: String,
    token: String,
    payload: UserPayload,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RenewRequest {
    csr: String,
}

#[derive(Serialize)]
struct Renewed {
    id_cert: String,
}

/// `POST /p2core/session/trust`: a session for who knows the password, with an ID-Cert for the key
/// in the request.
pub(super) async fn trust(
    request: HttpRequest,
    payload: Payload,
    doors: Data<Doors>,
) -> Result<HttpResponse, ApiError> {
    let body = body::read(&request, payload, &doors.bodies).await?;
    let wish: TrustRequest = body::parse_object(&body)?;
    let opened = doors
        .accounts
        .send(OpenSession {
            local_name: LocalName::parse(&wish.username).ok(),
            password: Password::new(wish.password.unwrap_or_default()),
            csr: parse_csr(&wish.csr),
        })
        .await??;
    let (fid, session_id) = (opened.cert.fid(), opened.cert.session_id().as_str());
    tracing::info!(%fid, session_id, "a session has begun");
    Ok(HttpResponse::Created().json(Trusted {
        id_cert: base64::encode(opened.cert.as_der()),
        token: opened.token.to_wire(),
        payload: UserPayload {
            user_id: opened.user.id.to_string(),
        },
    }))
}

/// `POST /p2core/session/idcert`: another ID-Cert for the session that asks.
pub(super) async fn renew(
    Authenticated(caller): Authenticated,
    request: HttpRequest,
    payload: Payload,
    doors: Data<Doors>,
) -> Result<HttpResponse, ApiError> {
    if *caller.user.fid.domain() != doors.domain {
        return Err(ApiError::NotLocal);
    }
    let body = body::read(&request, payload, &doors.bodies).await?;
    let wish: RenewRequest = body::parse_object(&body)?;
    let csr = parse_csr(&wish.csr)?;
    csr.expect_fid(&caller.user.fid)?;
    csr.expect_session_id(&caller.session_id)?;
    let cert = doors
        .key_manager
        .send(CertifySession {
            csr,
            session: caller.session,
            purpose: Purpose::Renew,
        })
        .await??;
    let (fid, session_id) = (cert.fid(), cert.session_id().as_str());
    tracing::info!(%fid, session_id, "a session has another ID-Cert");
    Ok(HttpResponse::Created().json(Renewed {
        id_cert: base64::encode(cert.as_der()),
    }))
}

/// `DELETE /p2core/session/:session_id`: ends one of the caller's own sessions.
pub(super) async fn end(
    Authenticated(caller): Authenticated,
    request: HttpRequest,
    payload: Payload,
    doors: Data<Doors>,
) -> Result<HttpResponse, ApiError> {
    body::expect_no_members(&request, payload, &doors.bodies).await?;
    let session_id = end_one(&caller, &request, &doors).await?;
    tracing::info!(fid = %caller.user.fid, session_id = session_id.as_str(), "a session has ended");
    Ok(HttpResponse::NoContent().finish())
}

/// Ends the session that the path names; returns its ID.
async fn end_one(
    caller: &Caller,
    request: &HttpRequest,
    doors: &Doors,
) -> Result<SessionId, ApiError> {
    if path::raw_last_segment(request) != "@me" {
        let named = path::last_segment(request).and_then(|id| SessionId::parse(&id).ok());
        let session_id = named.ok_or(ApiError::NotFound)?;
        let user = caller.user.id;
        let end = EndNamedSession {
            user,
            session_id: session_id.clone(),
        };
        match doors.accounts.send(end).await? {
            // `%40me` means the session of that name if there is one: clients differ in what they
            // encode.
            Err(AccountsError::Registry(RegistryError::NoSuchSession))
                if session_id.as_str() == "@me" => {}
            ended => return Ok(ended.map(|()| session_id)?),
        }
    }
    let session = caller.session;
    doors.accounts.send(EndOwnSession { session }).await??;
    Ok(caller.session_id.clone())
}

/// Takes a CSR in as far as it can be judged without knowing who asks.
fn parse_csr(text: &str) -> Result<VerifiedCsr, CsrError> {
    let der = base64::decode(text).map_err(|_| CsrError::NotBase64)?;
    IdCsr::from_der(&der)?.verify()
}
