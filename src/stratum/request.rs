//! A line into a request, as tolerant of what real miners send as it is strict about what counts.
//!
//! Ids are echoed as the very bytes the miner wrote. Parameters of the wrong kind are values here,
//! not errors: the session decides what a missing or odd one means.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// Longest id that is echoed, bytes of JSON. A longer one is refused as junk.
pub const ID_BYTES_MAX: usize = 64;
/// Most elements of an array or members of an object; more are refused as junk.
pub const ELEMENTS_MAX: usize = 32;
/// Longest string among the parameters, bytes; a longer one is refused as junk.
pub const TEXT_BYTES_MAX: usize = 1024;
/// How deep arrays and objects may lie in one another, the request's own included; deeper ones are
/// refused as junk. `mining.configure` needs three.
pub const DEPTH_MAX: u8 = 4;

/// The id of a request, as raw JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Id(Box<str>);

impl Id {
    /// The JSON to be echoed.
    pub fn as_json(&self) -> &str {
        &self.0
    }
}

/// One parameter.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Param<'a> {
    /// A string.
    Text(Cow<'a, str>),
    /// A number without fraction that is not negative.
    Count(u64),
    /// Any other number.
    Number(f64),
    /// `null`, or not there at all.
    #[default]
    Missing,
    /// A boolean, an array or an object.
    Other,
}

impl Param<'_> {
    /// The text of a string parameter.
    pub fn text(&self) -> Option<&str> {
        match self {
            Param::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A finite number, also where it was sent as a string.
    pub fn number(&self) -> Option<f64> {
        let value = match self {
            Param::Count(count) => *count as f64,
            Param::Number(number) => *number,
            Param::Text(text) => text.trim().parse().ok()?,
            Param::Missing | Param::Other => return None,
        };
        value.is_finite().then_some(value)
    }

    /// A 32-bit field: eight hexadecimal digits, or, from odd miners, a plain number.
    pub fn field_u32(&self) -> Option<u32> {
        match self {
            Param::Text(text) => crate::bytes::hex::decode_u32(text.as_bytes()),
            Param::Count(count) => u32::try_from(*count).ok(),
            _ => None,
        }
    }
}

/// A message of a miner.
#[derive(Debug, Clone, PartialEq)]
pub struct Request<'a> {
    /// The id; `None` (absent or null) makes it a notification, which is not answered.
    pub id: Option<Id>,
    /// The method; empty for an answer to something we asked.
    pub method: Cow<'a, str>,
    /// The positional parameters.
    pub params: Vec<Param<'a>>,
    /// The parameters as they came, for the one method with nested ones.
    pub raw_params: Option<&'a str>,
    /// What an answer to something we asked says.
    pub result: Option<&'a str>,
}

/// Why a line is no request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotARequest {
    /// Not a JSON object with the members of a request, or a member twice.
    Json,
    /// The id is longer than [`ID_BYTES_MAX`].
    Id,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow, default)]
    id: Option<&'a RawValue>,
    #[serde(borrow, default)]
    method: Param<'a>,
    #[serde(borrow, default)]
    params: Option<&'a RawValue>,
    #[serde(borrow, default)]
    result: Option<&'a RawValue>,
}

