//! Heads fitted on synthetic Gaussian speakers, for which the true parameters are known.

use crate::{Gaussian, cllr};
use nalgebra::{DMatrix, DVector};
use spkver::scoring::PairHead;
use spkver::train::head;
use spkver::train::options::RefineOptions;
use spkver::train::plda::{self, DiagonalPlda, PldaOptions};
use spkver::train::{Labelled, lda};
use spkver::train::{
    calibration::Calibration,
    quality_trial::{QualityList, QualityTrial},
};

/// Gaussian speakers and recordings, mixed by full matrices.
struct World {
    speaker_map: DMatrix<f64>,
    recording_map: DMatrix<f64>,
    offset: DVector<f64>,
}

const SIZE: usize = 24;

impl World {
    /// 12 of 24 directions carry identity; four strong nuisance directions mislead the cosine.
    fn with_nuisance() -> Self {
        let mut gaussian = Gaussian::new(1);
        let speaker_map = gaussian.matrix(SIZE, 12) * 0.6;
        let mut recording_map = gaussian.matrix(SIZE, SIZE) * 0.25;
        for k in 0..4 {
            let nuisance = gaussian.vector(SIZE);
            recording_map.column_mut(k).axpy(1.5, &nuisance, 1.0);
        }
        World {
            speaker_map,
            recording_map,
            offset: gaussian.vector(SIZE) * 2.0,
        }
    }

    /// 80 directions that carry identity alike, b = 0.3 where w = 1: the lengths of whitened
    /// points hardly differ, so that length normalisation keeps them Gaussian.
    fn even() -> Self {
        let mut gaussian = Gaussian::new(1);
        let mixing = gaussian.matrix(80, 80);
        World {
            speaker_map: &mixing * f64::sqrt(0.3),
            recording_map: mixing,
            offset: gaussian.vector(80),
        }
    }

    /// Between 2 and 9 recordings of each speaker.
    fn sample(&self, num_speakers: u32, seed: u64) -> Labelled {
        let mut gaussian = Gaussian::new(seed);
        let (mut embeddings, mut speakers) = (vec![], vec![]);
        for speaker in 0..num_speakers {
            let identity = gaussian.vector(self.speaker_map.ncols());
            let identity = &self.speaker_map * identity + &self.offset;
            for _ in 0..2 + speaker % 8 {
                let noise = gaussian.vector(self.recording_map.ncols());
                let x = &identity + &self.recording_map * noise;
                embeddings.push(x.iter().map(|&v| v as f32).collect());
                speakers.push(speaker);
            }
        }
        Labelled::new(embeddings, &speakers).unwrap()
    }
}

/// By the definition, over a grid of thresholds: where miss and false alarm rates meet.
fn eer(targets: &[f64], nontargets: &[f64]) -> f64 {
    let mut thresholds: Vec<f64> = targets.iter().chain(nontargets).copied().collect();
    thresholds.sort_by(f64::total_cmp);
    let share_below = |scores: &[f64], t: f64| {
        scores.iter().filter(|&&s| s < t).count() as f64 / scores.len() as f64
    };
    thresholds
        .iter()
        .step_by(1 + thresholds.len() / 500)
        .map(|&t| {
            let miss = share_below(targets, t);
            let false_alarm = 1.0 - share_below(nontargets, t);
            ((miss - false_alarm).abs(), 0.5 * (miss + false_alarm))
        })
        .min_by(|a, b| a.0.total_cmp(&b.0))
        .unwrap()
        .1
}

fn trials(seed: u64) -> RefineOptions {
    RefineOptions {
        num_nontargets: 6000,
        seed,
        ..RefineOptions::default()
    }
}

fn plda_options() -> PldaOptions {
    PldaOptions {
        size: 12,
        shrinkage: 0.01,
        num_iterations: 50,
        groups: 1,
    }
}

