//! The training state on disk, so that a killed run continues bit for bit: weights, AdamW's moments
//! and the step, with the options and the list of recordings that they belong to. It is one
//! safetensors file, replaced as a whole.

use super::{optimizer::AdamW, options::TrainOptions, random::Random, tape::Trainable};
use crate::{
    Error, Result,
    network::{Layer, Weights},
    remedy::Remedy,
    storage::write_whole,
};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::{collections::BTreeMap, path::Path};

/// Everything that changes from step to step.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    /// Steps done.
    pub step: usize,
    /// The network.
    pub trainable: Trainable,
    /// The speakers' rows `(S, D)`, one weight vector for each class, followed by the map to the
    /// teacher's vectors `(E, D)`.
    pub speakers: Vec<f32>,
    /// AdamW's moments. Those of `speakers` have the name [`SPEAKERS`].
    pub optimizer: AdamW,
}

/// Name of [`State::speakers`] among the tensors.
pub const SPEAKERS: &str = "speakers";

const KEY: &str = "spkver-checkpoint";

#[derive(serde::Serialize, serde::Deserialize)]
struct Header {
    step: usize,
    options: TrainOptions,
    manifest: String,
    /// BLAKE3 of every tensor's name and bytes, in order of the names.
    blake3: String,
}

impl State {
    /// The state before the first step; `num_rows` counts the classes and the rows of the teacher's map.
    pub fn fresh(layers: Vec<Layer>, num_rows: usize, embedding_size: usize, seed: u64) -> Self {
        let mut random = Random::new(seed, "speakers", &[]);
        let scale = 1.0 / (embedding_size as f32).sqrt();
        State {
            step: 0,
            trainable: Trainable::new(layers, seed),
            speakers: (0..num_rows * embedding_size)
                .map(|_| scale * random.normal())
                .collect(),
            optimizer: AdamW::default(),
        }
    }

    /// BLAKE3 of the weights, with those of the speakers.
    pub fn hash(&self) -> String {
        let weights = self.trainable.weights.iter();
        let weights = weights.map(|(name, values)| (&name[..], &values[..]));
        let all = weights.chain([(SPEAKERS, &self.speakers[..])]);
        checksum(all.map(|(name, values)| (name, bytemuck::cast_slice(values))))
    }

