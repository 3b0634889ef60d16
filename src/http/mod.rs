//! The HTTP door: parse, ask the owners in turn, answer. It owns nothing.
//!
//! `routes` is the table of everything that can be asked; one file per resource holds the
//! handlers with their wire types. `error` is the only place where an error becomes a status.

mod auth;
mod base64_json;
mod body;
mod caching;
mod error;
mod foreign;
mod identity;
mod key_packages;
mod object;
mod path;
mod readers;
mod ready;
mod request_id;
mod server_key;
mod sessions;
mod timestamp;
mod user_certs;

use std::io;
use std::net::{SocketAddr, TcpListener};

use actix::Addr;
use actix_web::dev::Server;
use actix_web::http::Method;
use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, ResponseError as _, Route};
use antiphon_actors::accounts::{Accounts, UserReader};
use antiphon_actors::cert_registry::{CertReader, CertRegistry};
use antiphon_actors::clock::SharedClock;
use antiphon_actors::home_servers::HomeServers;
use antiphon_actors::key_manager::KeyManager;
use antiphon_actors::key_package_pool::KeyPackagePool;
use antiphon_actors::storage::Storage;
use antiphon_actors::workers::Workers;
use antiphon_protocol::Domain;
use tokio::net::TcpSocket;

pub use body::Bodies;
use error::ApiError;
use readers::Readers;

/// Where handlers send their messages, and what they need to parse.
#[derive(Debug, Clone)]
pub struct Doors {
    /// Users and tokens.
    pub accounts: Addr<Accounts>,
    /// What other nodes say.
    pub home_servers: Addr<HomeServers>,
    /// The server's key.
    pub key_manager: Addr<KeyManager>,
    /// KeyPackages.
    pub key_packages: Addr<KeyPackagePool>,
    /// The log.
    pub registry: Addr<CertRegistry>,
    /// What reads it, on each HTTP worker.
    pub cert_reader: CertReader,
    /// What reads users and tokens, on each HTTP worker.
    pub user_reader: UserReader,
    /// For what concerns all of the store: its health, backups.
    pub storage: Storage,
    /// Who checks what takes long.
    pub workers: Workers,
    /// The time.
    pub clock: SharedClock,
    /// The node's domain.
    pub domain: Domain,
    /// How large request bodies may be.
    pub bodies: Bodies,
}

/// How long a stopping node waits for requests in flight, in seconds.
const SHUTDOWN_SECONDS: u64 = 15;

/// How many connections may wait to be accepted. The next client tries again after a second, so that
/// the 128 that Rust asks for are few where many come back at once.
const BACKLOG: u32 = 4096;

/// Everything that can be asked over HTTP.
fn routes(service: &mut ServiceConfig) {
    let get = web::get;
    let post = web::post;
    let delete = || web::delete().to(sessions::end);
    service
        .service(resource(
            "/p2core/key/server",
            vec![
                (Method::GET, get().to(server_key::show)),
                (Method::PUT, web::put().to(server_key::rotate)),
            ],
        ))
        .service(resource(
            "/p2core/key/user/{user_id}",
            vec![(Method::GET, get().to(user_certs::list))],
        ))
        .service(resource(
            "/p2core/identity",
            vec![(Method::POST, post().to(identity::register))],
        ))
        .service(resource(
            "/p2core/challenge",
            vec![(Method::GET, get().to(foreign::challenge))],
        ))
        .service(resource(
            "/p2core/session/idcert/extern",
            vec![(Method::POST, post().to(foreign::present))],
        ))
        // A session may be called `trust`, `idcert` or `identify`, so these paths end sessions, too.
        .service(resource(
            "/p2core/session/trust",
            vec![
                (Method::POST, post().to(sessions::trust)),
                (Method::DELETE, delete()),
            ],
        ))
        .service(resource(
            "/p2core/session/idcert",
            vec![
                (Method::POST, post().to(sessions::renew)),
                (Method::DELETE, delete()),
            ],
        ))
        .service(resource(
            "/p2core/session/identify",
            vec![
                (Method::POST, post().to(foreign::identify)),
                (Method::DELETE, delete()),
            ],
        ))
        .service(resource(
            "/p2core/session/{session_id}",
            vec![(Method::DELETE, delete())],
        ))
        .service(resource(
            "/p2core/keypackage/@me",
            vec![
                (Method::GET, get().to(key_packages::count)),
                (Method::POST, post().to(key_packages::publish)),
            ],
        ))
        .service(resource(
            "/p2core/keypackage/{user_id}",
            vec![(Method::GET, get().to(key_packages::claim))],
        ))
        .service(resource(
            "/p2core/keypackage_lr",
            vec![(Method::PUT, web::put().to(key_packages::put_last_resort))],
        ))
        .service(resource(
            "/readyz",
            vec![
                (Method::GET, get().to(ready::show)),
                // Many who watch over servers ask for the head alone.
                (Method::HEAD, web::head().to(ready::show)),
            ],
        ))
        .default_service(web::to(not_found));
}

/// One path with its methods; any other method is 405 with an `Allow` header.
fn resource(path: &str, methods: Vec<(Method, Route)>) -> actix_web::Resource {
    let names: Vec<_> = methods
        .iter()
        .map(|(method, _)| method.to_string())
        .collect();
    let allow = HeaderValue::from_str(&names.join(", ")).ok();
    let not_allowed = move || {
        let mut response = ApiError::MethodNotAllowed.error_response();
        if let Some(allow) = allow.clone() {
            response.headers_mut().insert(ALLOW, allow);
        }
        async { response }
    };
    let resource = web::resource(path).default_service(web::to(not_allowed));
    methods
        .into_iter()
        .fold(resource, |resource, (_, route)| resource.route(route))
}

async fn not_found(_: HttpRequest) -> HttpResponse {
    ApiError::NotFound.error_response()
}

/// Takes `address`, on which nobody is listened to yet. Called on a runtime.
pub fn bind(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // So that a node can be started again at once.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Lets clients connect; they wait until [`server`] accepts them.
pub fn listen(socket: TcpSocket) -> io::Result<TcpListener> {
    socket.listen(BACKLOG)?.into_std()
}

/// Builds a server on `listener`; it runs once it is awaited.
pub fn server(
    listener: TcpListener,
    tls: Option<rustls::ServerConfig>,
    doors: Doors,
) -> io::Result<Server> {
    let doors = web::Data::new(doors);
    let server = HttpServer::new(move || {
        // Called once on each worker.
        let readers = Readers::start(doors.cert_reader.clone(), doors.user_reader.clone());
        App::new()
            .app_data(web::Data::clone(&doors))
            .app_data(web::Data::new(readers))
            .wrap(caching::forbid())
            .wrap(from_fn(request_id::attach))
            .configure(routes)
    })
    .disable_signals()
    .shutdown_timeout(SHUTDOWN_SECONDS);
    let server = match tls {
        Some(tls) => server.listen_rustls_0_23(listener, tls)?,
        None => server.listen(listener)?,
    };
    Ok(server.run())
}
