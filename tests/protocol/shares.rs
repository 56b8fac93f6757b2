//! What a share is worth: by which difficulty it is judged, when it is too late, what becomes of a block.

use serde_json::{Value, json};

use crate::stage::{self, FakeStage, PASSWORD, SHA256D_EASY, SHA256D_SOME, bad, good};
use crate::support::fake_node::{FakeNode, SubmitAnswer};
use crate::support::miner::target::of_difficulty;
use crate::support::miner::{Algorithm, Choice, Job, Miner, Share, Wanted, hash};

/// Adjusted, but far from what a test's few shares could move.
const ADJUSTED: &str = "\n[coin.port.vardiff]\nmin = 1e-12\nmax = 1e6";
const TRIES_MAX: u32 = 1 << 18;

/// Whether a hash meets the target of a difficulty.
fn meets(share: &Share, difficulty: f64) -> bool {
    let mut big_endian = share.hash;
    big_endian.reverse();
    big_endian <= of_difficulty(difficulty, 32).unwrap()
}

/// A share whose hash meets one difficulty and misses another.
fn between(miner: &mut Miner, job: &Job, met: f64, missed: f64) -> Share {
    let choice = miner.fresh_choice(job);
    job.search(choice, |share| meets(share, met) && !meets(share, missed), TRIES_MAX).unwrap()
}

/// Whether a job's difficulty is so many times [`SHA256D_SOME`]; the test's parser of numbers is not exact.
fn is(job: &Job, times: f64) -> bool {
    (job.difficulty / SHA256D_SOME / times - 1.0).abs() < 1e-9
}

/// A miner at difficulty 16 times [`SHA256D_SOME`] whose difficulty was then lowered to that.
async fn lowered(stage: &FakeStage) -> (Miner, Job, Job) {
    let (mut miner, old) = stage.miner("alice.rig1").await;
    assert!(is(&old, 16.0));
    assert!(miner.suggest_difficulty(SHA256D_SOME).await.unwrap().is_true());
    let new = miner.wait_for_job_where("work of the lower difficulty", |job| job.id != old.id).await.unwrap();
    assert!(is(&new, 1.0) && !new.clean);
    (miner, old, new)
}

fn adjusted(window: &str) -> String {
    format!("listen = \"127.0.0.1:0\"\ndifficulty = {}{window}{ADJUSTED}", 16.0 * SHA256D_SOME)
}

#[tokio::test]
async fn w08_b07_both_kinds_of_miners_are_paid_what_they_worked_around_a_change() {
    let stage = FakeStage::start_with("protocol_w08", |coin| coin.ports[0] = adjusted("")).await;
    let (mut miner, old, new) = lowered(&stage).await;
    // One that works by the lower difficulty at once, and one that does so from the next job on.
    for (job, met) in [(&old, SHA256D_SOME), (&new, SHA256D_SOME), (&old, 16.0 * SHA256D_SOME)] {
        let share = between(&mut miner, job, met, 1024.0 * SHA256D_SOME);
        assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
    }
    // Upwards: what was begun before is worth what it was, what is begun now needs more.
    let floor = json!([["minimum-difficulty"], {"minimum-difficulty.value": 16.0 * SHA256D_SOME}]);
    assert_eq!(miner.request("mining.configure", floor).await.unwrap().result["minimum-difficulty"], json!(true));
    let raised = miner.wait_for_job_where("work of the higher difficulty", |job| job.id != new.id).await.unwrap();
    assert!(raised.clean && is(&raised, 16.0), "a rise by 16 makes old work void");
    let begun = between(&mut miner, &new, SHA256D_SOME, 16.0 * SHA256D_SOME);
    assert!(miner.submit("alice.rig1", &begun).await.unwrap().is_true());
    let weak = between(&mut miner, &raised, SHA256D_SOME, 15.0 * SHA256D_SOME);
    assert_eq!(miner.submit("alice.rig1", &weak).await.unwrap().code(), Some(23));
    let strong = between(&mut miner, &raised, 16.0 * SHA256D_SOME, 1e9);
    assert!(miner.submit("alice.rig1", &strong).await.unwrap().is_true());
    let some = good("alice.rig1", SHA256D_SOME);
    let refused = bad("alice.rig1", "low difficulty share", 16.0 * SHA256D_SOME);
    let expected = [some.clone(), some.clone(), some.clone(), some, refused, good("alice.rig1", 16.0 * SHA256D_SOME)];
    assert_eq!(stage.facts(6).await, expected);
}

#[tokio::test]
async fn w08_without_a_window_the_job_s_own_difficulty_is_the_only_one() {
    let keys = adjusted("\nrace_window_secs = 0");
    let stage = FakeStage::start_with("protocol_w08b", |coin| coin.ports[0] = keys).await;
    let (mut miner, old, _) = lowered(&stage).await;
    let weak = between(&mut miner, &old, SHA256D_SOME, 15.0 * SHA256D_SOME);
    assert_eq!(miner.submit("alice.rig1", &weak).await.unwrap().code(), Some(23));
    let strong = between(&mut miner, &old, 16.0 * SHA256D_SOME, 1e9);
    assert!(miner.submit("alice.rig1", &strong).await.unwrap().is_true());
    assert_eq!(stage.facts(2).await[1], good("alice.rig1", 16.0 * SHA256D_SOME));
}

