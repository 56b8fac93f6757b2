//! The request parser against a reader of JSON that keeps everything.

use std::borrow::Cow;
use std::collections::HashMap;

use mpos_stratum::stratum::reply;
use mpos_stratum::stratum::request::{DEPTH_MAX, ELEMENTS_MAX, ID_BYTES_MAX, Param, Request, TEXT_BYTES_MAX};
use serde_json::Value;
use serde_json::value::RawValue;

use super::json::Json;
use super::tape::Tape;

/// Pieces of which made-up lines consist.
const PIECES: [&str; 40] = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "\"id\":",
    "\"method\":",
    "\"params\":",
    "\"result\":",
    "\"x\":",
    "null",
    "true",
    "0",
    "-1",
    "1.5",
    "1e3",
    "18446744073709551616",
    "\"\"",
    "\"a\"",
    "\"\\u0061\"",
    "\"\\ud83d\"",
    "\"mining.submit\"",
    "\"mining.authorize\"",
    "\"\\u006dethod\":",
    "\"id\"",
    " ",
    "\t",
    "\r",
    "{\"a\":1}",
    "{\"a\":1,\"a\":2}",
    "[[[1]]]",
    "[[[[1]]]]",
    "{\"a\":{\"b\":{}}}",
    "\"\\\\\\\"\"",
    "\"\\ud83d\\ude00\"",
    "\u{1}",
    "\"\u{fc}\"",
    "0.1e-400",
    "1e999",
];

/// How members begin; the last is `id` in other letters.
const NAMES: [&str; 6] = ["\"id\":", "\"method\":", "\"params\":", "\"result\":", "\"jsonrpc\":", "\"\\u0069d\": "];

/// Values that stand where a member's value may.
const VALUES: [&str; 24] = [
    "null",
    "true",
    "1",
    "-7",
    "2.5",
    "\"t\"",
    "\"a\\u0062\"",
    "[]",
    "{}",
    "[1]",
    "[\"a.b\",\"x\"]",
    "{\"a\":[1]}",
    "18446744073709551615",
    "18446744073709551616",
    "-9223372036854775809",
    "1e2",
    "\"mining.submit\"",
    "\"\"",
    "[[\"version-rolling\"],{\"version-rolling.mask\":\"ffffffff\"}]",
    "[null,false,[[1]],{\"x\":{}}]",
    "[[[[1]]]]",
    "[{\"a\":1,\"a\":1}]",
    "\" \"",
    "[1.0,\"\\n\",-0]",
];

/// An array or object about as large as may be, or a text about as long.
fn edge(tape: &mut Tape<'_>) -> String {
    let count = 30 + tape.roll(5);
    let ones = vec!["1"; count].join(",");
    let names = (0..count).map(|number| format!("\"{number}\":1")).collect::<Vec<_>>().join(",");
    let text = "x".repeat(1020 + tape.roll(8));
    match tape.roll(7) {
        0 => format!("[{ones}]"),
        1 => format!("[[{ones}]]"),
        2 => format!("[{{{names}}}]"),
        3 => format!("\"{text}\""),
        4 => format!("[\"{text}\"]"),
        5 => format!("[{{\"{text}\":1}}]"),
        _ => format!("\"{}\"", "x".repeat(60 + tape.roll(5))),
    }
}

/// A line that is a request more often than chance would have it.
fn made_up(tape: &mut Tape<'_>) -> Vec<u8> {
    let mut line = String::new();
    if tape.one_in(4) {
        while !tape.is_empty() {
            line.push_str(PIECES[tape.roll(PIECES.len())]);
        }
        return line.into_bytes();
    }
    for nth in 0..tape.roll(6) {
        line.push_str(if nth == 0 { "" } else { "," });
        line.push_str(NAMES[tape.roll(NAMES.len())]);
        let value = if tape.one_in(8) { edge(tape) } else { (*tape.pick(&VALUES)).to_owned() };
        line.push_str(&value);
    }
    let mut line = format!("{{{line}}}").into_bytes();
    if tape.one_in(4) {
        let at = usize::from(tape.byte()) * line.len() / 256;
        line[at] = tape.byte();
    }
    line
}

/// Whether a parameter is what the other reader found there.
fn agrees(param: &Param<'_>, json: &Json) -> bool {
    match (param, json) {
        (Param::Text(text), Json::Text(other)) => text == other,
        (Param::Count(count), Json::Count(other)) => count == other,
        (Param::Number(number), Json::Number(other)) => number.to_bits() == other.to_bits(),
        (Param::Missing, Json::Null) | (Param::Other, Json::Bool | Json::Array(_) | Json::Object(_)) => true,
        _ => false,
    }
}

