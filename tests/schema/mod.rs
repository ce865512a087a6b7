//! Checks JSON against the schemas in `docs/`.

use serde_json::{Map, Value};
use std::{fs, path::Path};

/// A JSON Schema, of the words that ours uses; another word is a fault of the test.
pub struct Schema {
    pub whole: Value,
    /// The keys that lead to the definitions.
    place: &'static [&'static str],
}

impl Schema {
    /// Reads a file of the repository.
    pub fn read(file: &str, place: &'static [&'static str]) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
        let whole = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        Schema { whole, place }
    }

    pub fn definition(&self, name: &str) -> &Value {
        let place = self.place.iter().fold(&self.whole, |at, key| &at[key]);
        let found = place.get(name.replace("%20", " "));
        found.unwrap_or_else(|| panic!("{name} is not defined"))
    }

    /// What is wrong with the value, if anything; `place` is where it is.
    pub fn faults(&self, schema: &Value, value: &Value, place: &str) -> Result<(), String> {
        for (word, wanted) in schema.as_object().unwrap() {
            match word.as_str() {
                "description" => {}
                "$ref" => {
                    let name = wanted.as_str().unwrap().rsplit('/').next().unwrap();
                    self.faults(self.definition(name), value, place)?;
                }
                "type" => {
                    let names = wanted.as_array().cloned();
                    let names = names.unwrap_or_else(|| vec![wanted.clone()]);
                    if !names.iter().any(|name| is_a(name.as_str().unwrap(), value)) {
                        return Err(format!("{place}: {value} is not {wanted}"));
                    }
                }
                "const" if value != wanted => {
                    return Err(format!("{place}: {value}, not {wanted}"));
                }
                "const" => {}
                "enum" if !wanted.as_array().unwrap().contains(value) => {
                    return Err(format!("{place}: {value}, not of {wanted}"));
                }
                "enum" => {}
                "anyOf" => {
                    let each = wanted.as_array().unwrap().iter();
                    let tried = each.map(|one| self.faults(one, value, place));
                    let faults: Vec<String> = tried.filter_map(Result::err).collect();
                    if faults.len() == wanted.as_array().unwrap().len() {
                        return Err(faults.join("\n  or "));
                    }
                }
                "items" => {
                    for (i, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.faults(wanted, item, &format!("{place}[{i}]"))?;
                    }
                }
                "required" => {
                    let names = wanted.as_array().unwrap().iter();
                    for name in names.map(|name| name.as_str().unwrap()) {
                        if value.is_object() && value.get(name).is_none() {
                            return Err(format!("{place}: {name} is missing"));
                        }
                    }
                }
                "properties" => {
                    for (name, of_it) in wanted.as_object().unwrap() {
                        if let Some(value) = value.get(name) {
                            self.faults(of_it, value, &format!("{place}.{name}"))?;
                        }
                    }
                }
                "additionalProperties" => {
                    let none = Map::new();
                    let known = schema.get("properties").and_then(Value::as_object);
                    let known = known.unwrap_or(&none);
                    for (name, value) in value.as_object().unwrap_or(&none) {
                        match (known.contains_key(name), wanted) {
                            (true, _) => {}
                            (false, Value::Bool(false)) => {
                                return Err(format!("{place}: {name} is not in the schema"));
                            }
                            (false, of_it) => self.faults(of_it, value, place)?,
                        }
                    }
                }
                word => panic!("the test does not know {word:?}"),
            }
        }
        Ok(())
    }

    #[track_caller]
    pub fn holds(&self, name: &str, value: &Value) {
        let held = self.faults(self.definition(name), value, name);
        assert!(held.is_ok(), "{}", held.unwrap_err());
    }
}

fn is_a(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        name => panic!("the test does not know type {name:?}"),
    }
}
