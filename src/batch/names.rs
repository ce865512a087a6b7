//! Numbers the names of recordings. Lists have up to 20 million lines, so each name is stored once
//! and a lookup takes some nanoseconds.

use hashbrown::HashTable;
use rustc_hash::FxBuildHasher;
use std::hash::BuildHasher;

/// Distinct names, numbered in the order of their first use.
#[derive(Debug, Default)]
pub struct Names {
    /// All names, concatenated.
    text: String,
    places: Vec<Place>,
    table: HashTable<(Place, u32)>,
}

/// Position of a name in the text.
#[derive(Debug, Clone, Copy)]
struct Place {
    start: usize,
    bytes: u32,
}

impl Names {
    /// The number of a name, which is added if it is new.
    pub fn number(&mut self, name: &str) -> u32 {
        let text = &self.text;
        let is_it = |entry: &(Place, u32)| entry.0.of(text) == name;
        if let Some(&(_, number)) = self.table.find(hash(name), is_it) {
            return number;
        }
        let number = self.places.len() as u32;
        let place = Place {
            start: self.text.len(),
            bytes: name.len() as u32,
        };
        self.text.push_str(name);
        self.places.push(place);
        let text = &self.text;
        self.table
            .insert_unique(hash(name), (place, number), |(place, _)| {
                hash(place.of(text))
            });
        number
    }

    /// The name with this number.
    pub fn name(&self, number: u32) -> &str {
        self.places[number as usize].of(&self.text)
    }

    /// Number of names.
    pub fn count(&self) -> usize {
        self.places.len()
    }
}

impl Place {
    fn of(self, text: &str) -> &str {
        &text[self.start..self.start + self.bytes as usize]
    }
}

fn hash(name: &str) -> u64 {
    FxBuildHasher.hash_one(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_number() {
        let mut names = Names::default();
        let spell = |i: u32| format!("läne {}", "x".repeat(i as usize % 40) + &i.to_string());
        for round in 0..2 {
            for i in 0..5000 {
                assert_eq!(names.number(&spell(i)), i, "round {round}");
            }
        }
        assert_eq!(names.number(""), 5000);
        assert_eq!(names.count(), 5001);
        for i in 0..5000 {
            assert_eq!(names.name(i), spell(i));
        }
    }
}