#[test]
fn pair_weights_are_the_full_gaussian_log_likelihood_ratio() {
    let mut gaussian = Gaussian::new(3);
    let size = 5;
    let model = DiagonalPlda {
        between: (0..size).map(|_| 0.05 + 2.0 * gaussian.uniform()).collect(),
        within: (0..size).map(|_| 0.1 + gaussian.uniform()).collect(),
    };
    let between = DMatrix::from_diagonal(&DVector::from_vec(model.between.clone()));
    let total = &between + DMatrix::from_diagonal(&DVector::from_vec(model.within.clone()));
    let mut joint = DMatrix::zeros(2 * size, 2 * size);
    joint.view_mut((0, 0), (size, size)).copy_from(&total);
    joint.view_mut((size, size), (size, size)).copy_from(&total);
    joint.view_mut((0, size), (size, size)).copy_from(&between);
    joint.view_mut((size, 0), (size, size)).copy_from(&between);
    let log_density = |x: &DVector<f64>, covariance: &DMatrix<f64>| {
        let inverse = covariance.clone().try_inverse().unwrap();
        -0.5 * (covariance.determinant().ln() + (x.transpose() * inverse * x)[0])
    };

    let weights = model.pair_weights();
    for _ in 0..50 {
        let (a, b) = (gaussian.vector(size), gaussian.vector(size));
        let both = DVector::from_iterator(2 * size, a.iter().chain(b.iter()).copied());
        let generic =
            log_density(&both, &joint) - log_density(&a, &total) - log_density(&b, &total);
        let mut llr = weights.bias;
        for k in 0..size {
            llr +=
                weights.product[k] * a[k] * b[k] + weights.squares[k] * (a[k] * a[k] + b[k] * b[k]);
        }
        assert!((llr - generic).abs() < 1e-8, "{llr} against {generic}");
    }
}

#[test]
fn em_recovers_the_variances_of_unbalanced_speakers() {
    let mut gaussian = Gaussian::new(4);
    let (between, within) = ([2.0, 0.5, 0.02], [0.3, 1.0, 1.0]);
    let (mut points, mut by_speaker) = (vec![], vec![]);
    for speaker in 0..4000 {
        let identity = between.map(|b: f64| b.sqrt() * gaussian.draw());
        let mut members = vec![];
        for _ in 0..1 + speaker % 6 {
            members.push(points.len());
            let recording = |k: usize| identity[k] + f64::sqrt(within[k]) * gaussian.draw();
            points.push((0..3).map(recording).collect::<Vec<f64>>());
        }
        by_speaker.push(members);
    }
    let model = DiagonalPlda::fit(&points, &by_speaker, 50);
    for k in 0..3 {
        // Standard error of a variance from 4000 speakers is sqrt(2/4000)·(b + w/n), about 2 %.
        assert!((model.between[k] - between[k]).abs() < 0.08 * (between[k] + 0.3 * within[k]));
        assert!((model.within[k] - within[k]).abs() < 0.05 * within[k]);
    }
}

#[test]
fn lda_whitens_within_and_diagonalises_between() {
    let labelled = World::with_nuisance().sample(600, 2);
    let lda = lda::fit(&labelled, 12, 0.0).unwrap();
    let whiten = DMatrix::from_row_slice(12, SIZE, &lda.whiten);
    let mut means = DMatrix::zeros(12, labelled.by_speaker().len());
    let mut within = DMatrix::zeros(12, 12);
    for (s, members) in labelled.by_speaker().iter().enumerate() {
        let points: Vec<DVector<f64>> = members
            .iter()
            .map(|&i| {
                let x = labelled.embeddings()[i].iter().zip(&lda.mean);
                &whiten * DVector::from_iterator(SIZE, x.map(|(&x, m)| f64::from(x) - m))
            })
            .collect();
        let mean = points.iter().sum::<DVector<f64>>() / points.len() as f64;
        for point in &points {
            let deviation = point - &mean;
            within += &deviation * deviation.transpose();
        }
        means.set_column(s, &mean);
    }
    within /= (labelled.len() - labelled.by_speaker().len()) as f64;
    let between = &means * means.transpose() / (means.ncols() - 1) as f64;
    // f64 throughout: rounding only.
    assert!((within - DMatrix::identity(12, 12)).amax() < 1e-9);
    let expected = DMatrix::from_diagonal(&DVector::from_vec(lda.between.clone()));
    assert!((between - expected).amax() < 1e-9 * lda.between[0]);
    assert!(lda.between.is_sorted_by(|a, b| a >= b));
}

#[test]
fn plda_llrs_are_calibrated_on_new_speakers() {
    let world = World::even();
    let (train, test) = (world.sample(1500, 2), world.sample(300, 3));
    let options = PldaOptions {
        size: 80,
        ..plda_options()
    };
    let head = plda::fit_head(&train, &options).unwrap();
    let (targets, nontargets) = head::score_pairs(&head, &test, &trials(9)).unwrap();
    let own = cllr(&targets, &nontargets);
    let found = Calibration::fit(&targets, &nontargets, 0.5).unwrap();
    let map = |llrs: &[f64]| -> Vec<f64> {
        let llrs = llrs.iter();
        llrs.map(|s| found.scale * s + found.offset).collect()
    };
    let best = cllr(&map(&targets), &map(&nontargets));
    assert!(own < 1.1 * best, "Cllr {own}, calibrated {best}, {found:?}");
}

