//! Answers and notifications, written straight into bytes. Every answer has the three members
//! `id`, `result` and `error`: some miners insist on all of them.

use super::request::Id;
use crate::bytes::hex;
use crate::difficulty::Difficulty;
use crate::work::extranonce::Extranonce1;
use crate::work::reject::Reject;

/// JSON-RPC's own code for a method that does not exist.
pub const METHOD_NOT_FOUND: i32 = -3;
/// Stratum's code for everything that has none of its own.
pub const OTHER: i32 = 20;

/// A successful answer with `result` as ready JSON.
pub fn result(id: &Id, result: &str) -> Vec<u8> {
    format!("{{\"id\":{},\"result\":{result},\"error\":null}}\n", id.as_json()).into_bytes()
}

/// The answer `true`.
pub fn yes(id: &Id) -> Vec<u8> {
    result(id, "true")
}

/// An error answer; `text` must need no escaping.
pub fn error(id: &Id, code: i32, text: &str) -> Vec<u8> {
    debug_assert!(!text.contains(['"', '\\']), "texts are constants without quotes");
    format!("{{\"id\":{},\"result\":null,\"error\":[{code},\"{text}\",null]}}\n", id.as_json()).into_bytes()
}

/// The answer to a refused submit.
pub fn reject(id: &Id, reject: Reject) -> Vec<u8> {
    error(id, reject.code(), reject.text())
}

/// The answer to a refused authorisation: miners test `result` there.
pub fn unauthorized(id: &Id, text: &str) -> Vec<u8> {
    format!("{{\"id\":{},\"result\":false,\"error\":[24,\"{text}\",null]}}\n", id.as_json()).into_bytes()
}

/// The answer to a line that is no request, which therefore has no id.
pub fn not_a_request() -> &'static [u8] {
    b"{\"id\":null,\"result\":null,\"error\":[20,\"Not a JSON-RPC request\",null]}\n"
}

/// The notification of a difficulty.
pub fn set_difficulty(difficulty: Difficulty) -> Vec<u8> {
    format!("{{\"id\":null,\"method\":\"mining.set_difficulty\",\"params\":[{difficulty}]}}\n").into_bytes()
}

/// The notification of another extranonce; for miners that asked to be told.
pub fn set_extranonce(extranonce1: Extranonce1, extranonce2_bytes: u8) -> Vec<u8> {
    let extranonce1 = hex::encode(&extranonce1);
    let line = format!(
        "{{\"id\":null,\"method\":\"mining.set_extranonce\",\"params\":[\"{extranonce1}\",{extranonce2_bytes}]}}\n"
    );
    line.into_bytes()
}

/// Asks whether the miner is there; for programs that answer.
pub fn ping(number: u64) -> Vec<u8> {
    format!("{{\"id\":\"ping-{number}\",\"method\":\"mining.ping\",\"params\":[]}}\n").into_bytes()
}

/// The id of the question for the version, as JSON. Miners do not number their requests so.
pub const VERSION_ID: &str = "\"version\"";

/// Asks the miner which program it is.
pub fn get_version() -> Vec<u8> {
    format!("{{\"id\":{VERSION_ID},\"method\":\"client.get_version\",\"params\":[]}}\n").into_bytes()
}

/// A text for the people at the miner, which must need no escaping.
pub fn show_message(text: &str) -> Vec<u8> {
    format!("{{\"id\":null,\"method\":\"client.show_message\",\"params\":[\"{text}\"]}}\n").into_bytes()
}

/// Asks the miner to connect again after `wait_secs`: to a host and port, or where it is.
pub fn reconnect(to: Option<&(String, u16)>, wait_secs: u64) -> Vec<u8> {
    let params = to.map_or_else(String::new, |(host, port)| format!("\"{host}\",{port},{wait_secs}"));
    format!("{{\"id\":null,\"method\":\"client.reconnect\",\"params\":[{params}]}}\n").into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stratum::request::Request;

    #[test]
    fn answers_are_json_with_all_three_members() {
        let id = Request::parse(br#"{"id":"x","method":"m"}"#).unwrap().id.unwrap();
        for (answer, result, code) in [
            (yes(&id), serde_json::json!(true), None),
            (reject(&id, Reject::Duplicate), serde_json::json!(null), Some(22)),
            (unauthorized(&id, "Unauthorized worker"), serde_json::json!(false), Some(24)),
        ] {
            let value: serde_json::Value = serde_json::from_slice(&answer).unwrap();
            assert_eq!((&value["id"], &value["result"]), (&"x".into(), &result));
            assert_eq!(value["error"][0].as_i64(), code);
            assert_eq!(value.as_object().unwrap().len(), 3);
        }
        serde_json::from_slice::<serde_json::Value>(not_a_request()).unwrap();
    }

    #[test]
    fn difficulties_are_plain_numbers() {
        for (difficulty, text) in [(16.0, "[16]"), (0.001, "[0.001]"), (1e-10, "[0.0000000001]")] {
            let line = String::from_utf8(set_difficulty(Difficulty::new(difficulty).unwrap())).unwrap();
            assert!(line.contains(text), "{line}");
        }
    }
}
