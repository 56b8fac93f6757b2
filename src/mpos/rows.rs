//! Rows of `shares`: what each column gets, and the statements that store many at once.
//!
//! Every column is named: a left-out `our_result` would silently be `Y`. `upstream_result` is `N`
//! when a row is stored, for candidates too. Time is an integer in a UTC session, so neither a time
//! zone nor rounding can move it.

use std::sync::LazyLock;

use mysql_async::{Params, Value};

use crate::bytes::display_hash;
use crate::ledger::record::ShareRecord;

/// Widest `shares.username`, in characters. Names of workers have 50 at most; a longer one is cut.
pub const USERNAME_CHARS_MAX: usize = 120;

/// Widest `shares.reason`; a longer one is cut.
pub const REASON_CHARS_MAX: usize = 50;

/// How many rows one statement stores: the widest that fits is taken, then the next. Above a hundred a row
/// costs the server about the same in all of them; what a backlog gains by is fewer commits.
pub const STATEMENT_ROWS: [usize; 6] = [1000, 500, 100, 20, 4, 1];

/// Values bound per row, see [`push_row`].
const ROW_VALUES: usize = 7;

/// The statements for [`STATEMENT_ROWS`], in that order.
static INSERTS: LazyLock<[String; STATEMENT_ROWS.len()]> = LazyLock::new(|| STATEMENT_ROWS.map(insert));

fn insert(rows: usize) -> String {
    let mut sql = String::from(
        "INSERT INTO shares (time, rem_host, username, our_result, upstream_result, reason, solution, difficulty) VALUES ",
    );
    for row in 0..rows {
        sql.push_str(if row == 0 { "" } else { "," });
        sql.push_str("(FROM_UNIXTIME(?),?,?,?,'N',?,?,?)");
    }
    sql
}

/// The hash a share's row gets as `solution`, display form; empty if it gets none. A candidate
/// always gets its block hash.
pub fn solution(share: &ShareRecord) -> String {
    let hash = share.solution.or(share.candidate.map(|candidate| candidate.hash));
    hash.as_ref().map(display_hash).unwrap_or_default()
}

/// Appends the values of one row; `time` is the second of acceptance.
pub fn push_row(time: u64, share: &ShareRecord, values: &mut Vec<Value>) {
    values.extend([
        Value::UInt(time),
        text(share.remote.to_string()),
        text(username(&share.worker)),
        text(if share.accepted { "Y" } else { "N" }),
        text(if share.accepted { String::new() } else { reason(&share.reason) }),
        text(solution(share)),
        Value::Float(difficulty(share.row_difficulty)),
    ]);
}

fn text(text: impl Into<Vec<u8>>) -> Value {
    Value::Bytes(text.into())
}

/// A worker's name as the column can hold it: the stored spelling, which already came out of a
/// column like it. Characters beyond the basic plane would be refused by MPOS's character set.
pub fn username(name: &str) -> String {
    name.chars().take(USERNAME_CHARS_MAX).map(|c| if u32::from(c) > 0xffff { '?' } else { c }).collect()
}

/// A reason as the column can hold it: printable ASCII, cut to width.
pub fn reason(reason: &str) -> String {
    let printable = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '?' };
    reason.chars().take(REASON_CHARS_MAX).map(printable).collect()
}

/// A difficulty as the 4-byte column can hold it. Never 0, which MPOS would replace by its own
/// default (usually 16); never beyond what the column holds, which would be refused.
pub fn difficulty(difficulty: f64) -> f32 {
    #[allow(clippy::cast_possible_truncation, reason = "clamped to the range of f32; rounding is what the column does")]
    let narrow = difficulty.clamp(f64::from(f32::MIN_POSITIVE), f64::from(f32::MAX)) as f32;
    if narrow.is_nan() { f32::MIN_POSITIVE } else { narrow }
}

/// Cuts the values of rows into statements, in order: statement and its values.
pub fn statements(mut values: Vec<Value>) -> Vec<(&'static str, Params)> {
    let mut out = Vec::new();
    for (rows, sql) in STATEMENT_ROWS.into_iter().zip(INSERTS.iter()) {
        while values.len() >= rows * ROW_VALUES {
            let rest = values.split_off(rows * ROW_VALUES);
            out.push((sql.as_str(), Params::Positional(std::mem::replace(&mut values, rest))));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::record::CandidateFacts;

    fn share() -> ShareRecord {
        ShareRecord {
            worker: "Alice.rig".into(),
            remote: "192.0.2.1".parse().unwrap(),
            accepted: true,
            reason: String::new(),
            row_difficulty: 1024.0,
            assigned_difficulty: 1024.0,
            share_difficulty: 2000.0,
            network_difficulty: 1e6,
            height: 1,
            reward: 50,
            job: "1".into(),
            header: vec![],
            solution: None,
            candidate: None,
        }
    }

    #[test]
    fn values_of_a_row() {
        let mut values = Vec::new();
        push_row(1_700_000_000, &share(), &mut values);
        assert_eq!(
            values,
            [
                Value::UInt(1_700_000_000),
                text("192.0.2.1"),
                text("Alice.rig"),
                text("Y"),
                text(""),
                text(""),
                Value::Float(1024.0)
            ]
        );
        let mut refused = ShareRecord { accepted: false, reason: "stale".into(), ..share() };
        refused.candidate = Some(CandidateFacts { hash: [7; 32], header_time: 0, coinbase_txid: [0; 32] });
        values.clear();
        push_row(1, &refused, &mut values);
        assert_eq!(values[3..6], [text("N"), text("stale"), text("07".repeat(32))]);
    }

    #[test]
    fn difficulties_stay_within_the_column() {
        for (given, stored) in [
            (0.1, 0.1f32),
            (16_777_217.0, 16_777_216.0),
            (0.0, f32::MIN_POSITIVE),
            (1e-46, f32::MIN_POSITIVE),
            (-5.0, f32::MIN_POSITIVE),
            (f64::NAN, f32::MIN_POSITIVE),
            (1e40, f32::MAX),
            (f64::INFINITY, f32::MAX),
        ] {
            assert_eq!(difficulty(given), stored, "{given}");
        }
    }

    #[test]
    fn texts_stay_within_their_columns() {
        assert_eq!(username(&"x".repeat(300)).len(), 120);
        assert_eq!(username("Àlice.\u{1f600}"), "Àlice.?");
        assert_eq!(reason(&"y".repeat(60)).len(), 50);
        assert_eq!(reason("a\nb\u{e9}\u{1f600}"), "a?b??");
    }

    #[test]
    fn statements_take_the_rows_in_order() {
        let values: Vec<Value> = (0u64..7 * 2751).map(Value::UInt).collect();
        let cut = statements(values.clone());
        let rows: Vec<usize> = cut.iter().map(|(sql, _)| sql.matches("FROM_UNIXTIME").count()).collect();
        assert_eq!(rows, [1000, 1000, 500, 100, 100, 20, 20, 4, 4, 1, 1, 1]);
        let back: Vec<Value> = cut
            .into_iter()
            .flat_map(|(sql, params)| {
                let Params::Positional(values) = params else { panic!("not positional") };
                assert_eq!(sql.matches('?').count(), values.len());
                values
            })
            .collect();
        assert_eq!(back, values);
        assert!(statements(Vec::new()).is_empty());
    }
}
