//! A client that is not ours: the messages of the stratum-mining project's `sv1_api`, built and read
//! by that library. Only the nonce is found by the test miner, from what the library has read.

use sv1_api::client_to_server::{Authorize, Configure, Submit, Subscribe};
use sv1_api::json_rpc::{Message, Notification, Response};
use sv1_api::methods::Server2Client;
use sv1_api::server_to_client::{self, Notify};
use sv1_api::utils::{Extranonce, HexU32Be};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::stage::{self, FakeStage, PASSWORD, SHA256D_SOME};
use crate::support::miner::{Algorithm, InForce, Job, PATIENCE};

/// A connection of that client.
struct Stranger {
    socket: BufReader<TcpStream>,
    difficulty: Option<f64>,
    notify: Option<Notify>,
}

impl Stranger {
    async fn send(&mut self, message: Message) {
        let line = serde_json::to_string(&message).unwrap() + "\n";
        self.socket.write_all(line.as_bytes()).await.unwrap();
    }

    async fn read(&mut self) -> Message {
        let mut line = String::new();
        timeout(PATIENCE, self.socket.read_line(&mut line)).await.unwrap().unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }

    /// The answer to a request; what comes before it is taken note of.
    async fn answer(&mut self, id: u64) -> Response {
        loop {
            match self.read().await {
                Message::OkResponse(response) => {
                    assert_eq!(response.id, id);
                    return response;
                }
                Message::Notification(notification) => self.take_note(notification),
                other => panic!("{other}"),
            }
        }
    }

    fn take_note(&mut self, notification: Notification) {
        match Server2Client::try_from(Message::Notification(notification)).unwrap() {
            Server2Client::Notify(notify) => self.notify = Some(notify),
            Server2Client::SetDifficulty(set) => self.difficulty = Some(set.value),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_client_we_did_not_write_mines_here() {
    let stage = FakeStage::start("stranger").await;
    stage.node.set_transactions(5);
    stage.node.new_tip();
    let socket = BufReader::new(TcpStream::connect(stage.port).await.unwrap());
    let mut client = Stranger { socket, difficulty: None, notify: None };

    client.send(Configure::new(1, Some(HexU32Be(0x1fff_e000)), Some(HexU32Be(2))).into()).await;
    let response = client.answer(1).await;
    let configured = server_to_client::Configure::try_from(&response).unwrap();
    assert_eq!(configured.version_rolling_mask(), Some(HexU32Be(0x1fff_e000)));

    let subscribe = Subscribe { id: 2, agent_signature: "stranger/1".into(), extranonce1: None };
    client.send(subscribe.try_into().unwrap()).await;
    let response = client.answer(2).await;
    let subscribed = server_to_client::Subscribe::try_from(&response).unwrap();

    let authorize = Authorize { id: 3, name: "alice.rig1".into(), password: PASSWORD.into() };
    client.send(authorize.into()).await;
    let response = client.answer(3).await;
    assert!(server_to_client::GeneralResponse::try_from(&response).unwrap().result);
    while client.notify.as_ref().is_none_or(|notify| notify.merkle_branch.is_empty()) {
        let Message::Notification(notification) = client.read().await else { panic!("a notification was due") };
        client.take_note(notification);
    }

    // As the library has read it, and would write it itself.
    let notify = client.notify.clone().unwrap();
    let Message::Notification(Notification { params, .. }) = Message::from(notify.clone()) else { panic!() };
    let in_force = InForce {
        extranonce1: subscribed.extra_nonce1.as_ref().to_vec(),
        extranonce2_bytes: subscribed.extra_nonce2_size,
        difficulty: client.difficulty,
        version_mask: configured.version_rolling_mask().unwrap().0,
        algorithm: Algorithm::Sha256d,
    };
    let job = Job::read(&params, &in_force).unwrap();
    assert_eq!(job.difficulty, SHA256D_SOME);
    let mut rows = Vec::new();
    for (id, version_bits) in [(4, None), (5, Some(0x0123_4000)), (6, Some(0x1fff_e000))] {
        let choice = crate::support::miner::Choice {
            extranonce2: vec![u8::try_from(id).unwrap(); job.extranonce2_bytes],
            time: job.time,
            nonce: 0,
            version_bits,
            vote: None,
        };
        let share = job.search(choice, |share| share.meets_share_target && !share.meets_network_target, 1 << 16);
        let choice = share.unwrap().choice;
        let submit = Submit {
            id,
            user_name: "alice.rig1".into(),
            job_id: notify.job_id.clone(),
            extra_nonce2: Extranonce::try_from(choice.extranonce2).unwrap(),
            time: HexU32Be(choice.time),
            nonce: HexU32Be(choice.nonce),
            version_bits: choice.version_bits.map(HexU32Be),
        };
        client.send(submit.clone().into()).await;
        let response = client.answer(id).await;
        assert!(server_to_client::GeneralResponse::try_from(&response).unwrap().result);
        rows.push(stage::good("alice.rig1", SHA256D_SOME));
        if id == 6 {
            // Once more: the library understands the refusal.
            client.send(Submit { id: 7, ..submit }.into()).await;
            let Message::ErrorResponse(response) = client.read().await else { panic!("a refusal was due") };
            let error = response.error.unwrap();
            assert_eq!((response.id, error.code, error.message.as_str()), (7, 22, "Duplicate share"));
            rows.push(stage::bad("alice.rig1", "duplicate share", SHA256D_SOME));
        }
    }
    assert_eq!(stage.facts(4).await, rows);
}
