//! The training options: the defaults, changed by the options file, then by the flags.

use super::Args;
use serde_json::Value;
use spkver::{Error, Result, train::options::TrainOptions};

impl Args {
    /// The options, checked.
    ///
    /// # Errors
    /// [`Error::Usage`] for an option that is unknown or makes no sense; [`Error::Io`].
    pub(super) fn options(&self) -> Result<TrainOptions> {
        let mut options = TrainOptions::default();
        if let Some(path) = &self.options {
            let text = std::fs::read_to_string(path).map_err(|e| Error::io(path, "read", e))?;
            let bad = |fact: String| {
                Error::Usage(format!("{}: {fact}; see `--print-options`", path.display()))
            };
            let given: Value = serde_json::from_str(&text).map_err(|e| bad(e.to_string()))?;
            let mut all = serde_json::to_value(&options).expect("plain data");
            overlay(&mut all, given).map_err(|key| bad(format!("unknown option {key:?}")))?;
            options = serde_json::from_value(all).map_err(|e| bad(e.to_string()))?;
        }
        fn set<T: Clone>(to: &mut T, from: &Option<T>) {
            if let Some(value) = from {
                *to = value.clone();
            }
        }
        set(&mut options.seed, &self.seed);
        set(&mut options.num_steps, &self.steps);
        set(&mut options.batch_size, &self.batch_size);
        set(&mut options.learning_rate, &self.learning_rate);
        set(&mut options.architecture.channels, &self.channels);
        set(
            &mut options.architecture.embedding_size,
            &self.embedding_size,
        );
        set(&mut options.architecture.activation, &self.activation);
        set(&mut options.architecture.pool, &self.pool);
        set(&mut options.head.loss, &self.head);
        if self.head_outputs.is_some() {
            options.head.outputs = self.head_outputs;
        }
        options.check()?;
        Ok(options)
    }
}

/// Replaces the values in `all` by those in `given`, key by key. The error is a key that is not in
/// `all`.
fn overlay(all: &mut Value, given: Value) -> std::result::Result<(), String> {
    match (all, given) {
        (Value::Object(all), Value::Object(given)) => {
            for (key, value) in given {
                overlay(all.get_mut(&key).ok_or(key)?, value)?;
            }
        }
        (all, given) => *all = given,
    }
    Ok(())
}
