//! Registering.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Json, Payload};
use actix_web::{HttpRequest, HttpResponse, Responder};
use antiphon_actors::accounts::{NewPassword, Register};
use antiphon_protocol::{LocalName, Token};
use serde::{Deserialize, Serialize};

use super::error::ApiError;
use super::object::Object;
use super::{Doors, body};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    username: String,
    password: Option<String>,
    auth_payload: Option<Object<AuthPayload>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AuthPayload {
    invite: Option<String>,
}

#[derive(Serialize)]
struct Registered {
    fid: String,
    payload: UserPayload,
}

/// The ID that a user has here.
#[derive(Serialize)]
pub(super) struct UserPayload {
    pub(super) user_id: String,
}

/// `POST /p2core/identity`: a new user of this server.
pub(super) async fn register(
    request: HttpRequest,
    payload: Payload,
    doors: Data<Doors>,
) -> Result<HttpResponse, ApiError> {
    let body = body::read(&request, payload, &doors.bodies).await?;
    let wish: Request = body::parse_object(&body)?;
    let invite = wish.auth_payload.and_then(|Object(auth)| auth.invite);
    let user = doors
        .accounts
        .send(Register {
            local_name: LocalName::parse(&wish.username),
            password: NewPassword::new(wish.password.unwrap_or_default()),
            invite: invite.and_then(|invite| Token::parse(&invite)),
        })
        .await??;
    tracing::info!(fid = %user.fid, "a user has registered");
    let registered = Registered {
        fid: user.fid.to_string(),
        payload: UserPayload {
            user_id: user.id.to_string(),
        },
    };
    let answer = (Json(registered), StatusCode::CREATED);
    Ok(answer.respond_to(&request).map_into_boxed_body())
}
