//! What the figures are held against, measured in the same run.

use std::fs::File;
use std::hint::black_box;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use actix_web::{App, HttpResponse, HttpServer, web};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

/// The argument with which this program is the static server.
pub const STATIC_SERVER: &str = "static-server";

/// A process that answers everything with the same bytes: actix-web and nothing else.
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
            .arg(STATIC_SERVER)
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

const TIME: Duration = Duration::from_millis(300);

fn per_second(mut once: impl FnMut()) -> f64 {
    let (begun, mut count) = (Instant::now(), 0.0);
    while begun.elapsed() < TIME {
        once();
        count += 1.0;
    }
    count / begun.elapsed().as_secs_f64()
}

/// How often a second the disk makes 600 more bytes of one file durable.
pub fn fdatasync(folder: &Path) -> f64 {
    let path = folder.join("fdatasync");
    let mut file = File::create(&path).unwrap();
    let rate = per_second(|| {
        file.write_all(&[7; 600]).unwrap();
        file.sync_data().unwrap();
    });
    std::fs::remove_file(path).unwrap();
    rate
}

/// How often a second one core verifies one Ed25519 signature and makes one.
pub fn verify_and_sign() -> f64 {
    verify(400, |signer, message| {
        black_box(signer.sign(message));
    })
}

/// How often a second one core verifies the two Ed25519 signatures of a `KeyPackage`: half as often
/// as one.
pub fn verify_twice() -> f64 {
    verify(900, |_, _| {}) / 2.0
}

/// How often a second one core verifies a signature over so many bytes, and does something else.
fn verify(bytes: usize, mut also: impl FnMut(&Ed25519KeyPair, &[u8])) -> f64 {
    let signer = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    let key = UnparsedPublicKey::new(&ED25519, signer.public_key().as_ref().to_vec());
    let message = vec![7; bytes];
    let signature = signer.sign(&message);
    per_second(|| {
        key.verify(&message, signature.as_ref()).unwrap();
        also(&signer, &message);
    })
}
