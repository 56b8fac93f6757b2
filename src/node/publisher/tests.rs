use super::*;
use crate::bytes::Hash;
use crate::clock::ManualClock;
use crate::config::{Node, NodeLogin, NodeWays};
use crate::difficulty::Target;
use crate::node::nodes::Fit;
use crate::work::template::Particulars;

const REFRESH: Duration = Duration::from_secs(30);

/// A publisher for two nodes, `a` preferred to `b`, and what it publishes.
struct Bench {
    clock: Arc<ManualClock>,
    publisher: Publisher,
    work: watch::Receiver<Work>,
}

const A: usize = 0;
const B: usize = 1;

fn node(name: &str, port: u16) -> Node {
    Node {
        name: name.into(),
        host: "127.0.0.1".into(),
        port,
        login: NodeLogin::Cookie("/nothing".into()),
        timeout: Duration::from_secs(1),
        ways: NodeWays::default(),
    }
}

fn bench() -> Bench {
    let clock = Arc::new(ManualClock::at(1_700_000_000));
    let bell = Arc::new(Bell::new(Arc::clone(&clock) as Arc<dyn Clock>));
    let nodes = Nodes::new(&[node("a", 1), node("b", 1)]);
    let publisher = Publisher::new(nodes, Arc::clone(&clock) as Arc<dyn Clock>, REFRESH, bell);
    let work = publisher.subscribe();
    Bench { clock, publisher, work }
}

impl Bench {
    fn offer(&self, node: usize, template: Template) {
        self.publisher.offer(node, Arc::new(template), Source::Poll);
    }

    fn lose(&self, node: usize) {
        self.publisher.failed(node, NodeState::Unreachable { problem: "gone".into() }, None);
    }

    /// Node, height and tip number, and whether the watchers were woken.
    fn seen(&mut self) -> (String, u32, u64, bool) {
        let woken = self.work.has_changed().unwrap();
        let work = self.work.borrow_and_update();
        (work.node.clone(), work.template.as_ref().map_or(0, |template| template.height), work.tip_seq, woken)
    }

    fn after(&self, secs: u64) {
        self.clock.advance(Duration::from_secs(secs));
    }
}

/// A template for the block at `height` on a tip of the branch `branch`.
fn template(height: u32, branch: u8) -> Template {
    let mut previous: Hash = [branch; 32];
    previous[..4].copy_from_slice(&height.to_le_bytes());
    Template {
        height,
        version: 4,
        previous,
        bits: 0x207f_ffff,
        target: Target::from_compact(0x207f_ffff).unwrap(),
        curtime: 1_700_000_000,
        mintime: 1_700_000_000,
        coinbase_value: 50,
        fees: None,
        coinbase_aux: Vec::new(),
        witness_commitment: None,
        transactions: Vec::new(),
        mweb: None,
        longpoll_id: None,
        work_id: None,
        particulars: Particulars::default(),
    }
}

fn seen(node: &str, height: u32, tip_seq: u64, woken: bool) -> (String, u32, u64, bool) {
    (node.into(), height, tip_seq, woken)
}

#[test]
fn the_tip_number_follows_the_previous_block_and_nothing_else() {
    let mut bench = bench();
    assert_eq!(bench.seen(), seen("a", 0, 0, false));
    bench.offer(A, template(10, 1));
    assert_eq!(bench.seen(), seen("a", 10, 1, true));
    bench.offer(A, template(10, 1));
    assert_eq!(bench.seen(), seen("a", 10, 1, false));
    // Another block at the same height, and back to a lower one: the node's tip really changed.
    bench.offer(A, template(10, 2));
    assert_eq!(bench.seen(), seen("a", 10, 2, true));
    bench.offer(A, template(9, 1));
    assert_eq!(bench.seen(), seen("a", 9, 3, true));
    bench.publisher.unchanged(A);
    assert_eq!(bench.seen(), seen("a", 9, 3, false));
}

#[test]
fn new_transactions_are_published_once_in_a_refresh_interval() {
    let mut bench = bench();
    bench.offer(A, template(10, 1));
    bench.seen();
    for value in 51..60 {
        bench.after(3);
        bench.offer(A, Template { coinbase_value: value, ..template(10, 1) });
        assert_eq!(bench.seen(), seen("a", 10, 1, false));
    }
    bench.after(3);
    // The one held back is due, without another answer of the node.
    bench.publisher.unchanged(A);
    assert_eq!(bench.seen(), seen("a", 10, 1, true));
    assert_eq!(bench.work.borrow().template.as_ref().unwrap().coinbase_value, 59);
    // It is as old as its answer.
    assert_eq!(bench.work.borrow().fetched_at, Duration::from_secs(27));
}