    /// Writes the state, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn save(&self, path: &Path, options: &TrainOptions, manifest: &str) -> Result<()> {
        let mut tensors: BTreeMap<String, &[f32]> = BTreeMap::new();
        let groups = [
            ("w", &self.trainable.weights),
            ("m", &self.optimizer.m),
            ("v", &self.optimizer.v),
        ];
        for (group, weights) in groups {
            tensors.extend(
                weights
                    .iter()
                    .map(|(name, w)| (format!("{group}:{name}"), &w[..])),
            );
        }
        tensors.insert(SPEAKERS.into(), &self.speakers);
        let header = Header {
            step: self.step,
            options: options.clone(),
            manifest: manifest.into(),
            blake3: checksum(
                tensors
                    .iter()
                    .map(|(name, v)| (&name[..], bytemuck::cast_slice(v))),
            ),
        };
        let text = serde_json::to_string(&header).expect("plain data");
        let views = tensors.iter().map(|(name, values)| {
            let bytes = bytemuck::cast_slice(values);
            let view = TensorView::new(Dtype::F32, vec![values.len()], bytes);
            (name, view.expect("lengths agree"))
        });
        let metadata = [(KEY.to_string(), text)].into_iter().collect();
        let file = safetensors::serialize(views, Some(metadata)).expect("lengths agree");
        write_whole(path, &file)
    }

    /// Reads a state, if it was made with these options on this list.
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Model`] for a damaged file or one of another run.
    pub fn load(
        path: &Path,
        options: &TrainOptions,
        manifest: &str,
        layers: Vec<Layer>,
    ) -> Result<Self> {
        let refused = |fact: &str| refused(path, &GO_ON, fact);
        let (header, mut state) = read(path, &GO_ON)?;
        // The head is fitted after the last step, so its options may change.
        let begun_with = TrainOptions {
            head: options.head.clone(),
            ..header.options
        };
        if begun_with != *options {
            return Err(refused("belongs to a run with other options"));
        }
        if header.manifest != manifest {
            let fact = "belongs to a run on another list of recordings, or with other files";
            return Err(refused(fact).with_remedy(Remedy::SameFiles));
        }
        state.trainable.layers = layers;
        Ok(state)
    }

    /// Reads the state of another run, to start from its weights: [`State::take_weights`].
    ///
    /// # Errors
    /// [`Error::Io`]; [`Error::Model`] for a damaged file.
    pub fn of_other_run(path: &Path) -> Result<Self> {
        read(path, &OF_OTHER_RUN).map(|(_, state)| state)
    }

    /// Takes the weights of `other` where a tensor has the same name and as many values, and the speakers' rows
    /// where there are as many. Returns the number of tensors of the network that were taken. The step
    /// and the moments stay.
    pub fn take_weights(&mut self, other: &State) -> usize {
        if other.speakers.len() == self.speakers.len() {
            self.speakers.clone_from(&other.speakers);
        }
        let mut taken = 0;
        for (name, values) in &mut self.trainable.weights {
            if let Some(others) = other.trainable.weights.get(name)
                && others.len() == values.len()
            {
                values.clone_from(others);
                taken += 1;
            }
        }
        taken
    }
}

/// What to do with a checkpoint that the run cannot go on from.
const GO_ON: Remedy = Remedy::Option(&[
    "repeat the command that began it, or delete it, or give another ",
    "checkpoint",
    "",
]);

/// What to do if a run starts from a file that is neither a checkpoint nor a model.
const OF_OTHER_RUN: Remedy = Remedy::Option(&[
    "give a model, or a file that ",
    "checkpoint",
    " named in that run",
]);

fn refused(path: &Path, remedy: &Remedy, fact: impl Into<String>) -> Error {
    Error::model(path, fact, remedy.clone())
}

/// Reads a checkpoint. The layers are not in the file.
fn read(path: &Path, remedy: &Remedy) -> Result<(Header, State)> {
    let refused = |fact: String| refused(path, remedy, fact);
    let bytes = std::fs::read(path).map_err(|e| Error::io(path, "read", e))?;
    let damaged = |e: safetensors::SafeTensorError| refused(format!("damaged checkpoint: {e}"));
    let tensors = SafeTensors::deserialize(&bytes).map_err(damaged)?;
    let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(damaged)?;
    let header: Header = metadata
        .metadata()
        .as_ref()
        .and_then(|m| m.get(KEY))
        .and_then(|text| serde_json::from_str(text).ok())
        .ok_or_else(|| refused("is not a checkpoint of this version".into()))?;
    let mut views = tensors.tensors();
    views.sort_by(|a, b| a.0.cmp(&b.0));
    if checksum(views.iter().map(|(name, view)| (&name[..], view.data()))) != header.blake3 {
        return Err(refused("is damaged: its checksum does not fit".into()));
    }
    let mut groups: [Weights; 3] = Default::default();
    let mut speakers = vec![];
    for (name, view) in views {
        let (values, _) = view.data().as_chunks();
        let values: Vec<f32> = values.iter().map(|b| f32::from_le_bytes(*b)).collect();
        match name.split_once(':') {
            Some(("w", name)) => groups[0].insert(name.into(), values),
            Some(("m", name)) => groups[1].insert(name.into(), values),
            Some(("v", name)) => groups[2].insert(name.into(), values),
            _ => {
                speakers = values;
                None
            }
        };
    }
    let [weights, m, v] = groups;
    let state = State {
        step: header.step,
        trainable: Trainable {
            layers: vec![],
            weights,
        },
        speakers,
        optimizer: AdamW { m, v },
    };
    Ok((header, state))
}

fn checksum<'a>(tensors: impl Iterator<Item = (&'a str, &'a [u8])>) -> String {
    let mut hasher = blake3::Hasher::new();
    for (name, bytes) in tensors {
        hasher.update(name.as_bytes()).update(&[0]).update(bytes);
    }
    hasher.finalize().to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_that_differ_only_in_the_speakers_have_another_hash() {
        let first = State::fresh(vec![], 3, 4, 1);
        let mut second = first.clone();
        assert_eq!(second.hash(), first.hash());
        second.speakers[5] += 1.0;
        assert_ne!(second.hash(), first.hash());
    }
}
