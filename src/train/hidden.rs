//! The map of a joint embedding ([`super::joint`]): from pooled statistics to the directions of a
//! teacher's vectors, through a hidden layer.
//!
//! ```text
//! statistics (D,) ─► bottleneck (K,) ─► hidden units, ReLU (H,) ─► the teacher's directions (E,)
//! ```
//!
//! Training starts from a ridge regression. The bottleneck has the K directions in which the
//! answers of the regression vary most. Two hidden units pass each of them on, because y = relu(y)
//! − relu(−y). The map then answers as the regression does, and all weights are trained on the
//! cosine to the teacher's directions.

use super::{
    batch::Batch,
    checkpoint::State,
    descent::{Progress, descend_by},
    loss::Loss,
    options::{HiddenOptions, TrainOptions},
    random::Random,
    recipe::Embedded,
    ridge::{LinearMap, Regression, Scaling},
    teacher::Teacher,
};
use crate::{Result, network::Layer};
use nalgebra::{DMatrix, DVector, SymmetricEigen};
use rayon::prelude::*;

/// The map, in three parts.
pub struct HiddenMap {
    /// (D,) -> (K,)
    pub bottleneck: LinearMap,
    /// (K,) -> (H,), before the ReLU.
    pub units: LinearMap,
    /// (H,) -> (E,)
    pub answer: LinearMap,
}

impl HiddenMap {
    /// Applies the whole map: (D,) -> (E,).
    pub fn answer(&self, statistics: &[f32]) -> Vec<f32> {
        let mut units = self.units.answer(&self.bottleneck.answer(statistics));
        units.iter_mut().for_each(|unit| *unit = unit.max(0.0));
        self.answer.answer(&units)
    }
}

/// Largest number of answers from which the directions of the bottleneck are found.
const MAX_ANSWERS: usize = 20_000;

/// Trains the map, starting from `regression`. `statistics` are those of recordings, for each of
/// which the `teacher` has a direction. `None` if `on_progress` stopped the fit by answering
/// `false`.
///
/// # Errors
/// [`Error::Usage`](crate::Error::Usage) if the loss is not finite any more.
pub fn fit(
    statistics: &Embedded,
    regression: &Regression,
    teacher: &Teacher,
    options: &TrainOptions,
    on_progress: &mut dyn FnMut(Progress) -> bool,
) -> Result<Option<HiddenMap>> {
    let hidden = &options.joint.hidden;
    let rows = &statistics.embeddings;
    let scaling = &regression.scaling;
    let num_steps = (hidden.epochs * rows.len()).div_ceil(hidden.batch_size);
    let options = TrainOptions {
        num_steps,
        learning_rate: hidden.learning_rate,
        weight_decay: hidden.weight_decay,
        ..options.clone()
    };
    let mut state = begun(rows, regression, hidden, options.seed);
    while state.step < num_steps {
        let random = &mut Random::new(options.seed, "hidden layer", &[state.step as u64]);
        let drawn: Vec<usize> = (0..hidden.batch_size)
            .map(|_| random.index(rows.len()))
            .collect();
        let inputs: Vec<f32> = (drawn.par_iter())
            .enumerate()
            .flat_map_iter(|(place, n)| {
                let place = [state.step as u64, place as u64];
                let mut random = Random::new(options.seed, "dropout", &place);
                let scaled = scaling.scaled(&rows[*n]);
                scaled.map(move |x| match random.chance(hidden.dropout) {
                    true => 0.0,
                    false => x / (1.0 - hidden.dropout),
                })
            })
            .collect();
        let utterances: Vec<u32> = drawn
            .iter()
            .map(|n| statistics.utterance_of[*n] as u32)
            .collect();
        let inputs = Batch::of_rows(inputs, scaling.size());
        let (loss, _) = descend_by(&options, &mut state, inputs, |units, answer| {
            let mut loss = Loss::none(units.len(), 0);
            teacher.teach(1.0, units, answer, &utterances, &mut loss);
            loss
        })?;
        let go_on = on_progress(Progress::Step {
            step: state.step,
            num_steps,
            loss,
            accuracy: 1.0 - loss,
        });
        if !go_on {
            return Ok(None);
        }
    }
    Ok(Some(finished(&state, scaling)))
}

