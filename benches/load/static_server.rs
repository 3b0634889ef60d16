//! A process that answers everything with the same bytes: actix-web and nothing else.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use actix_web::{App, HttpResponse, HttpServer, web};

/// The argument with which this program is the static server.
pub const ARGUMENT: &str = "static-server";

/// That process; ends when dropped.
pub struct Static {
    pub address: String,
    child: Child,
}

impl Static {
    pub fn start(body: &[u8], folder: &Path) -> Self {
        let file = folder.join("static-body");
        std::fs::write(&file, body).unwrap();
        let program = std::env::current_exe().unwrap();
        let mut child = Command::new(program)
            .arg(ARGUMENT)
            .arg(file)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut address = String::new();
        let stdout = child.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut address).unwrap();
        Self {
            address: address.trim().to_owned(),
            child,
        }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Static {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
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