#[tokio::test]
async fn w09_a_hash_may_miss_its_target_by_the_tolerance_and_no_more() {
    for (database, keys, code) in
        [("protocol_w09", "", None), ("protocol_w09b", "\nshare_tolerance_percent = 0", Some(23))]
    {
        let stage = FakeStage::start_with(database, |coin| coin.ports[0] += keys).await;
        let (mut miner, job) = stage.miner("alice.rig1").await;
        let near = between(&mut miner, &job, SHA256D_SOME / 1.0049, SHA256D_SOME);
        assert_eq!(miner.submit("alice.rig1", &near).await.unwrap().code(), code);
        let far = between(&mut miner, &job, SHA256D_SOME / 1.05, SHA256D_SOME / 1.0051);
        assert_eq!(miner.submit("alice.rig1", &far).await.unwrap().code(), Some(23));
        let exact = miner.mine(&job, Wanted::Share).unwrap();
        assert!(miner.submit("alice.rig1", &exact).await.unwrap().is_true());
        // Never more than was asked, never less.
        assert!(stage.facts(3).await.iter().all(|row| row.4 == SHA256D_SOME));
    }
}

/// The lines of a refusal: parameters, code, text, and the reason of the row if there is one.
type Refusal = (Value, i64, &'static str, Option<&'static str>);

#[tokio::test]
async fn every_refusal_has_its_code_its_text_and_its_reason() {
    let stage = FakeStage::start("protocol_reasons").await;
    let mut stranger = Miner::connect(stage.port, Algorithm::Sha256d).await.unwrap();
    let early = stranger.request("mining.submit", json!(["alice.rig1", "1", "00", "00", "00"])).await.unwrap();
    assert_eq!((early.code(), early.text()), (Some(25), "Not subscribed"));

    let (mut miner, old) = stage.miner("alice.rig1").await;
    stage.node.new_tip();
    let job = miner.wait_for_new_tip(&old).await.unwrap();
    let stale = miner.mine(&old, Wanted::Share).unwrap().submit_params("alice.rig1");
    let weak = miner.mine(&job, Wanted::BelowShare).unwrap().submit_params("alice.rig1");
    let share = miner.mine(&job, Wanted::Share).unwrap();
    assert!(miner.submit("alice.rig1", &share).await.unwrap().is_true());
    let fine = share.submit_params("alice.rig1");
    let with = |index: usize, value: Value| {
        let mut params = fine.as_array().unwrap().clone();
        params.truncate(index.max(5));
        if index < params.len() {
            params[index] = value
        } else {
            params.push(value)
        }
        Value::Array(params)
    };
    let form = "Invalid parameters: expected worker, job id, extranonce2, ntime, nonce and optionally version bits, \
                or a vote within bounds";
    let refusals: [Refusal; 13] = [
        (fine.clone(), 22, "Duplicate share", Some("duplicate share")),
        (weak, 23, "Low difficulty share", Some("low difficulty share")),
        (stale, 21, "Job not found (stale)", Some("job not found (stale)")),
        (with(1, json!("ffffffffff")), 21, "Job not found", Some("job not found")),
        (with(1, json!("no job")), 21, "Job not found", Some("job not found")),
        (with(2, json!("00")), 20, "Incorrect size of extranonce2", Some("incorrect size of extranonce2")),
        (with(3, json!("00")), 20, "Incorrect size of ntime", Some("incorrect size of ntime")),
        (with(4, json!("zz345678")), 20, "Incorrect size of nonce", Some("incorrect size of nonce")),
        (with(3, json!("00000001")), 20, "ntime out of range", Some("ntime out of range")),
        (with(5, json!("00002000")), 20, "Version bits outside the negotiated mask", Some("version bits out of mask")),
        (with(0, json!("alice.rig2")), 24, "Unauthorized worker", None),
        (json!(["alice.rig1"]), 20, form, None),
        (json!([7, "x", "x", "x", "x"]), 20, form, None),
    ];
    let mut expected = vec![good("alice.rig1", SHA256D_SOME)];
    for (params, code, text, reason) in refusals {
        // The hash of a time or a version that is not allowed is computed; it must not be the same share.
        let params = if text.contains("Unauth") { fresh(&mut miner, &job) } else { params };
        let reply = miner.request("mining.submit", params.clone()).await.unwrap();
        assert_eq!((reply.code(), reply.text()), (Some(code), text), "{params}");
        assert_eq!(reply.result, Value::Null);
        expected.extend(reason.map(|reason| bad("alice.rig1", reason, SHA256D_SOME)));
    }
    assert_eq!(stage.facts(expected.len()).await, expected);
}

/// Good work in the name of somebody else.
fn fresh(miner: &mut Miner, job: &Job) -> Value {
    miner.mine(job, Wanted::Share).unwrap().submit_params("alice.rig2")
}

