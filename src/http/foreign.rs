//! Signing in with an ID-Cert, on a server other than the one that issued it.

use actix_web::web::{Data, Json, Payload};
use actix_web::{HttpRequest, HttpResponse};
use antiphon_actors::accounts::{CheckChallenge, MakeChallenge, SignIn};
use antiphon_actors::cert_registry::{PresentCert, Standing};
use antiphon_actors::home_servers::{CheckCert, HomeServerError};
use antiphon_protocol::{ActorCert, base64};
use serde::{Deserialize, Serialize};

use super::auth::Authenticated;
use super::body::NoMembers;
use super::error::ApiError;
use super::identity::UserPayload;
use super::object::Object;
use super::{Doors, body};

#[derive(Serialize)]
pub(super) struct Challenged {
    challenge: String,
    /// The second from which on it is no longer good.
    lifetime_unix: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct IdentifyRequest {
    completed_challenge: Object<CompletedChallenge>,
    id_cert: String,
    /// The signature is all that is asked for here.
    #[serde(rename = "auth_payload")]
    _auth_payload: Option<Object<NoMembers>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CompletedChallenge {
    challenge: String,
    signature: String,
}

#[derive(Serialize)]
struct Identified {
    token: String,
    payload: UserPayload,
}

/// `GET /p2core/challenge`: text to sign, good for 300 s and for once.
pub(super) async fn challenge(
    request: HttpRequest,
    payload: Payload,
    doors: Data<Doors>,
) -> Result<Json<Challenged>, ApiError> {
    body::expect_no_members(&request, payload, &doors.bodies).await?;
    let challenge = doors.accounts.send(MakeChallenge).await??;
    Ok(Json(Challenged {
        challenge: challenge.as_str().to_owned(),
        lifetime_unix: challenge.expires().to_string(),
    }))
}

/// `POST /p2core/session/identify`: a token for who holds the key of an ID-Cert. What costs nothing
/// is checked first, and other servers are asked only for who has signed.
pub(super) async fn identify(
    request: HttpRequest,
    payload: Payload,
    doors: Data<Doors>,
) -> Result<HttpResponse, ApiError> {
    let body = body::read(&request, payload, &doors.bodies).await?;
    let wish: IdentifyRequest = body::parse_object(&body)?;
    let Object(CompletedChallenge {
        challenge: text,
        signature,
    }) = wish.completed_challenge;
    let challenge = doors.accounts.send(CheckChallenge { text }).await??;
    let cert = parse_cert(&wish.id_cert)?;
    let verified = base64::decode(&signature).ok().and_then(|signature| {
        let message = challenge.as_str().as_bytes();
        let verdict = cert.public_key().verify_challenge(message, &signature);
        verdict.ok()
    });
    verified.ok_or(ApiError::ChallengeFailed(
        "The signature over the challenge does not verify with the ID-Cert's key",
    ))?;
    if Standing::of(&cert, &doors.domain) == Standing::Foreign {
        let cert = cert.clone();
        let in_force = true;
        let checking = doors.home_servers.send(CheckCert { cert, in_force });
        checking.await??;
    }
    let (fid, session_id) = (cert.fid().clone(), cert.session_id().clone());
    let signed_in = doors.accounts.send(SignIn { challenge, cert }).await??;
    tracing::info!(%fid, session_id = session_id.as_str(), "a session has signed in");
    Ok(HttpResponse::Created().json(Identified {
        token: signed_in.token.to_wire(),
        payload: UserPayload {
            user_id: signed_in.user.id.to_string(),
        },
    }))
}

/// `POST /p2core/session/idcert/extern`: the session that asks has another ID-Cert.
pub(super) async fn present(
    Authenticated(caller): Authenticated,
    request: HttpRequest,
    payload: Payload,
    doors: Data<Doors>,
) -> Result<HttpResponse, ApiError> {
    let body = body::read(&request, payload, &doors.bodies).await?;
    let cert = parse_cert(&body::parse_string(&body)?)?;
    if *cert.fid() != caller.user.fid {
        let check = "it is for another actor".to_owned();
        return Err(ApiError::InvalidIdCert(check));
    }
    if *cert.session_id() != caller.session_id {
        let check = "it is for another session".to_owned();
        return Err(ApiError::InvalidIdCert(check));
    }
    let standing = Standing::of(&cert, &doors.domain);
    if standing == Standing::Foreign {
        let cert = cert.clone();
        let in_force = false;
        let checking = doors.home_servers.send(CheckCert { cert, in_force });
        checking.await?.map_err(|error| match error {
            // There was a session, so there is a server: it cannot be asked any more.
            HomeServerError::NotFederated(reason) => {
                HomeServerError::Unreachable(reason.to_string())
            }
            error => error,
        })?;
    }
    let (fid, session_id) = (cert.fid().clone(), cert.session_id().clone());
    let presented = PresentCert {
        session: caller.session,
        cert,
        standing,
    };
    doors.registry.send(presented).await??;
    tracing::info!(%fid, session_id = session_id.as_str(), "a session has shown its ID-Cert");
    Ok(HttpResponse::Created().finish())
}

fn parse_cert(text: &str) -> Result<ActorCert, ApiError> {
    let der = base64::decode(text);
    let der = der.map_err(|error| ApiError::InvalidIdCert(error.to_string()))?;
    ActorCert::from_outside(&der).map_err(|error| ApiError::InvalidIdCert(error.to_string()))
}