#[test]
fn the_same_again_keeps_work_fresh_without_waking_anybody() {
    let mut bench = bench();
    bench.offer(A, template(10, 1));
    bench.seen();
    bench.after(60);
    bench.offer(A, Template { curtime: 1_700_000_010, ..template(10, 1) });
    assert_eq!(bench.seen(), seen("a", 10, 1, false));
    assert_eq!(bench.work.borrow().fetched_at, Duration::from_secs(60));
    // A noticeably later time is worth a job.
    bench.offer(A, Template { curtime: 1_700_000_030, ..template(10, 1) });
    assert_eq!(bench.seen(), seen("a", 10, 1, true));
}

#[test]
fn another_difficulty_on_the_same_tip_cannot_wait() {
    let mut bench = bench();
    bench.offer(A, template(10, 1));
    bench.seen();
    bench.offer(A, Template { bits: 0x1d00_ffff, ..template(10, 1) });
    assert_eq!(bench.seen(), seen("a", 10, 1, true));
}

#[test]
fn the_best_tip_wins_and_of_equals_the_one_seen_first() {
    let mut bench = bench();
    bench.offer(B, template(10, 1));
    assert_eq!(bench.seen(), seen("b", 10, 1, true));
    // Level on another chain: work does not flap, however much the node is preferred.
    bench.offer(A, template(10, 2));
    assert_eq!(bench.seen(), seen("b", 10, 1, false));
    bench.offer(A, template(11, 2));
    assert_eq!(bench.seen(), seen("a", 11, 2, true));
    bench.offer(B, template(12, 2));
    assert_eq!(bench.seen(), seen("b", 12, 3, true));
    // On the same tip the preferred one counts: the work is the same.
    bench.offer(A, template(12, 2));
    assert_eq!(bench.seen(), seen("a", 12, 3, false));
}

#[test]
fn more_work_beats_a_greater_height() {
    let mut bench = bench();
    bench.offer(A, template(10, 1));
    bench.offer(B, template(12, 2));
    assert_eq!(bench.seen(), seen("b", 12, 2, true));
    bench.publisher.learn_work(template(10, 1).previous, U256::from_u64(9));
    // Known of one alone it says nothing.
    assert_eq!(bench.seen(), seen("b", 12, 2, false));
    bench.publisher.learn_work(template(12, 2).previous, U256::from_u64(8));
    assert_eq!(bench.seen(), seen("a", 10, 3, true));
}

#[test]
fn who_is_set_aside_is_left_at_once_and_taken_back() {
    let mut bench = bench();
    bench.offer(A, template(10, 1));
    bench.offer(B, template(12, 2));
    bench.seen();
    let aside = || Some(Aside::Distrusted { reason: "test".into() });
    bench.publisher.set_aside(B, aside());
    assert_eq!(bench.seen(), seen("a", 10, 3, true));
    bench.offer(B, template(13, 2));
    assert_eq!(bench.seen(), seen("a", 10, 3, false));
    // Better than nothing, but not before the others had time to return.
    bench.lose(A);
    bench.publisher.unchanged(B);
    assert_eq!(bench.seen().0, "a");
    bench.after(10);
    bench.publisher.unchanged(B);
    assert_eq!(bench.seen(), seen("b", 13, 4, true));
    bench.offer(A, template(10, 1));
    assert_eq!(bench.seen(), seen("a", 10, 5, true));
    bench.publisher.set_aside(B, None);
    assert_eq!(bench.seen(), seen("b", 13, 6, true));
}

#[test]
fn the_next_node_takes_over_at_once_and_gives_back() {
    let mut bench = bench();
    bench.offer(A, template(10, 1));
    bench.offer(B, template(10, 1));
    bench.seen();
    bench.lose(A);
    // The same tip: no new work, and nobody need know.
    assert_eq!(bench.seen(), seen("b", 10, 1, false));
    assert!(bench.work.borrow().state.is_ready());
    bench.offer(B, template(11, 1));
    assert_eq!(bench.seen(), seen("b", 11, 2, true));
    // Back, but behind: not before it has caught up.
    bench.offer(A, template(10, 1));
    assert_eq!(bench.seen(), seen("b", 11, 2, false));
    bench.offer(A, template(11, 1));
    assert_eq!(bench.seen(), seen("a", 11, 2, false));
}