#[tokio::test]
async fn w26_times_at_the_very_ends_of_their_window() {
    let stage = FakeStage::start("protocol_w26b").await;
    let (mut miner, job) = stage.miner("alice.rig1").await;
    // The node's least time is an hour before the template's; the end moves with the clock.
    for (time, code) in [(job.time - 3600, None), (job.time - 3601, Some(20)), (job.time + 7200, None)] {
        let choice = Choice { time, ..miner.fresh_choice(&job) };
        let share = miner.mine_from(&job, choice, Wanted::Share).unwrap();
        assert_eq!(miner.submit("alice.rig1", &share).await.unwrap().code(), code, "{time}");
    }
    let late = u32::try_from(stage::unix_secs() + 7200 + 30).unwrap();
    let choice = Choice { time: late, ..miner.fresh_choice(&job) };
    let share = miner.mine_from(&job, choice, Wanted::Share).unwrap();
    assert_eq!(miner.submit("alice.rig1", &share).await.unwrap().code(), Some(20));
}

#[tokio::test]
async fn late_shares_count_within_the_grace_that_was_configured() {
    let stage = FakeStage::start_with("protocol_grace", |coin| coin.ports[0] += "\nstale_grace_secs = 10").await;
    let (mut miner, old) = stage.miner("alice.rig1").await;
    stage.node.new_tip();
    let middle = miner.wait_for_new_tip(&old).await.unwrap();
    let late = miner.mine(&old, Wanted::Share).unwrap();
    assert!(miner.submit("alice.rig1", &late).await.unwrap().is_true());
    assert_eq!(miner.submit("alice.rig1", &late).await.unwrap().code(), Some(22));
    stage.node.new_tip();
    miner.wait_for_new_tip(&middle).await.unwrap();
    let later = miner.mine(&old, Wanted::Share).unwrap();
    assert_eq!(miner.submit("alice.rig1", &later).await.unwrap().code(), Some(21), "two tips are too many");
}

#[tokio::test]
async fn w10_a_block_reaches_every_node_once_whatever_is_wrong_with_its_share() {
    let second = FakeNode::start(Algorithm::Sha256d).unwrap();
    let stage = FakeStage::start_with("protocol_w10", |coin| {
        coin.nodes += &second.config();
        coin.ports[0] = stage::port(SHA256D_EASY) + "\ninvalid_window_shares = 20";
    })
    .await;
    for node in [&stage.node, &second] {
        node.set_submit_answer(SubmitAnswer::Refuse("high-hash"));
        node.set_bits(0x207f_ffff);
    }
    stage.node.new_tip();
    let (mut miner, _) = stage.miner("alice.rig1").await;
    let old = miner.wait_for_job_where("easy work", |job| job.bits == 0x207f_ffff).await.unwrap();

    let live = miner.mine(&old, Wanted::Block).unwrap();
    assert!(miner.submit("alice.rig1", &live).await.unwrap().is_true());
    assert_eq!(miner.submit("alice.rig1", &live).await.unwrap().code(), Some(22));
    let nobodys = miner.mine(&old, Wanted::Block).unwrap();
    assert_eq!(miner.submit("nobody.rig", &nobodys).await.unwrap().code(), Some(24));
    stage.node.new_tip();
    let new = miner.wait_for_new_tip(&old).await.unwrap();
    let late = miner.mine(&old, Wanted::Block).unwrap();
    assert_eq!(miner.submit("alice.rig1", &late).await.unwrap().code(), Some(21));
    let mut out_of_time = miner.mine(&new, Wanted::Block).unwrap();
    while out_of_time.choice.time == new.time {
        let choice = Choice { time: 1, ..miner.fresh_choice(&new) };
        out_of_time = miner.mine_from(&new, choice, Wanted::Block).unwrap();
    }
    assert_eq!(miner.submit("alice.rig1", &out_of_time).await.unwrap().code(), Some(20));

    // Behind so much rubbish that the connection is given up.
    let last = miner.mine(&new, Wanted::Block).unwrap();
    let rubbish = json!({"id": 1, "method": "mining.submit", "params": ["alice.rig1", "x", "x", "x"]});
    let block = json!({"id": 2, "method": "mining.submit", "params": last.submit_params("alice.rig1")});
    let packet = format!("{rubbish}\n").repeat(20) + &format!("{block}\n");
    miner.send_raw(packet.as_bytes()).await.unwrap();
    miner.wait_for_close().await.unwrap();

    let mut found: Vec<String> =
        [live, nobodys, late, out_of_time, last].iter().map(|share| hash::display(&share.hash)).collect();
    found.sort();
    for node in [&stage.node, &second] {
        node.wait_for_submissions(found.len()).await.unwrap();
        let mut submitted: Vec<String> = node.submissions().iter().map(|submission| submission.hash()).collect();
        submitted.sort();
        assert_eq!(submitted, found);
    }
    assert_eq!(Miner::log_in(stage.port, Algorithm::Sha256d, "alice.rig1", PASSWORD).await.unwrap().1.bits, new.bits);
}