impl<'a> Request<'a> {
    /// Parses one line.
    ///
    /// # Errors
    /// See [`NotARequest`].
    pub fn parse(line: &'a [u8]) -> Result<Self, NotARequest> {
        // The members of an envelope given as an array would be taken by position.
        if line.trim_ascii_start().first() != Some(&b'{') {
            return Err(NotARequest::Json);
        }
        let envelope: Envelope<'a> = serde_json::from_slice(line).map_err(|_| NotARequest::Json)?;
        let id = match envelope.id.map(RawValue::get) {
            Some(text) if text.len() > ID_BYTES_MAX => return Err(NotARequest::Id),
            Some(text) => Some(Id(text.into())),
            None => None,
        };
        let method = match envelope.method {
            Param::Text(method) => method,
            Param::Missing => Cow::Borrowed(""),
            _ => return Err(NotARequest::Json),
        };
        let raw_params = envelope.params.map(RawValue::get);
        let params = match raw_params {
            None => Vec::new(),
            Some(raw) if raw.starts_with('[') => {
                serde_json::from_str::<Params<'a>>(raw).map_err(|_| NotARequest::Json)?.0
            }
            // The session knows no parameter by name. The request is one level around the object.
            Some(raw) if raw.starts_with('{') => {
                let walked = Nested { depth: 2 }.deserialize(&mut serde_json::Deserializer::from_str(raw));
                walked.map(|()| Vec::new()).map_err(|_| NotARequest::Json)?
            }
            // A number or a text that is not in an array is one parameter: some miners send it so.
            Some(raw) => match serde_json::from_str::<Param<'a>>(raw).map_err(|_| NotARequest::Json)? {
                Param::Missing | Param::Other => Vec::new(),
                param => vec![param],
            },
        };
        Ok(Self { id, method, params, raw_params, result: envelope.result.map(RawValue::get) })
    }

    /// A parameter by position; [`Param::Missing`] beyond the last.
    pub fn param(&self, index: usize) -> &Param<'a> {
        self.params.get(index).unwrap_or(&Param::Missing)
    }
}

#[derive(Default)]
struct Params<'a>(Vec<Param<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Params<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Params<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an array")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut params = Vec::with_capacity(6);
                while let Some(param) = seq.next_element()? {
                    params.push(param);
                    counted(params.len())?;
                }
                Ok(Params(params))
            }
        }
        deserializer.deserialize_seq(List)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Param<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct One;
        impl<'de> Visitor<'de> for One {
            type Value = Param<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("any value")
            }
            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                short(text).map(|text| Param::Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                short(text).map(|text| Param::Text(Cow::Owned(text.to_owned())))
            }
            fn visit_u64<E>(self, count: u64) -> Result<Self::Value, E> {
                Ok(Param::Count(count))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Self::Value, E> {
                Ok(Param::Number(number as f64))
            }
            fn visit_f64<E>(self, number: f64) -> Result<Self::Value, E> {
                Ok(Param::Number(number))
            }
            fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
                Ok(Param::Other)
            }
            fn visit_unit<E>(self) -> Result<Self::Value, E> {
                Ok(Param::Missing)
            }
            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                // The request and its parameters are two levels around this one.
                Nested { depth: 3 }.visit_seq(seq).map(|()| Param::Other)
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                Nested { depth: 3 }.visit_map(map).map(|()| Param::Other)
            }
        }
        deserializer.deserialize_any(One)
    }
}

/// Walks through a value that is not kept, and refuses it if it is too large, too deep or names a
/// member twice.
#[derive(Clone, Copy)]
struct Nested {
    /// How deep the value lies.
    depth: u8,
}

impl Nested {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        if self.depth > DEPTH_MAX { Err(E::custom("too deep")) } else { Ok(Self { depth: self.depth + 1 }) }
    }
}

