//! W11: who does not read is given up, and the others get new work meanwhile.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;

use crate::site::{SUBSCRIBE, Site};

#[tokio::test]
async fn w11_a_reader_that_never_reads_is_given_up_and_keeps_nobody_waiting() {
    let keys = "write_timeout_secs = 1\nmessages_per_sec = 1000000\nmessages_burst = 1000000";
    let site = Site::start("readers", &[keys]).await;
    let (mut honest, mut job) = site.behind(0, b"").await.unwrap();
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut deaf = socket.connect(site.port(0)).await.unwrap();
    deaf.write_all(SUBSCRIBE).await.unwrap();
    // It asks until the pool takes no more questions, because it has too many answers.
    let question = b"{\"id\":7,\"method\":\"mining.get_transactions\",\"params\":[]}\n".repeat(100);
    let asking = async { while deaf.write_all(&question).await.is_ok() {} };
    let given_up = async {
        for _ in 0..3 {
            site.node.new_tip();
            job = honest.wait_for_new_tip(&job).await.unwrap();
        }
        site.daemon.wait_for_log("end=Deaf").await.unwrap();
    };
    tokio::select! {
        () = given_up => {}
        () = async { asking.await; std::future::pending::<()>().await } => {}
    }
    site.node.new_tip();
    honest.wait_for_new_tip(&job).await.unwrap();
}
