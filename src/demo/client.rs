//! One person's client in the demo: real keys, real requests.

use antiphon_protocol::{ActorCert, ClientKey, Fid, KeyError, ServerCert, SessionId, base64};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::DemoError;

/// The password of the person in the demo; the nodes live for some seconds.
const PASSWORD: &str = "correct horse battery staple";

/// A node as clients know it.
#[derive(Debug, Clone)]
pub(super) struct Server {
    pub(super) domain: String,
    pub(super) base: String,
    http: reqwest::Client,
}

/// What a node answered.
#[derive(Debug)]
pub(super) struct Answer {
    asked: String,
    pub(super) status: StatusCode,
    pub(super) body: Value,
}

impl Server {
    pub(super) fn new(domain: &str, base: String) -> Result<Self, DemoError> {
        Ok(Self {
            domain: domain.to_owned(),
            base,
            http: reqwest::Client::builder().no_proxy().build()?,
        })
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<Value>,
    ) -> Result<Answer, DemoError> {
        let asked = format!("{method} {path} at {}", self.domain);
        let mut request = self
            .http
            .request(method, format!("{}/p2core{path}", self.base));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await?;
        let status = response.status();
        let text = response.text().await?;
        let body = match text.as_str() {
            "" => Value::Null,
            text => serde_json::from_str(text).unwrap_or_else(|_| text.into()),
        };
        Ok(Answer {
            asked,
            status,
            body,
        })
    }

    pub(super) async fn register(&self, name: &str) -> Result<Answer, DemoError> {
        let body = json!({ "username": name, "password": PASSWORD });
        self.ask(Method::POST, "/identity", None, Some(body)).await
    }

    pub(super) async fn trust(
        &self,
        fid: &Fid,
        session_id: &SessionId,
        key: &ClientKey,
    ) -> Result<Answer, DemoError> {
        let csr = base64::encode(&key.csr(fid, session_id)?);
        let name = fid.local_name().as_str();
        let body = json!({ "username": name, "password": PASSWORD, "csr": csr });
        let path = "/session/trust";
        self.ask(Method::POST, path, None, Some(body)).await
    }

    pub(super) async fn renew(
        &self,
        token: &str,
        fid: &Fid,
        session_id: &SessionId,
        key: &ClientKey,
    ) -> Result<Answer, DemoError> {
        let body = json!({ "csr": base64::encode(&key.csr(fid, session_id)?) });
        let path = "/session/idcert";
        self.ask(Method::POST, path, Some(token), Some(body)).await
    }

    pub(super) async fn challenge(&self) -> Result<Answer, DemoError> {
        self.ask(Method::GET, "/challenge", None, None).await
    }

    pub(super) async fn identify(
        &self,
        challenge: &str,
        cert: &ActorCert,
        key: &ClientKey,
    ) -> Result<Answer, DemoError> {
        let body = json!({
            "completed_challenge": {
                "challenge": challenge,
                "signature": base64::encode(&key.sign_challenge(challenge)),
            },
            "id_cert": base64::encode(cert.as_der()),
        });
        let path = "/session/identify";
        self.ask(Method::POST, path, None, Some(body)).await
    }

    pub(super) async fn present(&self, token: &str, cert: &ActorCert) -> Result<Answer, DemoError> {
        let body = json!(base64::encode(cert.as_der()));
        let path = "/session/idcert/extern";
        self.ask(Method::POST, path, Some(token), Some(body)).await
    }

    pub(super) async fn rotate(&self, token: &str) -> Result<Answer, DemoError> {
        self.ask(Method::PUT, "/key/server", Some(token), None)
            .await
    }

    pub(super) async fn user(&self, fid: &Fid, at: Option<u64>) -> Result<Answer, DemoError> {
        let path = format!("/key/user/{fid}{}", query(at));
        self.ask(Method::GET, &path, None, None).await
    }

    /// The only certificate that a user has, now or at a second.
    pub(super) async fn user_cert(
        &self,
        fid: &Fid,
        at: Option<u64>,
    ) -> Result<ActorCert, DemoError> {
        let answer = self.user(fid, at).await?.must_be(StatusCode::OK)?;
        match answer.body.as_array().map(Vec::as_slice) {
            Some([cert]) => actor_cert(cert),
            _ => Err(answer.unexpected("one ID-Cert")),
        }
    }

    /// The server's certificate, now or at a second.
    pub(super) async fn cert(&self, at: Option<u64>) -> Result<ServerCert, DemoError> {
        let path = format!("/key/server{}", query(at));
        let answer = self.ask(Method::GET, &path, None, None).await?;
        let answer = answer.must_be(StatusCode::OK)?;
        let der = decode(&answer.body)?;
        Ok(ServerCert::from_der(&der)?)
    }
}

impl Answer {
    /// The answer, if it has the status that the contract says.
    pub(super) fn must_be(self, status: StatusCode) -> Result<Self, DemoError> {
        if self.status == status {
            Ok(self)
        } else {
            Err(self.unexpected(&status.to_string()))
        }
    }

    /// The refusal, if it is the one that the contract says.
    pub(super) fn must_be_refusal(self, status: u16, error: &str) -> Result<(), DemoError> {
        if self.status.as_u16() == status
            && self.body.get("error").is_some_and(|code| code == error)
        {
            Ok(())
        } else {
            Err(self.unexpected(&format!("{status} {error}")))
        }
    }

    /// A member of the body that is a text; `/` leads into objects.
    pub(super) fn text(&self, pointer: &str) -> Result<String, DemoError> {
        let text = self.body.pointer(pointer).and_then(Value::as_str);
        text.map(str::to_owned)
            .ok_or_else(|| self.unexpected(&format!("a text at {pointer}")))
    }

    /// The certificate in the member `id_cert`.
    pub(super) fn id_cert(&self) -> Result<ActorCert, DemoError> {
        let cert = self.body.get("id_cert");
        actor_cert(cert.ok_or_else(|| self.unexpected("an id_cert"))?)
    }

    fn unexpected(&self, expected: &str) -> DemoError {
        DemoError::Unexpected {
            asked: self.asked.clone(),
            expected: expected.to_owned(),
            status: self.status.as_u16(),
            body: self.body.to_string(),
        }
    }
}

fn query(at: Option<u64>) -> String {
    at.map(|at| format!("?timestamp={at}")).unwrap_or_default()
}

fn actor_cert(value: &Value) -> Result<ActorCert, DemoError> {
    Ok(ActorCert::from_der(&decode(value)?)?)
}

fn decode(value: &Value) -> Result<Vec<u8>, DemoError> {
    let text = value.as_str().unwrap_or_default();
    base64::decode(text).map_err(|_| DemoError::Wrong("an answer holds no Base64"))
}

impl From<KeyError> for DemoError {
    fn from(error: KeyError) -> Self {
        Self::Key(error)
    }
}
