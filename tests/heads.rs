//! Trains heads with different losses on the same embeddings, and checks what each of them learns.

use rand_core::{Rng, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use spkver::scoring::PairHead;
use spkver::train::head;
use spkver::train::options::{PairLoss, RefineOptions};
use spkver::train::pair_loss::pearson;
use spkver::train::plda::{self, PldaOptions};
use spkver::train::{Labelled, lda};

const SIZE: usize = 16;

struct Gaussian(Xoshiro256PlusPlus);

impl Gaussian {
    fn uniform(&mut self) -> f64 {
        ((self.0.next_u64() >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }
    /// Box–Muller.
    fn draw(&mut self) -> f64 {
        let radius = (-2.0 * self.uniform().ln()).sqrt();
        radius * (std::f64::consts::TAU * self.uniform()).cos()
    }
    fn vector(&mut self, scale: f64) -> Vec<f64> {
        (0..SIZE).map(|_| scale * self.draw()).collect()
    }
}

/// Speakers with two sessions of three crops each.
fn labelled(num_speakers: u32, seed: u64) -> Labelled {
    let mut gaussian = Gaussian(Xoshiro256PlusPlus::seed_from_u64(seed));
    let (mut embeddings, mut speakers, mut sessions) = (vec![], vec![], vec![]);
    for speaker in 0..num_speakers {
        let identity = gaussian.vector(1.0);
        for session in 0..2 {
            let channel = gaussian.vector(0.6);
            for _ in 0..3 {
                let noise = gaussian.vector(0.5);
                let sum = (0..SIZE).map(|k| (identity[k] + channel[k] + noise[k]) as f32 + 0.3);
                embeddings.push(sum.collect());
                speakers.push(speaker);
                sessions.push(2 * speaker + session);
            }
        }
    }
    let labelled = Labelled::new(embeddings, &speakers).unwrap();
    labelled.with_sessions(sessions).unwrap()
}

fn plda(labelled: &Labelled) -> PairHead {
    let options = PldaOptions {
        size: 12,
        shrinkage: 0.05,
        groups: 1,
        num_iterations: 30,
    };
    plda::fit_head(labelled, &options).unwrap()
}

fn options(loss: PairLoss) -> RefineOptions {
    RefineOptions {
        loss,
        num_steps: 60,
        same_session: 0.3,
        num_nontargets: 4000,
        ..RefineOptions::default()
    }
}

fn cllr(targets: &[f64], nontargets: &[f64]) -> f64 {
    let cost = |llrs: &[f64], sign: f64| {
        let sum: f64 = llrs.iter().map(|s| (sign * s).exp().ln_1p()).sum();
        sum / llrs.len() as f64 / std::f64::consts::LN_2
    };
    0.5 * (cost(targets, -1.0) + cost(nontargets, 1.0))
}

#[test]
fn two_softmax_outputs_end_as_the_one_logit_does() {
    let (train, test) = (labelled(40, 1), labelled(25, 2));
    let plda = plda(&train);
    let refined = |loss| head::refine(&plda, &train, &options(loss)).unwrap();
    let (one, one_report) = refined(PairLoss::Bce);
    let (two, two_report) = refined(PairLoss::Softmax);
    assert!((one_report.loss_after - two_report.loss_after).abs() < 1e-9);
    assert!(one_report.loss_after < one_report.loss_before);
    let scores = |head: &PairHead| {
        let (targets, nontargets) =
            head::score_pairs(head, &test, &options(PairLoss::Bce)).unwrap();
        [targets, nontargets].concat()
    };
    for (one, two) in scores(&one).iter().zip(scores(&two)) {
        // Both are f32 sums of some dozen products.
        assert!(
            (one - two).abs() <= 1e-6 * one.abs().max(10.0),
            "{one} {two}"
        );
        assert_eq!(*one >= 0.0, two >= 0.0);
    }
}

#[test]
fn a_regression_is_saved_as_a_log_likelihood_ratio_and_reports_its_correlation() {
    let (train, test) = (labelled(40, 3), labelled(25, 4));
    let plda = plda(&train);
    let (head, report) = head::refine(&plda, &train, &options(PairLoss::Mse)).unwrap();
    let r = report.pearson.unwrap();
    assert!(r > 0.6 && r <= 1.0, "{r}");
    assert!(report.loss_after <= report.loss_before);
    let (targets, nontargets) = head::score_pairs(&head, &test, &options(PairLoss::Mse)).unwrap();
    let bits = cllr(&targets, &nontargets);
    assert!(bits < 0.5, "{bits}");
}

/// Voices on the way from one speaker to another: as alike as they are near.
#[test]
fn graded_similarity_of_morphed_voices_is_learnt_and_correlates_on_new_ones() {
    let morphs = |num_ways: usize, seed: u64| {
        let mut gaussian = Gaussian(Xoshiro256PlusPlus::seed_from_u64(seed));
        let (mut embeddings, mut speakers, mut graded) = (vec![], vec![], vec![]);
        for way in 0..num_ways as u32 {
            let (from, to) = (gaussian.vector(1.0), gaussian.vector(1.0));
            let first = embeddings.len() as u32;
            for step in 0..6u32 {
                let t = f64::from(step) / 5.0;
                let noise = gaussian.vector(0.15);
                let at = |k: usize| (1.0 - t) * from[k] + t * to[k] + noise[k];
                embeddings.push((0..SIZE).map(|k| at(k) as f32).collect::<Vec<f32>>());
                speakers.push(2 * way + u32::from(t > 0.5));
                for earlier in 0..step {
                    let apart = f64::from(step - earlier) / 5.0;
                    graded.push((first + earlier, first + step, 1.0 - apart));
                }
            }
        }
        (Labelled::new(embeddings, &speakers).unwrap(), graded)
    };
    let (train, graded) = morphs(120, 1);
    let lda = lda::fit(&train, SIZE, 0.1).unwrap();
    let start = head::cosine(&lda.mean, &lda.whiten);
    let (head, report) = head::regress(&start, &train, &graded, &options(PairLoss::Bce)).unwrap();
    let (test, wanted) = morphs(40, 2);
    let score = |&(a, b, _): &(u32, u32, f64)| {
        let point = |i: u32| head.project(&test.embeddings()[i as usize]);
        f64::from(head.llr(&point(a), &point(b)))
    };
    let scores: Vec<f64> = wanted.iter().map(score).collect();
    let grades: Vec<f64> = wanted.iter().map(|pair| pair.2).collect();
    let r = pearson(&scores, &grades).unwrap();
    println!(
        "Pearson r: {:.3} in training, {r:.3} on new voices",
        report.pearson.unwrap()
    );
    assert!(report.pearson.unwrap() > 0.85 && r > 0.85, "{report:?} {r}");
    let bad = head::regress(&start, &train, &[(0, 9999, 0.5)], &options(PairLoss::Mse));
    assert!(bad.unwrap_err().to_string().contains("9999"));
    let bad = head::regress(&start, &train, &[(0, 1, f64::NAN)], &options(PairLoss::Mse));
    assert!(bad.unwrap_err().to_string().contains("grade from 0 to 1"));
}