/// The state before the first step. It answers as `regression` does, apart from the directions that
/// the bottleneck leaves out. `rows` are the statistics.
fn begun(rows: &[Vec<f32>], regression: &Regression, options: &HiddenOptions, seed: u64) -> State {
    let Regression { map, scaling } = regression;
    let (e, d) = map.weight.shape();
    let (k, h) = (options.bottleneck.min(e), options.units);
    let sample = rows.par_iter().step_by(rows.len().div_ceil(MAX_ANSWERS));
    let answers: Vec<Vec<f32>> = sample.map(|row| map.answer(row)).collect();
    let answers = DMatrix::from_fn(e, answers.len(), |i, n| f64::from(answers[n][i]));
    let mean = answers.column_mean();
    let centred = DMatrix::from_fn(e, answers.ncols(), |i, n| answers[(i, n)] - mean[i]);
    let covariance = &centred * centred.transpose() / answers.ncols() as f64;
    let eigen = SymmetricEigen::new(covariance);
    let mut order: Vec<usize> = (0..e).collect();
    order.sort_by(|a, b| eigen.eigenvalues[*b].total_cmp(&eigen.eigenvalues[*a]));
    let deviation = |n: usize| eigen.eigenvalues[order[n]].max(1e-12).sqrt();
    let direction = |n: usize| eigen.eigenvectors.column(order[n]);

    let layers = vec![Layer::linear(d, k), Layer::linear(k, h), Layer::Relu];
    let mut state = State::fresh(layers, e, h, seed);
    let weights = &mut state.trainable.weights;
    let rows_of = |n: usize| {
        let row = direction(n).transpose() * &map.weight / deviation(n);
        let unscaled = row
            .iter()
            .enumerate()
            .map(|(i, w)| w * scaling.deviation(i));
        unscaled.map(|w| w as f32).collect::<Vec<f32>>()
    };
    weights.insert("0.weight".into(), (0..k).flat_map(rows_of).collect());
    weights.insert("0.bias".into(), vec![0.0; k]);
    weights.insert("1.bias".into(), vec![0.0; h]);
    let units = weights.get_mut("1.weight").expect("a Linear");
    for unit in 0..2 * k {
        let sign = if unit < k { 1.0 } else { -1.0 };
        let row = &mut units[unit * k..(unit + 1) * k];
        row.fill(0.0);
        row[unit % k] = sign;
    }
    for (i, row) in state.speakers.chunks_exact_mut(h).enumerate() {
        for (unit, value) in row.iter_mut().enumerate() {
            let passed = |n: usize| (direction(n)[i] * deviation(n)) as f32;
            *value = match unit {
                unit if unit < k => passed(unit),
                unit if unit < 2 * k => -passed(unit - k),
                _ => OTHER_UNITS * *value,
            };
        }
    }
    state
}

/// Factor on the initial output weights of the units that do not pass on a direction.
const OTHER_UNITS: f32 = 0.1;

