//! Trains heads with different losses on the same embeddings, and checks what each of them learns.

use crate::{Gaussian, cllr};
use spkver::scoring::PairHead;
use spkver::train::Labelled;
use spkver::train::head;
use spkver::train::options::{PairLoss, RefineOptions};
use spkver::train::plda::{self, PldaOptions};

const SIZE: usize = 16;

/// Speakers with two sessions of three crops each.
fn labelled(num_speakers: u32, seed: u64) -> Labelled {
    let mut gaussian = Gaussian::new(seed);
    let (mut embeddings, mut speakers, mut sessions) = (vec![], vec![], vec![]);
    for speaker in 0..num_speakers {
        let identity = gaussian.vector(SIZE);
        for session in 0..2 {
            let channel = gaussian.vector(SIZE) * 0.6;
            for _ in 0..3 {
                let noise = gaussian.vector(SIZE) * 0.5;
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
