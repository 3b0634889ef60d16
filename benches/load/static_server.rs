//! A process that answers everything with the same bytes: actix-web and nothing else. A CSR that comes
//! with a request is verified first, and a signature made: what no server of certificates can do without.

use std::hint::black_box;
use std::io::{self, BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use actix_web::web::{self, Bytes, Data};
use actix_web::{App, HttpResponse, HttpServer};
use antiphon_protocol::{IdCsr, KeyAlgorithm, base64};
use serde::Deserialize;

use super::Outcome;
use super::bare::BareKey;
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
    let body = Data::new(Bytes::from(std::fs::read(file).unwrap()));
    let key = Data::new(BareKey::generate(KeyAlgorithm::P256));
    actix_web::rt::System::new().block_on(async {
        let server = HttpServer::new(move || {
            App::new()
                .app_data(Data::clone(&body))
                .app_data(Data::clone(&key))
                .default_service(web::to(answer))
        });
        let server = server.bind("127.0.0.1:0").unwrap();
        println!("{}", server.addrs()[0]);
        server.run().await.unwrap();
    });
}

#[derive(Deserialize)]
struct Certify<'a> {
    csr: &'a str,
}

async fn answer(asked: Bytes, body: Data<Bytes>, key: Data<BareKey>) -> HttpResponse {
    if !asked.is_empty() {
        let wish: Certify<'_> = serde_json::from_slice(&asked).unwrap();
        let csr = IdCsr::from_der(&base64::decode(wish.csr).unwrap()).unwrap();
        black_box(csr.verify().unwrap());
        key.sign();
    }
    HttpResponse::Ok()
        .content_type("application/json")
        .body(Bytes::clone(&body))
}
