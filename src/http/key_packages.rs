//! MLS KeyPackages: publishing them, counting them, claiming them.

use std::collections::BTreeMap;

use actix_web::web::{Bytes, Data, Json, Payload, Query};
use actix_web::{HttpRequest, HttpResponse};
use antiphon_actors::accounts::{Caller, FindUser, FindUserId};
use antiphon_actors::cert_registry::{LiveCert, LiveCertOf};
use antiphon_actors::key_package_pool::{Claim, Count, Publish, PutLastResort};
use antiphon_protocol::{
    ActorCert, KeyPackage, KeyPackageError, KeyPackageUse, Snowflake, Timestamp, UserId, base64,
};
use serde::{Deserialize, Serialize};

use super::auth::Authenticated;
use super::error::ApiError;
use super::readers::Readers;
use super::{Doors, base64_json, body, path};

/// How many packages one request may publish.
const AT_ONCE: std::ops::RangeInclusive<usize> = 1..=100;

/// How long an idempotency key may be, in characters.
const KEY_LENGTH: std::ops::RangeInclusive<usize> = 1..=64;

/// A package's bytes, before it is checked.
type Unchecked = Result<Vec<u8>, KeyPackageError>;

#[derive(Serialize)]
pub(super) struct Stock {
    available: BTreeMap<String, u64>,
    last_resort: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InQuery {
    cipher_suite: Option<String>,
}

/// `POST /p2core/keypackage/@me`: more one-time packages, all or none.
pub(super) async fn publish(
    Authenticated(caller): Authenticated,
    request: HttpRequest,
    payload: Payload,
    doors: Data<Doors>,
    readers: Data<Readers>,
) -> Result<HttpResponse, ApiError> {
    let body = body_of_local(&caller, &request, payload, &doors).await?;
    let unchecked = packages_in(&body)?;
    // What a crowd publishes waits to be checked as bytes, which are less than their text.
    drop(body);
    let (cert, packages) = check(&caller, &doors, &readers, unchecked, KeyPackageUse::Once).await?;
    let session = caller.session;
    let published = doors.key_packages.send(Publish {
        session,
        cert,
        packages,
    });
    published.await??;
    Ok(HttpResponse::Created().finish())
}

/// `PUT /p2core/keypackage_lr`: the last resort package of its suite.
pub(super) async fn put_last_resort(
    Authenticated(caller): Authenticated,
    request: HttpRequest,
    payload: Payload,
    doors: Data<Doors>,
    readers: Data<Readers>,
) -> Result<HttpResponse, ApiError> {
    let body = body_of_local(&caller, &request, payload, &doors).await?;
    let unchecked = vec![decoded(&body::parse_string(&body)?)];
    drop(body);
    let (cert, packages) = check(
        &caller,
        &doors,
        &readers,
        unchecked,
        KeyPackageUse::LastResort,
    )
    .await?;
    let session = caller.session;
    for package in packages {
        let put = PutLastResort {
            session,
            cert,
            package,
        };
        doors.key_packages.send(put).await??;
    }
    Ok(HttpResponse::NoContent().finish())
}

/// `GET /p2core/keypackage/@me`: what the calling session has in its pool.
pub(super) async fn count(
    Authenticated(caller): Authenticated,
    request: HttpRequest,
    payload: Payload,
    doors: Data<Doors>,
) -> Result<Json<Stock>, ApiError> {
    body::expect_no_members(&request, payload, &doors.bodies).await?;
    check_is_local(&caller, &doors)?;
    let session = caller.session;
    let stock = doors.key_packages.send(Count { session }).await??;
    let available = stock.one_time.iter();
    let last_resort = stock.last_resort.iter();
    Ok(Json(Stock {
        available: available
            .map(|(suite, count)| (suite.number().to_string(), *count))
            .collect(),
        last_resort: last_resort
            .map(|suite| suite.number().to_string())
            .collect(),
    }))
}

/// `GET /p2core/keypackage/:user_id`: a package for each client of a user.
pub(super) async fn claim(
    Authenticated(caller): Authenticated,
    request: HttpRequest,
    payload: Payload,
    doors: Data<Doors>,
    readers: Data<Readers>,
) -> Result<HttpResponse, ApiError> {
    // What is wished for is in the query; a wish that is overlooked would cost a package.
    body::expect_no_members(&request, payload, &doors.bodies).await?;
    let user = path::last_segment(&request).and_then(|text| UserId::parse(&text).ok());
    let user = user.ok_or(ApiError::InvalidUserId)?;
    let query = Query::<InQuery>::from_query(request.query_string());
    let query = query.map_err(|error| ApiError::BadRequest(format!("{error}.")))?;
    let cipher_suite = query.cipher_suite.as_deref().map(parse_suite).transpose()?;
    let idempotency_key = idempotency_key(&request)?;
    let user = find_local(user, &doors, &readers).await?;
    let claim = Claim {
        asker: caller.session,
        user,
        cipher_suite,
        idempotency_key,
    };
    let packages = doors.key_packages.send(claim).await??;
    Ok(base64_json::array(&packages))
}

/// A user of this server: only they have pools.
async fn find_local(user: UserId, doors: &Doors, readers: &Readers) -> Result<Snowflake, ApiError> {
    if let UserId::Fid(fid) = &user
        && *fid.domain() == doors.domain
    {
        return Ok(readers.users.send(FindUserId { user }).await??);
    }
    let found = readers.users.send(FindUser { user }).await??;
    if *found.fid.domain() != doors.domain {
        return Err(ApiError::UserNotFound);
    }
    Ok(found.id)
}

/// The body of a request that only this server's own people may make.
async fn body_of_local(
    caller: &Caller,
    request: &HttpRequest,
    payload: Payload,
    doors: &Doors,
) -> Result<Bytes, ApiError> {
    check_is_local(caller, doors)?;
    body::read(request, payload, &doors.bodies).await
}

fn check_is_local(caller: &Caller, doors: &Doors) -> Result<(), ApiError> {
    if *caller.user.fid.domain() == doors.domain {
        Ok(())
    } else {
        Err(ApiError::NotLocal)
    }
}

/// The packages in a body.
fn packages_in(body: &[u8]) -> Result<Vec<Unchecked>, ApiError> {
    let texts: Vec<String> = serde_json::from_slice(body).map_err(|_| {
        let message = "The body must be a JSON array of strings.".to_owned();
        ApiError::BadRequest(message)
    })?;
    if !AT_ONCE.contains(&texts.len()) {
        let message = "1 to 100 KeyPackages can be published at once.".to_owned();
        return Err(ApiError::BadRequest(message));
    }
    Ok(texts.iter().map(|text| decoded(text)).collect())
}

fn decoded(text: &str) -> Unchecked {
    base64::decode(text).map_err(|_| KeyPackageError::NotBase64)
}

/// Checks packages against the caller's ID-Cert, off the threads that answer. Returns them with
/// the log entry of that certificate.
async fn check(
    caller: &Caller,
    doors: &Doors,
    readers: &Readers,
    unchecked: Vec<Unchecked>,
    purpose: KeyPackageUse,
) -> Result<(u64, Vec<KeyPackage>), ApiError> {
    let session = caller.session;
    let cert = readers.certs.send(LiveCertOf { session }).await??;
    let LiveCert { sequence, der } = cert.ok_or(ApiError::InvalidKeyPackage {
        index: 0,
        error: KeyPackageError::OtherCert,
    })?;
    let now = doors.clock.now();
    let checking = doors
        .workers
        .run(move || check_all(unchecked, &der, purpose, now));
    Ok((sequence, checking.await??))
}

fn check_all(
    unchecked: Vec<Unchecked>,
    cert: &[u8],
    purpose: KeyPackageUse,
    now: Timestamp,
) -> Result<Vec<KeyPackage>, ApiError> {
    let cert = ActorCert::from_der(cert).map_err(|error| ApiError::internal(&error))?;
    let packages = unchecked.into_iter().enumerate().map(|(index, bytes)| {
        bytes
            .and_then(|bytes| KeyPackage::check(&bytes, &cert, purpose, now))
            .map_err(|error| ApiError::InvalidKeyPackage { index, error })
    });
    packages.collect()
}

/// A cipher suite's number, decimal or as `0x…`.
fn parse_suite(text: &str) -> Result<u16, ApiError> {
    let (digits, radix) = match text.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let number = is_number.then(|| u16::from_str_radix(digits, radix).ok());
    number.flatten().ok_or_else(|| {
        let message = "A cipher_suite is a number up to 65535, decimal or as 0x….".to_owned();
        ApiError::BadRequest(message)
    })
}

fn idempotency_key(request: &HttpRequest) -> Result<Option<String>, ApiError> {
    let mut headers = request.headers().get_all("idempotency-key");
    let Some(header) = headers.next() else {
        return Ok(None);
    };
    let text = header.to_str().ok();
    let is_visible = |text: &&str| text.bytes().all(|byte| byte.is_ascii_graphic());
    let text = text.filter(|text| KEY_LENGTH.contains(&text.len()));
    let is_alone = headers.next().is_none();
    let text = text.filter(is_visible).filter(|_| is_alone);
    let message = "An Idempotency-Key is 1 to 64 visible ASCII characters.";
    match text {
        Some(text) => Ok(Some(text.to_owned())),
        None => Err(ApiError::BadRequest(message.to_owned())),
    }
}
