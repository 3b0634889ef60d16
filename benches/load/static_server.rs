//! A process that answers everything with the same bytes: actix-web and nothing else.

use std::io::{self, BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use actix_web::{App, HttpResponse, HttpServer, web};

use super::Outcome;
use super::left::Started;
use super::output;

/// The argument with which this program is the static server.
pub const ARGUMENT: &str = "static-server";

/// That process; ends when dropped.
pub struct Static {
    pub address: String,
    process: Started,
}

impl Static {
    pub fn start(body: &[u8], folder: &Path) -> Outcome<Self> {
        let file = folder.join("static-body");
        output::write(&file, body)?;
        let start = || {
            let mut command = Command::new(std::env::current_exe()?);
            command.arg(ARGUMENT).arg(file).stdout(Stdio::piped());
            let mut process = Started::spawn(&mut command)?;
            let stdout = process.stdout().expect("it is piped");
            let mut address = String::new();
            BufReader::new(stdout).read_line(&mut address)?;
            let address = address.trim().to_owned();
            io::Result::Ok(Self { address, process })
        };
        start().map_err(|error| format!("the static server does not start: {error}"))
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }
}

/// Is that server.
pub fn serve(file: &Path) {
    let body = web::Bytes::from(std::fs::read(file).unwrap());
    actix_web::rt::System::new().block_on(async {
        let server = HttpServer::new(move || {
            let body = body.clone();
            App::new().default_service(web::to(move || {
                let body = body.clone();
                async {
                    HttpResponse::Ok()
                        .content_type("application/json")
                        .body(body)
                }
            }))
        });
        let server = server.bind("127.0.0.1:0").unwrap();
        println!("{}", server.addrs()[0]);
        server.run().await.unwrap();
    });
}