#[test]
fn plda_beats_the_cosine_where_recordings_differ_in_some_directions() {
    let world = World::with_nuisance();
    let (train, test) = (world.sample(800, 2), world.sample(300, 3));
    let of = |head: &PairHead| {
        let (targets, nontargets) = head::score_pairs(head, &test, &trials(9)).unwrap();
        eer(&targets, &nontargets)
    };
    let plda = of(&plda::fit_head(&train, &plda_options()).unwrap());
    let cosine = of(&head::plain_cosine(&train));
    assert!(plda < 0.5 * cosine, "{plda} and {cosine}");
}

#[test]
fn refinement_repairs_a_spoilt_head_on_new_speakers() {
    let world = World::with_nuisance();
    let (train, test) = (world.sample(400, 2), world.sample(300, 3));
    let mut spoilt = plda::fit_head(&train, &plda_options()).unwrap();
    spoilt.weight.iter_mut().for_each(|w| *w *= 2.0);
    spoilt.bias -= 3.0;
    let options = RefineOptions {
        num_nontargets: 10_000,
        num_steps: 150,
        weight_penalty: 1e-3,
        whiten_penalty: Some(1e-3),
        ..RefineOptions::default()
    };
    let (refined, report) = head::refine(&spoilt, &train, &options).unwrap();
    assert!(report.loss_after < report.loss_before, "{report:?}");
    let cost = |head: &PairHead| {
        let (targets, nontargets) = head::score_pairs(head, &test, &trials(9)).unwrap();
        cllr(&targets, &nontargets)
    };
    let (before, after) = (cost(&spoilt), cost(&refined));
    assert!(after < 0.9 * before, "Cllr {before} -> {after}");
    // The same bits again.
    let again = head::refine(&spoilt, &train, &options).unwrap().0;
    assert_eq!(refined, again);
}

#[test]
fn refinement_at_another_prior_leaves_the_llr_comparable() {
    let train = World::with_nuisance().sample(300, 2);
    let head = plda::fit_head(&train, &plda_options()).unwrap();
    let options = RefineOptions {
        prior: 0.1,
        num_steps: 0,
        num_nontargets: 1000,
        ..RefineOptions::default()
    };
    let (same, _) = head::refine(&head, &train, &options).unwrap();
    assert_eq!(same.prior, 0.1);
    let [a, b] = [0, 1].map(|i| head.project(&train.embeddings()[i]));
    // f32 rounding of W's copy in another order of sums.
    assert!((head.llr(&a, &b) - same.llr(&a, &b)).abs() < 1e-4);
}

#[test]
fn calibration_finds_scale_and_offset_and_folds_into_the_head() {
    // Targets N(2, 4), nontargets N(−2, 4): the score is its own LLR; feed 5·LLR + 7.
    let mut gaussian = Gaussian::new(8);
    let mut draw = |mean: f64| -> Vec<f64> {
        (0..20_000)
            .map(|_| 5.0 * (mean + 2.0 * gaussian.draw()) + 7.0)
            .collect()
    };
    let (targets, nontargets) = (draw(2.0), draw(-2.0));
    for prior in [0.5, 0.05] {
        let found = Calibration::fit(&targets, &nontargets, prior).unwrap();
        assert!((found.scale - 0.2).abs() < 0.01, "{found:?}");
        assert!((found.offset + 1.4).abs() < 0.1, "{found:?}");
    }
    let train = World::with_nuisance().sample(100, 2);
    let head = plda::fit_head(&train, &plda_options()).unwrap();
    let folded = HALVED.apply(&head);
    let [a, b] = [0, 1].map(|i| head.project(&train.embeddings()[i]));
    let expected = 0.5 * head.llr(&a, &b) - 1.0;
    assert!((folded.llr(&a, &b) - expected).abs() < 1e-4);
}

