//! Formats the texts of a model's card on lines that fit a terminal.

use crate::cli::output::printable;
use serde_json::Value;
use textwrap::{Options, WordSplitter};

/// Widest line, in characters.
const WIDTH: usize = 80;

/// A text after its title. What does not fit goes on further lines, which are indented.
pub fn titled(title: &str, text: &str) -> Vec<String> {
    wrapped(&format!("{title}: {}", printable(text)), "", "  ")
}

/// A recipe, which `train` writes as JSON: one or more lines for each of its options.
pub fn recipe(text: &str) -> Vec<String> {
    let Ok(Value::Object(options)) = serde_json::from_str(text) else {
        return titled("recipe", text);
    };
    let mut lines = vec!["recipe:".to_string()];
    for (name, value) in &options {
        let text = format!("{name}: {}", shown(value));
        lines.extend(wrapped(&printable(&text), "  ", "    "));
    }
    lines
}

/// Options as `name value, name value`; deeper options stand in brackets.
fn shown(value: &Value) -> String {
    let Value::Object(options) = value else {
        return value.to_string();
    };
    let each = options.iter().map(|(name, value)| match value {
        Value::Object(_) => format!("{name} ({})", shown(value)),
        value => format!("{name} {value}"),
    });
    each.collect::<Vec<_>>().join(", ")
}

fn wrapped(text: &str, first: &str, others: &str) -> Vec<String> {
    // A hyphen may be part of a file name.
    let options = Options::new(WIDTH)
        .word_splitter(WordSplitter::NoHyphenation)
        .initial_indent(first)
        .subsequent_indent(others);
    let lines = textwrap::wrap(text, options);
    lines.into_iter().map(String::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_recipe_is_shown_on_lines_that_fit_a_terminal() {
        let widths: Vec<u32> = (0..60).collect();
        let text = serde_json::json!({
            "augment": {"noise": 0.45, "hum": 0.08}, "num_steps": 750, "widths": widths
        });
        let lines = recipe(&text.to_string());
        assert!(lines.contains(&"  num_steps: 750".to_string()), "{lines:?}");
        let augment = "  augment: hum 0.08, noise 0.45";
        assert!(lines.contains(&augment.to_string()), "{lines:?}");
        assert!(lines.iter().all(|line| line.len() <= WIDTH), "{lines:?}");
        assert_eq!(recipe("by hand"), ["recipe: by hand"]);
    }
}
