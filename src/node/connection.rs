//! One HTTP/1.1 connection to a node.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::tls;
use crate::config::{Node, NodeLogin};

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
    /// Connects and reads the login.
    pub(super) async fn open(node: &Node) -> Result<Self, Fault> {
        let authorization = authorization(&node.login).await?;
        let host = HeaderValue::from_str(&host_header(&node.host, node.port))
            .map_err(|_| Fault::Broken(format!("{:?} is not a host name", node.host)))?;
        let broken = |error: std::io::Error| Fault::Broken(error.to_string());
        let stream = TcpStream::connect((node.host.as_str(), node.port)).await.map_err(broken)?;
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
        Ok(Self { sender, driver, authorization, host, path })
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
            let text = tokio::fs::read_to_string(path)
                .await
                .map_err(|error| Fault::Login(format!("cannot read the cookie file {}: {error}", path.display())))?;
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
