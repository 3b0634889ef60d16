//! Carrying out the operator's orders: each asks the owners of what it is about.

use actix::MailboxError;
use antiphon_actors::accounts::{
    AccountsError, AddUser, CreateInvite, EndSessionOf, FindUser, ListInvites, ListUsers,
    NewPassword, PasswordLength, RevokeInvite, SetAdministrator, SetPassword, UserSummary,
};
use antiphon_actors::cert_registry::{RegistryError, ServerCertLife, ServerCerts, SessionLife};
use antiphon_actors::key_manager::{KeyError, RotateServerKey};
use antiphon_actors::storage::StorageError;
use antiphon_protocol::{
    Fid, FidError, LocalName, ServerCert, SessionId, SessionIdError, UserId, UserIdError, base64,
};
use serde::Serialize;
use serde_json::Value;
use zeroize::Zeroizing;

use super::streams::{self, Chunks};
use super::{Invite, InviteCode, Key, Request, Session, User};
use crate::http::Doors;

/// Why an order was refused, in words for the operator.
#[derive(Debug, thiserror::Error)]
pub(super) enum OrderError {
    #[error("{0}")]
    Password(#[from] PasswordLength),
    #[error("{0}")]
    Name(#[from] FidError),
    #[error("{0}")]
    UserId(#[from] UserIdError),
    #[error("{0}")]
    SessionId(#[from] SessionIdError),
    #[error("{0}")]
    Accounts(#[from] AccountsError),
    #[error("{0}")]
    Registry(#[from] RegistryError),
    #[error("{0}")]
    Key(#[from] KeyError),
    #[error("{0}")]
    Encoding(#[from] antiphon_protocol::KeyError),
    #[error("{0}")]
    Storage(#[from] StorageError),
    #[error("another backup is being made")]
    BackupRunning,
    #[error("the server's key was being rotated all the while; try again")]
    KeyRotates,
    #[error("the log has no server certificate")]
    NoKey,
    #[error("the node is stopping")]
    Stopping(#[from] MailboxError),
    #[error("the answer cannot be written: {0}")]
    Json(#[from] serde_json::Error),
}

/// Carries out an order; what is sent after the answer comes with it.
pub(super) async fn carry_out(
    request: Request,
    doors: &Doors,
) -> Result<(Value, Option<Chunks>), OrderError> {
    let accounts = &doors.accounts;
    let answer = match request {
        Request::Backup { passphrase } => {
            let passphrase = passphrase.map(Zeroizing::new);
            let (manifest, chunks) = streams::backup(passphrase, doors).await?;
            return Ok((json(manifest)?, Some(chunks)));
        }
        Request::Export => return Ok((Value::Null, Some(streams::export(doors).await?))),
        Request::UserAdd {
            name,
            password,
            is_administrator,
        } => {
            let order = AddUser {
                local_name: LocalName::parse(&name)?,
                password: NewPassword::new(password)?,
                is_administrator,
            };
            json(user(&accounts.send(order).await??))
        }
        Request::UserList => {
            let users = accounts.send(ListUsers).await??;
            json(users.iter().map(user).collect::<Vec<_>>())
        }
        Request::UserSetAdministrator {
            user: who,
            is_administrator,
        } => {
            let order = SetAdministrator {
                user: find(&who, doors).await?,
                is_administrator,
            };
            json(user(&accounts.send(order).await??))
        }
        Request::UserSetPassword {
            user: who,
            password,
        } => {
            let order = SetPassword {
                user: find(&who, doors).await?,
                password: NewPassword::new(password)?,
            };
            json(user(&accounts.send(order).await??))
        }
        Request::KeyShow => {
            let lives = doors.registry.send(ServerCerts).await??;
            json(key(lives.last().ok_or(OrderError::NoKey)?)?)
        }
        Request::KeyRotate => {
            let cert = doors.key_manager.send(RotateServerKey).await??;
            json(key(&life_of(&cert, doors).await?)?)
        }
        Request::KeyHistory => {
            let lives = doors.registry.send(ServerCerts).await??;
            json(lives.iter().map(key).collect::<Result<Vec<_>, _>>()?)
        }
        Request::SessionList { user: who } => {
            let user = find(&who, doors).await?;
            let user = accounts.send(FindUser { user }).await??.id;
            let reader = doors.cert_reader.clone();
            let listing = tokio::task::spawn_blocking(move || reader.sessions(user));
            let sessions = listing.await.map_err(|_| MailboxError::Closed)??;
            json(
                sessions
                    .iter()
                    .map(session)
                    .collect::<Result<Vec<_>, _>>()?,
            )
        }
        Request::SessionEnd { user, session_id } => {
            let order = EndSessionOf {
                user: find(&user, doors).await?,
                session_id: SessionId::parse(&session_id)?,
            };
            json(accounts.send(order).await??)
        }
        Request::InviteAdd => {
            let invite = accounts.send(CreateInvite).await??;
            json(InviteCode {
                invite: invite.code.to_wire(),
                registration: invite.registration.to_string(),
            })
        }
        Request::InviteList => {
            let invites = accounts.send(ListInvites).await??;
            let invites = invites.into_iter().map(|invite| Invite {
                id: invite.id,
                since: invite.since.as_secs(),
            });
            json(invites.collect::<Vec<_>>())
        }
        Request::InviteRevoke { id } => json(accounts.send(RevokeInvite { id }).await??),
    };
    Ok((answer?, None))
}

fn json(value: impl Serialize) -> Result<Value, OrderError> {
    Ok(serde_json::to_value(value)?)
}

/// A user as an operator names one: by Snowflake, federation ID or local name. Anybody can choose a local name
/// that is somebody's Snowflake, so the Snowflake wins: who has such a name goes by federation ID.
async fn find(text: &str, doors: &Doors) -> Result<UserId, OrderError> {
    let Ok(local_name) = LocalName::parse(text) else {
        return Ok(UserId::parse(text)?);
    };
    if let Ok(user) = UserId::parse(text) {
        match doors.accounts.send(FindUser { user: user.clone() }).await? {
            Err(AccountsError::NoSuchUser) => {}
            found => return Ok(found.map(|_| user)?),
        }
    }
    Ok(UserId::Fid(Fid::new(local_name, doors.domain.clone())))
}

async fn life_of(cert: &ServerCert, doors: &Doors) -> Result<ServerCertLife, OrderError> {
    let lives = doors.registry.send(ServerCerts).await??;
    let life = lives.into_iter().find(|life| life.cert == *cert);
    life.ok_or(OrderError::NoKey)
}

fn user(summary: &UserSummary) -> User {
    User {
        user_id: summary.id.to_string(),
        fid: summary.fid.to_string(),
        is_administrator: summary.is_administrator,
        since: summary.since.as_secs(),
    }
}

fn key(life: &ServerCertLife) -> Result<Key, OrderError> {
    let cert = &life.cert;
    Ok(Key {
        fingerprint: cert.public_key().fingerprint()?,
        algorithm: cert.public_key().algorithm().to_string(),
        serial_number: cert
            .serial_number()
            .map(|serial| serial.to_string())
            .unwrap_or_default(),
        not_before: cert.validity().not_before.as_secs(),
        not_after: cert.validity().not_after.as_secs(),
        since: life.since.as_secs(),
        retired: life.retired.map(antiphon_protocol::Timestamp::as_secs),
        id_cert: base64::encode(cert.as_der()),
    })
}

fn session(life: &SessionLife) -> Result<Session, OrderError> {
    let cert = life.cert.as_ref();
    Ok(Session {
        session_id: life.session_id.as_str().to_owned(),
        since: life.since.as_secs(),
        ended: life.ended.map(antiphon_protocol::Timestamp::as_secs),
        cert_not_after: cert.map(|cert| cert.validity().not_after.as_secs()),
        fingerprint: cert
            .map(|cert| cert.public_key().fingerprint())
            .transpose()?,
    })
}
