//! A client's connection, made when it is needed and made again when it was lost.

use std::fmt::{self, Display, Formatter};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use super::client::{Answer, Connection, Request};

/// Servers take leave of who has said nothing for five seconds. That is the load generator's own
/// doing, not an error of the server's.
const LONGEST_SILENCE: Duration = Duration::from_secs(4);

pub struct Line {
    address: String,
    connection: Option<Connection>,
    /// Whether every request on the connection was answered.
    is_sound: bool,
    used: Instant,
}

/// Why there is no answer.
#[derive(Debug)]
pub enum Trouble {
    NoConnection(io::Error),
    Lost(io::Error),
}

impl Display for Trouble {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoConnection(error) => write!(formatter, "no connection: {error}"),
            Self::Lost(error) => write!(formatter, "connection lost: {error}"),
        }
    }
}

impl Line {
    pub fn new(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            connection: None,
            is_sound: false,
            used: Instant::now(),
        }
    }

    /// Makes a connection unless there is one that can be used.
    pub async fn connect(&mut self) -> Result<(), Trouble> {
        let is_there = self.connection.is_some() && self.is_sound;
        if !is_there || self.used.elapsed() > LONGEST_SILENCE {
            let opened = Connection::open(&self.address).await;
            self.connection = Some(opened.map_err(Trouble::NoConnection)?);
            self.is_sound = true;
        }
        self.used = Instant::now();
        Ok(())
    }

    /// Asks, and waits for the whole answer.
    pub async fn send(&mut self, request: &Request) -> Result<Answer<'_>, Trouble> {
        self.connect().await?;
        let connection = self.connection.as_mut().expect("it was made just now");
        self.is_sound = false;
        let answer = connection.send(request).await.map_err(Trouble::Lost)?;
        self.is_sound = true;
        Ok(answer)
    }
}

/// For tests: a server that says `ok` to everything, and hangs up after so many answers instead of
/// giving the next one. Returns its address.
pub fn server(answers: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serve = move |stream: TcpStream| {
        let mut asked = BufReader::new(&stream).lines();
        for _ in 0..answers {
            // To the end of the request.
            if !asked.any(|line| line.is_ok_and(|line| line.is_empty())) {
                return;
            }
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
            (&stream).write_all(answer).unwrap();
        }
        drop(asked.next());
    };
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || serve(stream.unwrap()));
        }
    });
    address
}
