//! JSON as another reader has it: nothing is left out, and members keep their order and repeats.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A value of JSON.
#[derive(Debug, Clone, PartialEq)]
pub enum Json {
    Null,
    Bool,
    /// A number, as the reader understands it.
    Number(f64),
    /// A number that is a `u64`.
    Count(u64),
    Text(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// The members of that name.
    pub fn members(&self, name: &str) -> Vec<&Json> {
        match self {
            Json::Object(members) => members.iter().filter(|(own, _)| own == name).map(|(_, value)| value).collect(),
            _ => Vec::new(),
        }
    }

    /// Whether the value keeps the bounds of a request's parameters, if it lies so deep: arrays and objects of at most
    /// 32, texts of at most 1024 bytes, no name twice, four levels.
    pub fn is_within_bounds(&self, depth: usize) -> bool {
        match self {
            Json::Text(text) => text.len() <= 1024,
            Json::Array(values) => {
                depth <= 4 && values.len() <= 32 && values.iter().all(|value| value.is_within_bounds(depth + 1))
            }
            Json::Object(members) => {
                let fits = |(name, value): &(String, Json)| name.len() <= 1024 && value.is_within_bounds(depth + 1);
                let once = |name: &str| members.iter().filter(|(own, _)| own == name).count() == 1;
                depth <= 4
                    && members.len() <= 32
                    && members.iter().all(fits)
                    && members.iter().all(|(name, _)| once(name))
            }
            _ => true,
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Json;
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }
    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }
    fn visit_bool<E>(self, _: bool) -> Result<Json, E> {
        Ok(Json::Bool)
    }
    fn visit_u64<E>(self, count: u64) -> Result<Json, E> {
        Ok(Json::Count(count))
    }
    #[allow(clippy::cast_precision_loss, reason = "as any reader of JSON has it that knows floating numbers only")]
    fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
        Ok(Json::Number(number as f64))
    }
    fn visit_f64<E>(self, number: f64) -> Result<Json, E> {
        Ok(Json::Number(number))
    }
    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Json, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element()? {
            values.push(value);
        }
        Ok(Json::Array(values))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Json::Object(members))
    }
}