#[test]
fn nobody_is_led_back_before_the_others_had_time_to_catch_up() {
    let mut bench = bench();
    bench.offer(A, template(10, 1));
    bench.offer(B, template(9, 1));
    bench.seen();
    bench.lose(A);
    assert_eq!(bench.seen(), seen("a", 10, 1, true));
    assert_eq!(bench.work.borrow().state, NodeState::Unreachable { problem: "gone".into() });
    bench.after(9);
    bench.publisher.unchanged(B);
    assert_eq!(bench.seen(), seen("a", 10, 1, false));
    bench.after(1);
    bench.publisher.unchanged(B);
    assert_eq!(bench.seen(), seen("b", 9, 2, true));
}

#[test]
fn a_node_that_returns_in_time_goes_on_where_it_was() {
    let mut bench = bench();
    bench.offer(A, template(10, 1));
    bench.seen();
    bench.lose(A);
    assert_eq!(bench.seen(), seen("a", 10, 1, true));
    bench.after(3600);
    bench.offer(A, template(10, 1));
    assert_eq!(bench.seen(), seen("a", 10, 1, true));
    assert!(bench.work.borrow().state.is_ready());
    assert_eq!(bench.work.borrow().fetched_at, Duration::from_secs(3600));
}

#[test]
fn without_any_node_the_state_says_what_to_do() {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(0));
    let publisher = Publisher::new(Nodes::new(&[]), Arc::clone(&clock), REFRESH, Arc::new(Bell::new(clock)));
    assert!(matches!(publisher.subscribe().borrow().state, NodeState::Refused { .. }));
}

#[test]
fn work_is_taken_down_when_the_tip_has_moved_and_nobody_has_a_template_for_it() {
    let mut bench = bench();
    let refused = || NodeState::Refused { reason: "a payee without an address".into() };
    bench.offer(A, template(10, 1));
    bench.seen();
    // Without news of the tip the work stays, and with another node on the same tip.
    bench.publisher.failed(A, refused(), None);
    assert_eq!(bench.seen(), seen("a", 10, 1, true));
    bench.offer(A, template(10, 1));
    bench.seen();
    bench.publisher.failed(A, refused(), Some(template(10, 1).previous));
    assert_eq!(bench.seen(), seen("a", 10, 1, true));
    // The node builds on another tip: the old work is worth nothing.
    bench.publisher.failed(A, refused(), Some(template(11, 1).previous));
    assert_eq!(bench.seen(), seen("a", 0, 2, true));
    bench.publisher.failed(A, refused(), Some(template(11, 1).previous));
    assert_eq!(bench.seen(), seen("a", 0, 2, false));
    // A node that lags behind is no way out, but one that has caught up is.
    bench.offer(B, template(9, 1));
    assert_eq!(bench.seen(), seen("a", 0, 2, false));
    bench.offer(B, template(11, 1));
    assert_eq!(bench.seen(), seen("b", 11, 3, true));
}

#[test]
fn only_nodes_that_were_proven_count_from_then_on() {
    let mut bench = bench();
    bench.offer(1, template(12, 2));
    bench.offer(0, template(10, 1));
    assert_eq!(bench.seen(), ("b".into(), 12, 1, true));
    let nodes = bench.publisher.nodes.all();
    nodes[0].set_fit(Fit::Proven);
    bench.publisher.keep_to_proven();
    // At once, and lower as it is.
    assert_eq!(bench.seen(), ("a".into(), 10, 3, true));
    bench.offer(1, template(13, 2));
    assert_eq!(bench.seen(), ("a".into(), 10, 3, false));
    assert!(!nodes[1].state().is_ready() && nodes[1].distrust().is_some());
    nodes[1].set_fit(Fit::Misfit { reason: "no".into() });
    bench.offer(1, template(13, 2));
    assert_eq!(bench.seen(), ("a".into(), 10, 3, false));
    nodes[1].set_fit(Fit::Proven);
    bench.offer(1, template(13, 2));
    assert_eq!(bench.seen(), ("b".into(), 13, 4, true));
}

#[test]
fn without_a_proven_node_there_is_no_work() {
    let mut bench = bench();
    bench.offer(0, template(10, 1));
    bench.seen();
    bench.publisher.keep_to_proven();
    let (_, height, tip_seq, woken) = bench.seen();
    assert_eq!((height, tip_seq, woken), (0, 2, true));
}

#[test]
fn another_login_does_not_make_a_node_another_chain_s() {
    let bench = bench();
    let nodes = &bench.publisher.nodes;
    nodes.all()[0].set_fit(Fit::Proven);
    bench.publisher.keep_to_proven();
    let patient = Node { timeout: Duration::from_secs(2), ..node("a", 1) };
    bench.publisher.change(&[patient, node("new", 2)], REFRESH);
    let fits: Vec<Fit> = nodes.all().iter().map(|node| node.fit()).collect();
    assert_eq!(fits, [Fit::Proven, Fit::Awaited]);
}
