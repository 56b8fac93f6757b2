//! One HTTP/1.1 connection to a node.

use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::tls;
use crate::config::{Node, NodeLogin};

/// How long the address of a node may be looked for where one is known that worked.
const LOOKUP_MAX: Duration = Duration::from_secs(1);

/// Largest cookie file that is read; a node's has about 75 bytes.
const COOKIE_BYTES_MAX: usize = 4096;

/// What went wrong on a connection, before it has the name of the node and the call.
#[derive(Debug)]
pub(super) enum Fault {
    /// No connection, or it broke.
    Broken(String),
    /// The login was refused or could not be read.
    Login(String),
    /// The answer is larger than allowed.
    TooLarge,
}

/// An answer: status and body.
pub(super) type Answer = (StatusCode, Bytes);

/// An open connection with the login it was opened with. Dropping it closes it.
pub(super) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
    authorization: HeaderValue,
    host: HeaderValue,
    /// Where it leads to.
    address: SocketAddr,
    /// What calls are posted to.
    path: String,
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Closes the socket even if a call was given up half way.
        self.driver.abort();
    }
}

impl Connection {
    /// Connects and reads the login. `known`: an address that led to the node before; it is used where its name cannot be
    /// looked up now.
    pub(super) async fn open(node: &Node, known: Option<SocketAddr>) -> Result<Self, Fault> {
        let authorization = authorization(&node.login).await?;
        let host = HeaderValue::from_str(&host_header(&node.host, node.port))
            .map_err(|_| Fault::Broken(format!("{:?} is not a host name", node.host)))?;
        let broken = |error: io::Error| Fault::Broken(error.to_string());
        let stream = connect(node, known).await.map_err(broken)?;
        let address = stream.peer_addr().map_err(broken)?;
        // Calls are small and waited for: never hold one back to fill a packet.
        stream.set_nodelay(true).map_err(broken)?;
        let (sender, driver) = match &node.ways.tls_ca {
            None => drive(stream).await?,
            // Rare and large: its state is kept out of every call's.
            Some(ca) => {
                Box::pin(async { drive(tls::connect(stream, &node.host, ca).await.map_err(Fault::Broken)?).await })
                    .await?
            }
        };
        let path = node.ways.wallet.as_deref().map_or_else(|| "/".to_owned(), wallet_path);
        Ok(Self { sender, driver, authorization, host, address, path })
    }

    /// The address it leads to.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// True if the node has closed it meanwhile.
    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    /// Sends one call and reads the whole answer, at most `bytes_max`.
    pub(super) async fn post(&mut self, body: Bytes, bytes_max: usize) -> Result<Answer, Fault> {
        let broken = |error: hyper::Error| Fault::Broken(error.to_string());
        let request = Request::post(&self.path)
            .header(HOST, self.host.clone())
            .header(AUTHORIZATION, self.authorization.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .body(Full::new(body))
            .map_err(|error| Fault::Broken(error.to_string()))?;
        self.sender.ready().await.map_err(broken)?;
        let response = self.sender.send_request(request).await.map_err(broken)?;
        let status = response.status();
        let body = Limited::new(response.into_body(), bytes_max).collect().await.map_err(|error| {
            if error.is::<http_body_util::LengthLimitError>() {
                Fault::TooLarge
            } else {
                Fault::Broken(error.to_string())
            }
        })?;
        Ok((status, body.to_bytes()))
    }
}

/// Speaks HTTP on a stream, in a task of its own.
async fn drive<S>(stream: S) -> Result<(SendRequest<Full<Bytes>>, JoinHandle<()>), Fault>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| Fault::Broken(error.to_string()))?;
    let driver = tokio::spawn(async move {
        if let Err(error) = connection.await {
            tracing::debug!(%error, "connection to a node ended");
        }
    });
    Ok((sender, driver))
}

/// A resolver that is away must not stand between a node and a block: its last address is as good.
async fn connect(node: &Node, known: Option<SocketAddr>) -> io::Result<TcpStream> {
    let lookup = lookup_host((node.host.as_str(), node.port));
    let found = match known {
        None => lookup.await,
        Some(_) => timeout(LOOKUP_MAX, lookup).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
    };
    let addresses: Vec<SocketAddr> = match (found, known) {
        (Ok(found), _) => found.collect(),
        (Err(error), Some(known)) => {
            tracing::debug!(node = node.name, %error, %known, "its name cannot be looked up; its last address is used");
            vec![known]
        }
        (Err(error), None) => return Err(error),
    };
    TcpStream::connect(addresses.as_slice()).await
}

fn host_header(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// Where Bitcoin Core and its kin take calls to one of several wallets, and all others as well.
fn wallet_path(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    name.bytes().fold("/wallet/".to_owned(), |path, byte| match plain(byte) {
        true => format!("{path}{}", char::from(byte)),
        false => format!("{path}%{byte:02X}"),
    })
}

/// The header of basic authentication. The cookie file is read every time: the node writes a new
/// one at each start.
async fn authorization(login: &NodeLogin) -> Result<HeaderValue, Fault> {
    let plain = match login {
        NodeLogin::Password { user, password } => format!("{user}:{}", password.reveal()),
        NodeLogin::Cookie(path) => {
            let text = tokio::fs::read_to_string(path).await.map_err(|error| unread(path, &error))?;
            if text.len() > COOKIE_BYTES_MAX {
                return Err(Fault::Login(format!("{} is too large for a cookie file", path.display())));
            }
            text.trim().to_owned()
        }
    };
    let mut value = HeaderValue::from_str(&format!("Basic {}", STANDARD.encode(plain)))
        .map_err(|_| Fault::Login("the login cannot be put into a header".into()))?;
    value.set_sensitive(true);
    Ok(value)
}

/// A node that is stopped takes its cookie file with it.
fn unread(path: &Path, error: &io::Error) -> Fault {
    let path = path.display();
    match error.kind() {
        io::ErrorKind::NotFound => {
            Fault::Broken(format!("there is no cookie file {path}: the node is stopped, or writes it elsewhere"))
        }
        _ => Fault::Login(format!("cannot read the cookie file {path}: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::NodeWays;
    use crate::config::secret::Secret;

    #[tokio::test]
    async fn a_name_that_cannot_be_looked_up_leads_to_the_last_address() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let known = listener.local_addr().unwrap();
        let node = Node {
            name: "main".into(),
            host: "node.invalid".into(),
            port: 1,
            login: NodeLogin::Password { user: "pool".into(), password: Secret::new("secret") },
            timeout: Duration::from_secs(30),
            ways: NodeWays::default(),
        };
        assert!(connect(&node, None).await.is_err());
        assert_eq!(connect(&node, Some(known)).await.unwrap().peer_addr().unwrap(), known);
        // One that can be is believed: the node may have moved.
        let moved = Node { host: "127.0.0.1".into(), ..node };
        assert!(connect(&moved, Some(known)).await.is_err());
    }

    #[tokio::test]
    async fn a_cookie_that_is_not_there_is_a_node_that_is_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let login = |path: &Path| NodeLogin::Cookie(path.to_owned());
        let missing = authorization(&login(&dir.path().join(".cookie"))).await.unwrap_err();
        assert!(matches!(&missing, Fault::Broken(why) if why.contains("the node is stopped")), "{missing:?}");
        let unreadable = authorization(&login(dir.path())).await.unwrap_err();
        assert!(matches!(&unreadable, Fault::Login(why) if why.contains("cannot read")), "{unreadable:?}");
    }
}
