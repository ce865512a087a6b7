//! Lets a network learn from a teacher: another system, which has given a vector for each training
//! recording. A loss pulls the embeddings towards these vectors.
//!
//! The embedding of a crop is multiplied by a matrix, which is trained too but does not become part
//! of the model. The result should point in the direction of the teacher's vector of the whole
//! recording, however short the crop is. The loss is the mean of 1 − cosine (Hinton et al. 2015,
//! "Distilling the Knowledge in a Neural Network", with directions instead of soft targets). The
//! teacher was trained on more speakers than the corpus has, so its vectors show how similar two
//! speakers sound. The speakers' names do not show that.

use super::{
    loss::{Loss, products, through_products, through_unit_rows, unit_rows},
    manifest::Manifest,
    options::TrainOptions,
};
use crate::{Error, Result};
use std::path::Path;

/// The teacher's vectors, as directions: one for each utterance in each voice (speed and warp, see
/// [`super::crops`]).
#[derive(Debug, Clone)]
pub struct Teacher {
    /// E, the size of a vector.
    size: usize,
    /// `(voices · utterances, E)`, each of length 1; zeros where the teacher has no vector.
    directions: Vec<f32>,
}

impl Teacher {
    /// Looks up the vector of each recording by its id: its path relative to `root`. For the voices
    /// of `options` other than the recording as it is, `@SPEED@WARP` (per cent) follows the path.
    /// The mean over the recordings as they are is subtracted from all vectors. From recordings
    /// without a vector, the network learns the speakers' names only.
    ///
    /// # Errors
    /// [`Error::Usage`] where none of the recordings has a vector.
    pub fn new<'v>(
        manifest: &Manifest,
        root: &Path,
        options: &TrainOptions,
        vector: impl Fn(&str) -> Option<&'v [f32]>,
    ) -> Result<Self> {
        let ids: Vec<String> = ids(manifest, root);
        let as_recorded: Vec<&[f32]> = ids.iter().filter_map(|id| vector(id)).collect();
        if as_recorded.is_empty() {
            return Err(Error::Usage(
                "the teacher has no vector of any recording; name each by its path in the manifest, \
                 and at other speeds and warps by PATH@SPEED@WARP"
                    .into(),
            ));
        }
        let size = as_recorded[0].len();
        let mut mean = vec![0.0f64; size];
        for vector in &as_recorded {
            let share = 1.0 / as_recorded.len() as f64;
            let values = mean.iter_mut().zip(*vector);
            values.for_each(|(sum, v)| *sum += share * f64::from(*v));
        }
        let mut directions = vec![];
        for voice in voices(options) {
            for id in &ids {
                let zeros = vec![0.0; size];
                let found = vector(&format!("{id}{voice}"));
                directions.extend(found.map_or(zeros, |vector| direction(vector, &mean)));
            }
        }
        Ok(Teacher { size, directions })
    }

    /// E, the size of a vector.
    pub fn size(&self) -> usize {
        self.size
    }

    /// The direction of an utterance, numbered as in [`super::crops::Crop`]; none where the teacher has no
    /// vector of it. (E,)
    pub fn direction(&self, utterance: usize) -> Option<&[f32]> {
        let direction = &self.directions[utterance * self.size..][..self.size];
        direction.iter().any(|v| *v != 0.0).then_some(direction)
    }

    /// BLAKE3 of the directions.
    pub fn hash(&self) -> String {
        let bytes: &[u8] = bytemuck::cast_slice(&self.directions);
        blake3::hash(bytes).to_hex().to_string()
    }

    /// Adds `weight` times the teacher's loss and its gradients to `loss`. `embeddings` (U, D) are
    /// mapped by `map` (E, D), whose gradient is appended to those of the speakers. `utterances`
    /// (U,) are numbered as in [`super::crops::Crop`].
    pub fn teach(
        &self,
        weight: f32,
        embeddings: &[f32],
        map: &[f32],
        utterances: &[u32],
        loss: &mut Loss,
    ) {
        let d = embeddings.len() / utterances.len();
        let share = weight / utterances.len() as f32;
        let answers = products(embeddings, map, d); // (U, D) -> (U, E)
        let (unit, norms) = unit_rows(&answers, self.size);
        let mut d_answers = vec![0.0f32; unit.len()];
        let rows = unit.chunks_exact(self.size).zip(utterances);
        for ((answer, utterance), d_answer) in rows.zip(d_answers.chunks_exact_mut(self.size)) {
            let Some(wanted) = self.direction(*utterance as usize) else {
                continue;
            };
            let cosine: f32 = answer.iter().zip(wanted).map(|(a, b)| a * b).sum();
            loss.loss += share * (1.0 - cosine);
            let gradients = d_answer.iter_mut().zip(wanted);
            gradients.for_each(|(g, wanted)| *g = -share * wanted);
        }
        through_unit_rows(&unit, &norms, &mut d_answers);
        let (d_embeddings, d_map) = through_products(&d_answers, embeddings, map, d);
        let sums = loss.d_embeddings.iter_mut().zip(d_embeddings);
        sums.for_each(|(sum, g)| *sum += g);
        loss.d_speakers.extend(d_map);
    }
}

