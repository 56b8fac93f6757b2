//! The answer to HTTP on a stratum port: load balancers and people learn that it is alive.

use std::time::Duration;

use tokio::time::timeout;

use super::stream::Stream;

/// How long the visitor may take to take the answer and hang up.
const LINGER: Duration = Duration::from_secs(2);
/// Bytes of a request that are read and thrown away at most.
const REQUEST_BYTES_MAX: usize = 64 * 1024;

const BODY: &str = "mpos-stratum: this port is open and speaks Stratum, not HTTP\n";

/// Answers and hangs up.
pub async fn answer(stream: &mut Stream, head_only: bool) {
    let length = BODY.len();
    let head =
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
    let text = if head_only { head } else { head + BODY };
    // A visitor that does not take a hundred bytes gets none.
    let _ = stream.try_write(text.as_bytes());
    let _ = stream.flush();
    stream.say_goodbye();
    // Closing with bytes unread would make the kernel take the answer back.
    let read_rest = async {
        let mut left = REQUEST_BYTES_MAX;
        let mut rest = Vec::new();
        while let Ok(count @ 1..) = stream.read_into(&mut rest).await {
            rest.clear();
            left = left.saturating_sub(count);
            if left == 0 {
                return;
            }
        }
    };
    let _ = timeout(LINGER, read_rest).await;
}
