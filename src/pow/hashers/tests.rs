use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use tokio::sync::mpsc;

use super::*;
use crate::pow::sha256d;

const SCRYPT: Algorithm = Algorithm::Scrypt { log_n: 4, r: 1 };

fn request(algorithm: Algorithm, pin: u64, ticket: u64, answer: &Sender<(u64, Hash)>) -> Request {
    Request { algorithm, header: header(pin, ticket), ticket, pin, answer: answer.clone() }
}

fn header(pin: u64, ticket: u64) -> Box<[u8]> {
    let mut header = vec![0; 80];
    header[..8].copy_from_slice(&pin.to_le_bytes());
    header[8..16].copy_from_slice(&ticket.to_le_bytes());
    header.into()
}

#[tokio::test]
async fn each_pin_gets_its_own_hashes_in_its_order() {
    let hashers = Hashers::start(3, 4).unwrap();
    let askers: Vec<_> = (0..8u64)
        .map(|pin| {
            let hashers = hashers.clone();
            tokio::spawn(async move {
                let (answer, mut answers) = mpsc::channel(50);
                for ticket in 0..50 {
                    // Runs of different length and algorithm within one pin.
                    let algorithm = if ticket % 7 < 4 { SCRYPT } else { Algorithm::Sha256d };
                    hashers.submit(request(algorithm, pin, ticket, &answer)).await;
                }
                let mut scratch = Scratch::new();
                for ticket in 0..50 {
                    let algorithm = if ticket % 7 < 4 { SCRYPT } else { Algorithm::Sha256d };
                    let expected = algorithm.hash(&header(pin, ticket), &mut scratch);
                    assert_eq!(answers.recv().await, Some((ticket, expected)), "pin {pin}");
                }
            })
        })
        .collect();
    for asker in askers {
        asker.await.unwrap();
    }
}

#[test]
fn a_full_queue_makes_the_submitter_wait_and_loses_nothing() {
    // No thread is running yet: how much fits is exact, not a matter of time. One connection has an
    // eighth of the room.
    let shared = Arc::new(Shared::new(16));
    let hashers = Hashers { owner: Arc::new(Owner { shared: Arc::clone(&shared) }) };
    let (answer, mut answers) = mpsc::channel(8);
    let mut context = Context::from_waker(Waker::noop());
    for ticket in 0..2 {
        assert_eq!(pin!(hashers.submit(request(SCRYPT, 5, ticket, &answer))).poll(&mut context), Poll::Ready(()));
    }
    // Given up while it waited: never queued.
    {
        let mut given_up = pin!(hashers.submit(request(SCRYPT, 5, 99, &answer)));
        assert_eq!(given_up.as_mut().poll(&mut context), Poll::Pending);
    }
    let mut third = Box::pin(hashers.submit(request(SCRYPT, 5, 2, &answer)));
    assert_eq!(third.as_mut().poll(&mut context), Poll::Pending);

    let thread = thread::spawn(move || serve(&shared));
    assert_eq!(answers.blocking_recv().unwrap().0, 0);
    assert_eq!(answers.blocking_recv().unwrap().0, 1);
    assert_eq!(third.as_mut().poll(&mut context), Poll::Ready(()));
    assert_eq!(answers.blocking_recv().unwrap().0, 2);
    drop(third);
    drop(hashers);
    thread.join().unwrap();
    drop(answer);
    assert_eq!(answers.blocking_recv(), None);
}

#[tokio::test]
async fn what_is_queued_is_answered_and_threads_end_when_the_last_handle_goes() {
    let (hashers, threads) = Hashers::spawn(2, 64).unwrap();
    assert_eq!(
        threads.iter().map(|thread| thread.thread().name().unwrap()).collect::<Vec<_>>(),
        ["hasher-0", "hasher-1"]
    );
    let (answer, mut answers) = mpsc::channel(64);
    let second = hashers.clone();
    drop(hashers);
    for ticket in 0..64 {
        second.submit(request(SCRYPT, ticket % 2, ticket, &answer)).await;
    }
    drop(second);
    tokio::task::spawn_blocking(|| threads.into_iter().for_each(|thread| thread.join().unwrap())).await.unwrap();
    drop(answer);
    let mut tickets = Vec::new();
    while let Some((ticket, _)) = answers.recv().await {
        tickets.push(ticket);
    }
    tickets.sort_unstable();
    assert_eq!(tickets, (0..64).collect::<Vec<_>>());
}

#[tokio::test]
async fn an_asker_that_left_or_has_no_room_holds_up_nobody() {
    let hashers = Hashers::start(1, 64).unwrap();
    let (gone, receiver) = mpsc::channel(1);
    drop(receiver);
    let (full, mut full_answers) = mpsc::channel(1);
    let (answer, mut answers) = mpsc::channel(4);
    hashers.submit(request(SCRYPT, 0, 1, &gone)).await;
    hashers.submit(request(SCRYPT, 1, 2, &full)).await;
    hashers.submit(request(SCRYPT, 1, 3, &full)).await;
    // Of the same connection: after those.
    hashers.submit(request(SCRYPT, 1, 4, &answer)).await;
    assert_eq!(answers.recv().await.unwrap().0, 4);
    assert_eq!(full_answers.recv().await.unwrap().0, 2);
    drop(full);
    assert_eq!(full_answers.recv().await, None);
}

#[tokio::test]
async fn none_asked_for_still_means_one() {
    let hashers = Hashers::start(0, 0).unwrap();
    let (answer, mut answers) = mpsc::channel(1);
    hashers.submit(request(Algorithm::Sha256d, u64::MAX, 7, &answer)).await;
    assert_eq!(answers.recv().await, Some((7, sha256d(&header(u64::MAX, 7)))));
}
