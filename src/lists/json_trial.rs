//! A trial as a line of JSON: an object whose keys are names of columns. Other keys are ignored.

use super::{
    cell::Cell,
    trial::{LineProblem, Trial},
    words::Column,
};
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, Visitor};
use std::{borrow::Cow, fmt};

const REMEDY: &str = "write {\"enroll\":\"…\",\"test\":\"…\",\"score\":1.5,\"label\":1} on each line, null for \
                      no score";

/// What an object says about a trial.
#[derive(Debug, Default)]
pub struct JsonTrial<'a>([Option<Value<'a>>; Column::ALL.len()]);

#[derive(Debug)]
enum Value<'a> {
    Text(Cow<'a, str>),
    Other(Cell<'static>),
}

/// Borrows the text from the line if the text has no escapes.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> Deserialize<'de> for JsonTrial<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = JsonTrial<'de>;

            fn expecting(&self, to: &mut fmt::Formatter) -> fmt::Result {
                to.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut trial = JsonTrial::default();
                while let Some(Text(key)) = map.next_key()? {
                    let cell = Column::named(&key).map(|column| &mut trial.0[column as usize]);
                    match cell {
                        Some(cell) if cell.is_none() => *cell = Some(map.next_value()?),
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(trial)
            }
        }

        from.deserialize_map(Object)
    }
}

impl<'de> Deserialize<'de> for Value<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Scalar;

        impl<'de> Visitor<'de> for Scalar {
            type Value = Value<'de>;

            fn expecting(&self, to: &mut fmt::Formatter) -> fmt::Result {
                to.write_str("a text, a number, true, false or null")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Value::Text(text.into()))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Value::Text(text.to_string().into()))
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Self::Value, E> {
                Ok(Value::Other(Cell::Number(number)))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
                Ok(Value::Other(Cell::Number(number as f64)))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
                Ok(Value::Other(Cell::Number(number as f64)))
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
                Ok(Value::Other(Cell::Bool(value)))
            }

            fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
                Ok(Value::Other(Cell::Null))
            }
        }

        from.deserialize_any(Scalar)
    }
}

impl<'a> JsonTrial<'a> {
    /// Reads one object.
    ///
    /// # Errors
    /// What is wrong with the line.
    pub fn parse(line: &'a str) -> Result<Self, LineProblem> {
        serde_json::from_str(line).map_err(|e| LineProblem::new(e.to_string(), REMEDY))
    }

    /// Whether the trial names a channel.
    pub fn has_side(&self) -> bool {
        self.0[Column::Side as usize].is_some()
    }

    /// The trial that the object describes.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn trial(mut self, line: usize) -> Result<Trial<'a>, LineProblem> {
        for column in Column::NAMES {
            if self.0[column as usize].is_none() {
                let fact = format!("no {:?}", column.name());
                return Err(LineProblem::new(fact, REMEDY));
            }
        }
        let names = Column::NAMES.map(|column| match self.0[column as usize].take()? {
            Value::Text(name) => Some(name),
            Value::Other(_) => Some("".into()),
        });
        let cell = |column| match self.0[column as usize].as_ref()? {
            Value::Text(text) => Some(Cell::Text(text)),
            Value::Other(cell) => Some(*cell),
        };
        Trial::of_row(names, cell, line)
    }
}