/// The teacher's id of each recording, in the order of the manifest.
fn ids(manifest: &Manifest, root: &Path) -> Vec<String> {
    let below = |path: &Path| {
        let below = path.strip_prefix(root).unwrap_or(path);
        below.to_string_lossy().into_owned()
    };
    let utterances = manifest.utterances.iter();
    utterances.map(|u| below(&u.path)).collect()
}

/// The suffix of a recording's id for each voice: `@SPEED@WARP`, or nothing for the recording as it
/// is. All speeds of the first warp come first, then those of the next; classes are numbered in
/// this order.
fn voices(options: &TrainOptions) -> impl Iterator<Item = String> {
    let of_warp = |warp: &u32| {
        let warp = *warp;
        let speeds = options.speeds_percent.iter();
        speeds.map(move |speed| match (*speed, warp) {
            (100, 100) => String::new(),
            (speed, warp) => format!("@{speed}@{warp}"),
        })
    };
    options.warps_percent.iter().flat_map(of_warp)
}

fn direction(vector: &[f32], mean: &[f64]) -> Vec<f32> {
    let centred: Vec<f64> = vector
        .iter()
        .zip(mean)
        .map(|(v, m)| f64::from(*v) - m)
        .collect();
    let length = centred.iter().map(|v| v * v).sum::<f64>().sqrt();
    // A vector equal to the mean has no direction.
    let scale = if length > 0.0 { 1.0 / length } else { 0.0 };
    centred.iter().map(|v| (v * scale) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::{super::manifest::Utterance, *};
    use std::collections::HashMap;

    /// Two recordings, at two speeds; the teacher does not know one of the four.
    fn teacher() -> Teacher {
        let utterance = |name: &str, speaker| Utterance {
            path: Path::new("speech").join(name),
            speaker,
            session: speaker,
            corpus: 0,
        };
        let manifest = Manifest {
            utterances: vec![utterance("a/1.wav", 0), utterance("b/1.wav", 1)],
            speakers: vec!["a".into(), "b".into()],
            corpora: vec![String::new()],
        };
        let options = TrainOptions {
            speeds_percent: vec![100, 90],
            warps_percent: vec![100],
            ..TrainOptions::default()
        };
        let vectors: HashMap<&str, [f32; 3]> = HashMap::from([
            ("a/1.wav", [2.0, 0.0, 1.0]),
            ("b/1.wav", [0.0, 2.0, 1.0]),
            ("b/1.wav@90@100", [1.0, 1.0, 5.0]),
        ]);
        let vector = |id: &str| vectors.get(id).map(|v| &v[..]);
        Teacher::new(&manifest, "speech".as_ref(), &options, vector).unwrap()
    }

    #[test]
    fn directions_are_from_the_mean_of_the_recordings_and_found_by_voice_and_utterance() {
        let half = 0.5f32.sqrt();
        let wanted = [
            [half, -half, 0.0],
            [-half, half, 0.0],
            [0.0, 0.0, 0.0],
            [0.0, 0.0, 1.0],
        ];
        for (a, b) in teacher().directions.iter().zip(wanted.as_flattened()) {
            assert!((a - b).abs() < 1e-6, "{a} {b}");
        }
    }

    #[test]
    fn the_gradients_are_those_of_the_loss_and_an_unknown_voice_has_none() {
        let teacher = teacher();
        let utterances = [0, 2, 3, 1];
        let embeddings: Vec<f32> = (0..8).map(|n| (n as f32 * 1.3).sin()).collect(); // (4, 2)
        let map: Vec<f32> = (0..6).map(|n| (n as f32 * 0.9).cos()).collect(); // (3, 2)
        let loss = |embeddings: &[f32], map: &[f32]| {
            let mut loss = Loss::none(embeddings.len(), 0);
            teacher.teach(7.0, embeddings, map, &utterances, &mut loss);
            loss
        };
        let at = loss(&embeddings, &map);
        assert_eq!((at.d_embeddings.len(), at.d_speakers.len()), (8, 6));
        assert_eq!(at.d_embeddings[2..4], [0.0, 0.0]);
        for i in 0..14 {
            let moved = |by: f32| {
                let (mut embeddings, mut map) = (embeddings.clone(), map.clone());
                match i < 8 {
                    true => embeddings[i] += by,
                    false => map[i - 8] += by,
                }
                loss(&embeddings, &map).loss
            };
            let gradient = match i < 8 {
                true => at.d_embeddings[i],
                false => at.d_speakers[i - 8],
            };
            // Step 0.01 on losses near 10 in f32: rounding about 1e-4, truncation about 1e-3.
            let numeric = (moved(0.01) - moved(-0.01)) / 0.02;
            assert!(
                (numeric - gradient).abs() < 0.01,
                "{i}: {numeric} {gradient}"
            );
        }
    }
}
