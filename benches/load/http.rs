//! One client: one connection that is kept, as little work as possible for each request.

use std::io;

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// What is asked.
#[derive(Debug, Clone)]
pub struct Ask {
    pub method: Method,
    /// With its query.
    pub path: String,
    pub token: Option<String>,
    pub body: Bytes,
}

impl Ask {
    pub fn get(path: String) -> Self {
        Self {
            method: Method::GET,
            path,
            token: None,
            body: Bytes::new(),
        }
    }

    pub fn post(path: &str, token: Option<String>, body: Vec<u8>) -> Self {
        Self {
            method: Method::POST,
            path: path.to_owned(),
            token,
            body: body.into(),
        }
    }
}

/// A connection.
pub struct Connection {
    requests: SendRequest<Full<Bytes>>,
}

impl Connection {
    pub async fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let opened = handshake(TokioIo::new(stream)).await;
        let (requests, connection) = opened.map_err(io::Error::other)?;
        tokio::spawn(connection);
        Ok(Self { requests })
    }

    /// Asks; returns the status and the body.
    pub async fn send(&mut self, ask: Ask) -> hyper::Result<(u16, Bytes)> {
        let mut request = Request::builder()
            .method(ask.method)
            .uri(ask.path)
            .header("host", "localhost");
        if let Some(token) = ask.token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if !ask.body.is_empty() {
            request = request.header("content-type", "application/json");
        }
        let request = request.body(Full::new(ask.body)).expect("it is sound");
        self.requests.ready().await?;
        let response = self.requests.send_request(request).await?;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await?.to_bytes();
        Ok((status, body))
    }
}