/// Checks parameters against what the other reader has.
fn check_params(request: &Request<'_>, params: &Json) {
    // The request is the first level.
    assert!(params.is_within_bounds(2), "out of bounds: {params:?}");
    let expected: Vec<&Json> = match params {
        Json::Array(values) => values.iter().collect(),
        Json::Text(_) | Json::Count(_) | Json::Number(_) => vec![params],
        _ => Vec::new(),
    };
    assert_eq!(request.params.len(), expected.len(), "{request:?}");
    assert!(request.params.iter().zip(expected).all(|(param, json)| agrees(param, json)), "{request:?} {params:?}");
    assert!(request.params.len() <= ELEMENTS_MAX);
    assert_eq!(request.param(request.params.len()), &Param::Missing);
    for param in &request.params {
        let _ = param.field_u32();
        assert!(param.number().is_none_or(f64::is_finite));
        assert!(param.text().is_none_or(|text| text.len() <= TEXT_BYTES_MAX));
    }
}

/// What was accepted.
fn check_request(line: &[u8], request: &Request<'_>) {
    let id = request.id.as_ref().map(|id| id.as_json());
    if let Some(id) = id {
        assert!(id.len() <= ID_BYTES_MAX && *id == *id.trim(), "{id:?}");
        assert!(line.windows(id.len()).any(|part| part == id.as_bytes()), "not as written: {id}");
        let echoed = reply::yes(request.id.as_ref().unwrap());
        assert_eq!(echoed, [b"{\"id\":", id.as_bytes(), b",\"result\":true,\"error\":null}\n"].concat());
    }
    // What the session may look at was read as strictly as anybody reads it.
    if let Some(raw) = request.raw_params {
        let _: Value = serde_json::from_str(raw).unwrap();
        check_params(request, &serde_json::from_str(raw).unwrap());
    } else {
        assert!(request.params.is_empty());
    }
    // The others may hold what many readers refuse: half a surrogate, a number beyond all bounds.
    let Ok(value) = serde_json::from_slice::<Value>(line) else { return };
    let json: Json = serde_json::from_slice(line).unwrap();
    for name in ["id", "method", "params", "result"] {
        assert!(json.members(name).len() <= 1, "{name} twice: {json:?}");
    }
    assert_eq!(id.map_or(Value::Null, |id| serde_json::from_str(id).unwrap()), value["id"]);
    assert_eq!(value["method"].as_str().unwrap_or(""), &*request.method);
    assert_eq!(request.result.map_or(Value::Null, |raw| serde_json::from_str(raw).unwrap()), value["result"]);
    assert_eq!(request.raw_params.map_or(Value::Null, |raw| serde_json::from_str(raw).unwrap()), value["params"]);
    if let Ok(members) = serde_json::from_slice::<HashMap<Cow<'_, str>, &RawValue>>(line) {
        let raw = |name: &str| members.get(name).map(|raw| raw.get()).filter(|raw| *raw != "null");
        assert_eq!((id, request.raw_params), (raw("id"), raw("params")));
    }
}

/// What was refused, for a reason that is seen here as well.
fn check_refused(line: &[u8]) {
    let Ok(json) = serde_json::from_slice::<Json>(line) else { return };
    let members: HashMap<Cow<'_, str>, &RawValue> = match serde_json::from_slice(line) {
        Ok(members) => members,
        Err(_) => return,
    };
    let once = ["id", "method", "params", "result"].iter().all(|name| json.members(name).len() <= 1);
    let short = members.get("id").is_none_or(|raw| raw.get().len() <= ID_BYTES_MAX);
    let method = json.members("method").first().is_none_or(|method| match method {
        Json::Text(text) => text.len() <= TEXT_BYTES_MAX,
        other => **other == Json::Null,
    });
    let params = json.members("params").first().is_none_or(|params| params.is_within_bounds(2));
    assert!(!(once && short && method && params), "a good request is refused: {}", line.escape_ascii());
}

/// Parses a line: one that is made up, or the bytes as they are.
pub fn check(data: &[u8]) {
    assert_eq!(DEPTH_MAX, 4, "the reference has it by heart");
    let mut tape = Tape::new(data);
    let line = if tape.one_in(2) { made_up(&mut tape) } else { tape.rest().to_vec() };
    match Request::parse(&line) {
        Ok(request) => check_request(&line, &request),
        Err(_) => check_refused(&line),
    }
}