#[test]
fn calibration_finds_what_length_and_distance_add() {
    // The score is the LLR spoilt by both, the lists being of different lengths.
    let mut gaussian = Gaussian::new(9);
    let mut list = |mean_ln_seconds: f64| {
        let mut draw = |mean: f64| -> Vec<QualityTrial> {
            let one = |_| {
                let ln_seconds = mean_ln_seconds + gaussian.draw();
                let ln_length = 5.0 + 0.3 * gaussian.draw();
                let llr = mean + 2.0 * gaussian.draw();
                let score = 2.0 * llr + 0.6 * ln_seconds - 4.0 * ln_length;
                QualityTrial {
                    score,
                    seconds: ln_seconds,
                    length: ln_length,
                    ..QualityTrial::default()
                }
            };
            (0..5000).map(one).collect()
        };
        let (targets, nontargets) = (draw(2.0), draw(-2.0));
        QualityList {
            targets,
            nontargets,
            weight: 1.0,
        }
    };
    let lists = [list(0.0), list(3.0)];
    let found = Calibration::with_quality(&lists.each_ref(), 0.1, false).unwrap();
    let quality = found.quality.unwrap();
    assert!((found.scale - 0.5).abs() < 0.03, "{found:?}");
    assert!((quality.seconds + 0.3).abs() < 0.05, "{found:?}");
    assert!((quality.length - 2.0).abs() < 0.2, "{found:?}");
    assert!(found.offset.abs() < 1.0, "{found:?}");
    // A list that weighs nothing says nothing.
    let mut lists = [list(0.0), list(3.0)];
    lists[1].weight = 0.0;
    lists[1]
        .targets
        .iter_mut()
        .for_each(|trial| trial.score = -trial.score);
    let found = Calibration::with_quality(&lists.each_ref(), 0.1, false).unwrap();
    assert!((found.scale - 0.5).abs() < 0.03, "{found:?}");
}

/// A calibration to fold into heads.
const HALVED: Calibration = Calibration {
    scale: 0.5,
    offset: -1.0,
    quality: None,
    of_both: [0.0; 4],
    lower_slope: None,
};

#[test]
fn targets_far_below_do_not_flatten_what_decides() {
    // One target in twenty is as far below as the nontargets: another mood, another line.
    let mut gaussian = Gaussian::new(10);
    let mut draw = |mean: f64, every: usize| -> Vec<QualityTrial> {
        let one = |i: usize| {
            let odd = if i.is_multiple_of(every) { -24.0 } else { 0.0 };
            // With these means and deviations the score is the LLR.
            QualityTrial {
                score: mean + odd + 4.0 * gaussian.draw(),
                ..QualityTrial::default()
            }
        };
        (1..=10_000).map(one).collect()
    };
    let list = QualityList {
        targets: draw(8.0, 20),
        nontargets: draw(-8.0, usize::MAX),
        weight: 1.0,
    };
    let scores = |trials: &[QualityTrial]| trials.iter().map(|t| t.score).collect::<Vec<f64>>();
    let (targets, nontargets) = (scores(&list.targets), scores(&list.nontargets));
    let line = Calibration::fit(&targets, &nontargets, 0.1).unwrap();
    assert!(line.scale < 0.6, "{line:?}");
    let bent = Calibration::with_quality(&[&list], 0.1, false).unwrap();
    assert!(bent.scale > line.scale + 0.15, "{line:?} {bent:?}");
    let below = bent.lower_slope.unwrap().below;
    assert!((-5.0..=-1.0).contains(&below), "{bent:?}");

    // Folded into a head, and moved with it by a later calibration of these scores.
    let train = World::with_nuisance().sample(100, 2);
    let head = plda::fit_head(&train, &plda_options()).unwrap();
    let slope = bent.lower_slope;
    let bent = bent.apply(&head);
    assert_eq!(bent.lower_slope, slope);
    let moved = HALVED.apply(&bent);
    let points: Vec<Vec<f32>> = train.embeddings()[..40]
        .iter()
        .map(|e| head.project_enrollment(std::iter::once(&[&e[..], &[0.0]].concat()[..])))
        .collect();
    let mut num_below = 0;
    for (a, b) in points.iter().zip(&points[1..]) {
        let llr = bent.llr(a, b);
        num_below += usize::from(llr < below);
        assert!((moved.llr(a, b) - (0.5 * llr - 1.0)).abs() < 1e-4);
    }
    assert!((1..39).contains(&num_below), "{num_below}");
    // No such targets: no lower slope worth having, or one that nothing reaches.
    let list = QualityList {
        targets: draw(8.0, usize::MAX),
        ..list
    };
    let found = Calibration::with_quality(&[&list], 0.1, false).unwrap();
    assert!((found.scale - 1.0).abs() < 0.1, "{found:?}");
}

