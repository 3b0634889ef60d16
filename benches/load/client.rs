//! One client: one connection that is kept, and as little work as possible for each request, since
//! it shares the processor with what it measures.

use std::fmt::{self, Arguments, Display, Formatter};
use std::io::{self, Write as _};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A request as it goes over the wire; its memory is used again for the next one.
#[derive(Debug, Default)]
pub struct Request {
    bytes: Vec<u8>,
}

impl Request {
    /// `path` with its query.
    pub fn get(&mut self, path: Arguments<'_>, token: Option<&str>) {
        self.write("GET", path, token, None);
    }

    pub fn delete(&mut self, path: Arguments<'_>, token: Option<&str>) {
        self.write("DELETE", path, token, None);
    }

    /// `body` is JSON.
    pub fn post(&mut self, path: &str, token: Option<&str>, body: &[u8]) {
        self.write("POST", format_args!("{path}"), token, Some(body));
    }

    fn write(
        &mut self,
        method: &str,
        path: Arguments<'_>,
        token: Option<&str>,
        body: Option<&[u8]>,
    ) {
        let bytes = &mut self.bytes;
        bytes.clear();
        let written = (|| {
            write!(bytes, "{method} {path} HTTP/1.1\r\nhost: localhost\r\n")?;
            if let Some(token) = token {
                write!(bytes, "authorization: Bearer {token}\r\n")?;
            }
            if let Some(body) = body {
                let length = body.len();
                write!(
                    bytes,
                    "content-type: application/json\r\ncontent-length: {length}\r\n"
                )?;
            }
            write!(bytes, "\r\n")
        })();
        written.expect("memory takes everything");
        bytes.extend(body.unwrap_or_default());
    }
}

/// What came back.
#[derive(Debug)]
pub struct Answer<'a> {
    pub status: u16,
    pub body: &'a [u8],
}

impl Display for Answer<'_> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        let body = self.body.get(..200).unwrap_or(self.body);
        write!(formatter, "{} {}", self.status, body.escape_ascii())
    }
}

/// A connection.
pub struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

/// What one read asks for: an answer to a lookup fits, and so it is one call of the kernel.
const AT_ONCE: usize = 8 * 1024;

impl Connection {
    pub async fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            read: Vec::with_capacity(AT_ONCE),
        })
    }

    /// Asks, and waits for the whole answer.
    pub async fn send(&mut self, request: &Request) -> io::Result<Answer<'_>> {
        self.stream.write_all(&request.bytes).await?;
        self.read.clear();
        let head = loop {
            self.more().await?;
            if let Some(head) = Head::parse(&self.read)? {
                break head;
            }
        };
        while self.read.len() < head.end + head.body {
            self.more().await?;
        }
        if self.read.len() > head.end + head.body {
            return Err(io::Error::other("more than was asked for"));
        }
        Ok(Answer {
            status: head.status,
            body: &self.read[head.end..],
        })
    }

    async fn more(&mut self) -> io::Result<()> {
        self.read.reserve(AT_ONCE);
        match self.stream.read_buf(&mut self.read).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

/// The part of an answer before its body.
#[derive(Debug, PartialEq, Eq)]
struct Head {
    status: u16,
    /// Where the body begins, and how long it is.
    end: usize,
    body: usize,
}

impl Head {
    /// None where there is more to come.
    fn parse(bytes: &[u8]) -> io::Result<Option<Self>> {
        let mut headers = [httparse::EMPTY_HEADER; 16];
        let mut response = httparse::Response::new(&mut headers);
        let parsed = response.parse(bytes).map_err(io::Error::other)?;
        let (httparse::Status::Complete(end), Some(status)) = (parsed, response.code) else {
            return Ok(None);
        };
        let value = |name: &str| {
            let mut headers = response.headers.iter();
            let header = headers.find(|header| header.name.eq_ignore_ascii_case(name))?;
            std::str::from_utf8(header.value).ok()
        };
        // The node knows the length of everything it says, and so does the floor.
        if value("transfer-encoding").is_some() {
            return Err(io::Error::other("an answer in chunks"));
        }
        let body = match (status, value("content-length")) {
            (204 | 304, None) => 0,
            (_, length) => length
                .and_then(|length| length.trim().parse().ok())
                .ok_or_else(|| io::Error::other("an answer without a length"))?,
        };
        Ok(Some(Self { status, end, body }))
    }
}

pub fn test() {
    let parse = |text: &str| Head::parse(text.as_bytes());
    let whole = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\ndate: now\r\n\r\n[]";
    let head = Head {
        status: 200,
        end: whole.len() - 2,
        body: 2,
    };
    assert_eq!(parse(whole).unwrap(), Some(head));
    for end in 0..whole.len() - 2 {
        assert_eq!(parse(&whole[..end]).unwrap(), None);
    }
    let empty = parse("HTTP/1.1 204 No Content\r\n\r\n").unwrap().unwrap();
    assert_eq!((empty.status, empty.body), (204, 0));
    assert!(parse("HTTP/1.1 200 OK\r\n\r\n").is_err());
    assert!(parse("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").is_err());
    assert!(parse("SMTP ready\r\n\r\n").is_err());

    let mut request = Request::default();
    request.post("/a", Some("t"), b"{}");
    request.get(format_args!("/{}", 1), None);
    assert_eq!(request.bytes, b"GET /1 HTTP/1.1\r\nhost: localhost\r\n\r\n");
    request.post("/a", Some("t"), b"{}");
    let sent = "POST /a HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer t\r\n\
                content-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
    assert_eq!(request.bytes, sent.as_bytes());
}
