//! A trial as a line of JSON: an object whose keys are names of columns. Other keys are ignored.

use super::{
    trial::{LineProblem, Trial},
    words::{Column, label},
};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;
use std::{borrow::Cow, fmt};

const REMEDY: &str = "write {\"enroll\":\"…\",\"test\":\"…\",\"score\":1.5,\"label\":1} on each line, null for \
                      no score";

/// What an object says about a trial.
#[derive(Debug, Default)]
pub struct JsonTrial<'a> {
    enroll: Option<Cow<'a, str>>,
    test: Option<Cow<'a, str>>,
    label: Option<Value>,
    score: Option<f64>,
    side: Option<Value>,
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
                    match Column::named(&key) {
                        Some(Column::Enroll) if trial.enroll.is_none() => {
                            trial.enroll = Some(map.next_value::<Text>()?.0);
                        }
                        Some(Column::Test) if trial.test.is_none() => {
                            trial.test = Some(map.next_value::<Text>()?.0);
                        }
                        Some(Column::Label) if trial.label.is_none() => {
                            trial.label = Some(map.next_value()?);
                        }
                        Some(Column::Score) if trial.score.is_none() => {
                            let score: Option<f64> = map.next_value()?;
                            trial.score = Some(score.unwrap_or(f64::NAN));
                        }
                        Some(Column::Side) if trial.side.is_none() => {
                            trial.side = Some(map.next_value()?);
                        }
                        _ => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(trial)
            }
        }
        from.deserialize_map(Object)
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
        self.side.is_some()
    }

    /// The trial that the object describes.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn trial(self, line: usize) -> Result<Trial<'a>, LineProblem> {
        let is_target = match self.label.as_ref().map(text) {
            None => None,
            Some(text) if text.is_empty() => None,
            Some(text) => Some(label(&text).ok_or_else(|| LineProblem::of_label(&text))?),
        };
        let wanted = |name: Option<Cow<'a, str>>, column: Column| {
            let fact = || format!("no {:?}", column.name());
            name.ok_or_else(|| LineProblem::new(fact(), REMEDY))
        };
        let names = [
            wanted(self.enroll, Column::Enroll)?,
            wanted(self.test, Column::Test)?,
        ];
        let side = self.side.as_ref().map(text);
        Trial::new(Some(names), side.as_deref(), is_target, self.score, line)
    }
}

/// The text between the quotes, or the value as text; nothing for null.
fn text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Null => Cow::Borrowed(""),
        Value::String(text) => Cow::Borrowed(text),
        other => other.to_string().into(),
    }
}