/// Lists of one part each, whose scores are LLRs spoilt by what `spoil` makes of list number and μ.
fn lists_with_likeness(spoil: fn(usize, f64) -> f64) -> Vec<Vec<QualityList>> {
    let mut gaussian = Gaussian::new(11);
    let mut list = |number: usize| {
        let mut draw = |mean: f64| -> Vec<QualityTrial> {
            let one = |_| {
                let likeness = number as f64 + gaussian.draw();
                let llr = mean + 2.0 * gaussian.draw();
                QualityTrial {
                    score: 2.0 * (llr + spoil(number, likeness)),
                    seconds: gaussian.draw(),
                    length: gaussian.draw(),
                    // The share that is subtracted, a quarter of the sum of both sides, is then 2·likeness.
                    cohort: 8.0 * likeness,
                    ..QualityTrial::default()
                }
            };
            (0..600).map(one).collect()
        };
        let (targets, nontargets) = (draw(2.0), draw(-2.0));
        vec![QualityList {
            targets,
            nontargets,
            weight: 1.0,
        }]
    };
    (0..4).map(&mut list).collect()
}

#[test]
fn a_cohort_is_judged_by_lists_that_it_was_not_fitted_on() {
    let judge = |lists: &[Vec<QualityList>]| {
        [true, false].map(|cohort| Calibration::cllr_left_out(lists, 0.1, cohort).unwrap())
    };
    // Who is like many has higher scores, the same in every list.
    let lists = lists_with_likeness(|_, likeness| likeness);
    let [with, without] = judge(&lists);
    assert!(with < 0.9 * without && with > 0.1, "{with} {without}");
    let all: Vec<&QualityList> = lists.iter().flatten().collect();
    let found = Calibration::with_quality(&all, 0.1, true).unwrap();
    let quality = found.quality.unwrap();
    // The share is fixed.
    assert_eq!(quality.cohort, -0.25);
    assert!((found.scale - 0.5).abs() < 0.03, "{found:?}");

    // It is the other way round: who is like many has lower scores.
    let lists = lists_with_likeness(|_, likeness| -likeness);
    let [with, without] = judge(&lists);
    assert!(with > without, "{with} {without}");

    // A prior of one half: Cllr as everybody has it, of a fit that knows next to nothing.
    let none = lists_with_likeness(|_, likeness| 1e6 * likeness);
    let cllr = Calibration::cllr_left_out(&none, 0.5, false).unwrap();
    assert!((cllr - 1.0).abs() < 0.02, "{cllr}");
    assert!(Calibration::cllr_left_out(&none[..1], 0.5, true).is_err());
}

#[test]
fn calibration_of_separable_scores_stays_finite() {
    let found = Calibration::fit(&[5.0, 6.0], &[-1.0, 0.0], 0.5).unwrap();
    assert!(found.scale.is_finite() && found.offset.is_finite() && found.scale > 0.0);
    assert!(Calibration::fit(&[1.0], &[1.0], 0.5).is_err());
    assert!(Calibration::fit(&[f64::NAN], &[1.0], 0.5).is_err());
    assert!(Calibration::fit(&[], &[1.0], 0.5).is_err());
}

#[test]
fn pairs_within_a_session_are_left_out_or_weighted_down() {
    let train = World::with_nuisance().sample(40, 2);
    let cosine = head::plain_cosine(&train);
    let one_session = vec![0; train.len()];
    let labelled = train.with_sessions(one_session).unwrap();
    let refused = head::score_pairs(&cosine, &labelled, &trials(1)).unwrap_err();
    assert!(refused.to_string().contains("two sessions"), "{refused}");
    let weighted = RefineOptions {
        same_session: 0.5,
        ..trials(1)
    };
    assert!(head::score_pairs(&cosine, &labelled, &weighted).is_ok());
}

#[test]
fn what_cannot_be_fitted_is_refused_with_the_remedy() {
    let text = |result: spkver::Result<Labelled>| result.unwrap_err().to_string();
    assert!(text(Labelled::new(vec![vec![1.0]; 2], &[0])).contains("2 embeddings and 1 speaker"));
    assert!(text(Labelled::new(vec![vec![1.0], vec![f32::NAN]], &[0, 0])).contains("number 1"));
    assert!(text(Labelled::new(vec![vec![1.0]; 3], &[0, 0, 0])).contains("two speakers"));
    let train = World::with_nuisance().sample(10, 2);
    let too_large = lda::fit(&train, 12, 0.1).unwrap_err().to_string();
    assert!(too_large.contains("choose 1 to 9"), "{too_large}");
    // 5 recordings cannot fill 24 dimensions.
    let few = train.embeddings()[..5].to_vec();
    let few = Labelled::new(few, &[0, 0, 1, 1, 1]).unwrap();
    let singular = lda::fit(&few, 1, 0.0).unwrap_err().to_string();
    assert!(singular.contains("raise the shrinkage"), "{singular}");
    assert!(lda::fit(&few, 1, 0.1).is_ok());
}