impl<'de> DeserializeSeed<'de> for Nested {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Nested {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        short(text).map(|_| ())
    }
    fn visit_u64<E>(self, _: u64) -> Result<(), E> {
        Ok(())
    }
    fn visit_i64<E>(self, _: i64) -> Result<(), E> {
        Ok(())
    }
    fn visit_f64<E>(self, _: f64) -> Result<(), E> {
        Ok(())
    }
    fn visit_bool<E>(self, _: bool) -> Result<(), E> {
        Ok(())
    }
    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        let mut count = 0;
        while seq.next_element_seed(inner)?.is_some() {
            count += 1;
            counted(count)?;
        }
        Ok(())
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let inner = self.deeper()?;
        let mut names: Vec<Cow<'de, str>> = Vec::new();
        while let Some(Name(name)) = map.next_key()? {
            if names.contains(&name) {
                return Err(A::Error::custom("a member twice"));
            }
            short(&name)?;
            names.push(name);
            counted(names.len())?;
            map.next_value_seed(inner)?;
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

fn counted<E: Error>(count: usize) -> Result<(), E> {
    if count > ELEMENTS_MAX { Err(E::custom("too many elements")) } else { Ok(()) }
}

fn short<E: Error>(text: &str) -> Result<&str, E> {
    if text.len() > TEXT_BYTES_MAX { Err(E::custom("text too long")) } else { Ok(text) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_of_every_kind_are_echoed_as_written() {
        for id in ["1", "\"a\\n\"", "-5", "1.50", "9223372036854775808", "true", "[1]", "{}"] {
            let line = format!(r#"{{"id":{id},"method":"mining.ping","params":[]}}"#);
            assert_eq!(Request::parse(line.as_bytes()).unwrap().id.unwrap().as_json(), id);
        }
        for line in [r#"{"id":null,"method":"m"}"#, r#"{"method":"m"}"#] {
            assert_eq!(Request::parse(line.as_bytes()).unwrap().id, None);
        }
        let long = format!(r#"{{"id":"{}","method":"m"}}"#, "x".repeat(63));
        assert_eq!(Request::parse(long.as_bytes()), Err(NotARequest::Id));
    }

    #[test]
    fn parameters_of_the_wrong_kind_are_values() {
        let line = br#"{"id":1,"method":"m","params":["a\u0062",7,-1,1.5,null,true,[[1]],{"x":{}}]}"#;
        let request = Request::parse(line).unwrap();
        assert_eq!(request.param(0).text(), Some("ab"));
        assert_eq!(request.param(1).field_u32(), Some(7));
        assert_eq!(request.param(2), &Param::Number(-1.0));
        assert_eq!(request.param(3).number(), Some(1.5));
        for index in [4, 99] {
            assert_eq!(request.param(index), &Param::Missing);
        }
        assert!((5..8).all(|index| *request.param(index) == Param::Other));
        for (params, count) in [("{}", 0), ("{\"a\":1}", 0), ("null", 0), ("true", 0), ("\"x\"", 1), ("7", 1)] {
            let line = format!(r#"{{"id":1,"method":"m","params":{params}}}"#);
            assert_eq!(Request::parse(line.as_bytes()).unwrap().params.len(), count, "{params}");
        }
    }

    #[test]
    fn limits_have_exact_ends() {
        let parsed = |params: &str| {
            Request::parse(format!(r#"{{"id":1,"method":"m","params":{params}}}"#).as_bytes()).map(|_| ())
        };
        let ones = |count: usize| vec!["1"; count].join(",");
        let text = |bytes: usize| format!("[\"{}\"]", "x".repeat(bytes));
        let names = |count: usize| (0..count).map(|i| format!("\"{i}\":1")).collect::<Vec<_>>().join(",");
        for (good, bad) in [
            (format!("[{}]", ones(32)), format!("[{}]", ones(33))),
            (format!("[[{}]]", ones(32)), format!("[[{}]]", ones(33))),
            (format!("[{{{}}}]", names(32)), format!("[{{{}}}]", names(33))),
            (text(1024), text(1025)),
            ("[[[1]]]".to_owned(), "[[[[1]]]]".to_owned()),
            ("{\"a\":{\"b\":{}}}".to_owned(), "{\"a\":{\"b\":{\"c\":{}}}}".to_owned()),
            (format!("{{{}}}", names(32)), format!("{{{}}}", names(33))),
            ("[{\"a\":1,\"b\":1}]".to_owned(), "[{\"a\":1,\"a\":1}]".to_owned()),
        ] {
            assert_eq!((parsed(&good), parsed(&bad)), (Ok(()), Err(NotARequest::Json)), "{good}");
        }
    }

    #[test]
    fn what_is_no_request_is_refused() {
        for line in [
            &b"nonsense"[..],
            b"[]",
            b"{",
            b"{}x",
            b"\xff\xfe",
            b"",
            b"GET / HTTP/1.1",
            br#"{"id":1,"id":2,"method":"m"}"#,
            br#"{"id":1,"method":5}"#,
        ] {
            assert_eq!(Request::parse(line), Err(NotARequest::Json), "{line:?}");
        }
        let deep = [b"{\"params\":".to_vec(), vec![b'['; 100_000]].concat();
        assert_eq!(Request::parse(&deep), Err(NotARequest::Json));
    }

    proptest! {
        #[test]
        fn nothing_panics(line: Vec<u8>) {
            let _ = Request::parse(&line);
        }
    }
}