/// The trained map, changed to take statistics that are not scaled.
fn finished(state: &State, scaling: &Scaling) -> HiddenMap {
    let weights = &state.trainable.weights;
    let matrix = |values: &[f32], rows: usize| {
        let values = values.iter().map(|v| f64::from(*v));
        DMatrix::from_row_iterator(rows, values.len() / rows, values)
    };
    let vector = |name: &str| {
        let values = weights[name].iter().map(|v| f64::from(*v));
        DVector::from_iterator(values.len(), values)
    };
    let (bottleneck, units) = (vector("0.bias"), vector("1.bias"));
    let answers = state.speakers.len() / units.len();
    HiddenMap {
        bottleneck: scaling.before(matrix(&weights["0.weight"], bottleneck.len()), bottleneck),
        answer: LinearMap {
            weight: matrix(&state.speakers, answers),
            bias: DVector::zeros(answers),
        },
        units: LinearMap {
            weight: matrix(&weights["1.weight"], units.len()),
            bias: units,
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::{
        manifest::{Manifest, Utterance},
        options::JointOptions,
        ridge,
    };
    use std::path::Path;

    const EXAMPLES: usize = 300;

    /// Statistics of recordings, and a teacher whose vector of a recording depends on the size of the first
    /// value, not on its sign.
    fn examples() -> (Embedded, Teacher) {
        let mut random = Random::new(3, "examples", &[]);
        let embeddings: Vec<Vec<f32>> = (0..EXAMPLES)
            .map(|_| (0..4).map(|i| 10.0 * i as f32 + random.normal()).collect())
            .collect();
        let utterance = |n: usize| Utterance {
            path: Path::new("speech").join(n.to_string()),
            speaker: n as u32,
            session: n as u32,
            corpus: 0,
        };
        let manifest = Manifest {
            utterances: (0..EXAMPLES).map(utterance).collect(),
            speakers: (0..EXAMPLES).map(|n| n.to_string()).collect(),
            corpora: vec![String::new()],
        };
        let vectors: Vec<[f32; 3]> = (embeddings.iter())
            .map(|x| [x[0].abs() - 0.8, x[1] - 10.0, x[2] - 20.0])
            .collect();
        let vector = |id: &str| Some(&vectors[id.parse::<usize>().ok()?][..]);
        let options = TrainOptions::default();
        let teacher = Teacher::new(&manifest, "speech".as_ref(), &options, vector).unwrap();
        let utterance_of = (0..EXAMPLES).collect();
        (
            Embedded {
                embeddings,
                utterance_of,
            },
            teacher,
        )
    }

    /// The map after some epochs, and the regression that it began as.
    fn fitted(epochs: usize) -> (Embedded, Teacher, Regression, HiddenMap) {
        let (statistics, teacher) = examples();
        let direction = |n: &usize| teacher.direction(*n).unwrap();
        let pairs: Vec<(&[f32], &[f32])> = (statistics.utterance_of.iter())
            .zip(&statistics.embeddings)
            .map(|(n, x)| (&x[..], direction(n)))
            .collect();
        let regression = ridge::fit(&pairs, 0.003).unwrap();
        let hidden = HiddenOptions {
            bottleneck: 3,
            units: 40,
            epochs,
            batch_size: 50,
            learning_rate: 0.02,
            weight_decay: 0.0,
            dropout: 0.0,
        };
        let options = TrainOptions {
            joint: JointOptions {
                hidden,
                ..JointOptions::default()
            },
            ..TrainOptions::default()
        };
        let map = fit(&statistics, &regression, &teacher, &options, &mut |_| true);
        (statistics, teacher, regression, map.unwrap().unwrap())
    }

    /// The mean cosine between answers and the teacher's directions.
    fn mean_cosine(
        statistics: &Embedded,
        teacher: &Teacher,
        answer: impl Fn(&[f32]) -> Vec<f32>,
    ) -> f32 {
        let cosine = |(n, x): (&usize, &Vec<f32>)| {
            let (got, wanted) = (answer(x), teacher.direction(*n).unwrap());
            let product: f32 = got.iter().zip(wanted).map(|(a, b)| a * b).sum();
            product / got.iter().map(|v| v * v).sum::<f32>().sqrt()
        };
        let all = statistics.utterance_of.iter().zip(&statistics.embeddings);
        all.map(cosine).sum::<f32>() / EXAMPLES as f32
    }

    #[test]
    fn training_finds_what_a_regression_cannot() {
        let (statistics, teacher, regression, map) = fitted(60);
        let linear = mean_cosine(&statistics, &teacher, |x| regression.map.answer(x));
        let hidden = mean_cosine(&statistics, &teacher, |x| map.answer(x));
        assert!(linear < 0.9 && hidden > 0.97, "{linear}, then {hidden}");
    }

    #[test]
    fn a_fit_that_is_stopped_gives_no_map() {
        let (statistics, teacher, regression, _) = fitted(0);
        let options = TrainOptions::default();
        let mut options = options.clone();
        options.joint.hidden.bottleneck = 2;
        let map = fit(&statistics, &regression, &teacher, &options, &mut |_| false);
        assert!(map.unwrap().is_none());
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused_by_name() {
        let refusal = |bottleneck, units| {
            let mut options = TrainOptions::default();
            options.joint.hidden = HiddenOptions {
                bottleneck,
                units,
                ..HiddenOptions::default()
            };
            options.check().unwrap_err().to_string()
        };
        assert!(refusal(0, 512).contains("joint.hidden.bottleneck: expected 1 or more"));
        assert!(refusal(128, 255).contains("joint.hidden.units: expected 256 or more"));
    }

    #[test]
    fn before_training_the_map_answers_as_the_regression() {
        let (statistics, _, regression, map) = fitted(0);
        // The answers of the map are centred, and the other units count little.
        let centre = |answers: Vec<Vec<f32>>| -> Vec<Vec<f32>> {
            let mean: Vec<f32> = (0..3)
                .map(|i| answers.iter().map(|a| a[i]).sum::<f32>() / EXAMPLES as f32)
                .collect();
            let centred = |a: Vec<f32>| a.iter().zip(&mean).map(|(a, m)| a - m).collect();
            answers.into_iter().map(centred).collect()
        };
        let of_each = |answer: &dyn Fn(&[f32]) -> Vec<f32>| {
            centre(statistics.embeddings.iter().map(|x| answer(x)).collect())
        };
        let wanted = of_each(&|x| regression.map.answer(x));
        let got = of_each(&|x| map.answer(x));
        for (got, wanted) in got.iter().flatten().zip(wanted.iter().flatten()) {
            assert!((got - wanted).abs() < 0.15, "{got}, not {wanted}");
        }
    }
}
