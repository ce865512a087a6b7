//! Fits another pair head on speakers outside the trials, and judges whether it separates the trials
//! better than the model's own.

use super::{
    judged::{Addition, Candidate, Judged},
    measured,
    outside::OutsideSpeakers,
};
use crate::{
    Result,
    audio::{self, SAMPLE_RATE_HZ, Waveform},
    eval::{
        embedded::{Embedded, Embedder, Part, set_scores},
        table::ScoreTable,
    },
    scoring::PairHead,
    storage::file_name,
    train::{
        Labelled,
        augment::Augmenter,
        head,
        options::{AugmentOptions, HeadOptions},
        random::Random,
        recordings::Recordings,
    },
    verifier::Verifier,
};
use std::path::PathBuf;

/// How a second copy of each recording is degraded: half of the copies pass a telephone's band,
/// most have noise. From clean recordings alone, PLDA would not learn how far noise and a narrow
/// band move an embedding.
fn of_copies() -> AugmentOptions {
    AugmentOptions {
        reverberation: 0.3,
        noise: 0.6,
        equalizer: 0.8,
        band_limit: 0.8,
        codec: 0.2,
        mu_law: 0.3,
        noise_snr_db: (8.0, 32.0),
        ..AugmentOptions::default()
    }
}

/// Fits LDA and PLDA to the recordings, each as it is and as a degraded copy.
///
/// # Errors
/// [`crate::Error::Io`]; [`crate::Error::Usage`] for a model of several networks, and where too few
/// recordings can be used.
pub(super) fn fit(
    speakers: &OutsideSpeakers,
    embedder: &Embedder,
    seed: u64,
) -> Result<Candidate<PairHead>> {
    let projection = &embedder.verifier.model().head.projection;
    if projection.groups > 1 {
        return Err(speakers.refusal(
            "this model has several embeddings, each with a head of its own, which only `train` can fit",
        ));
    }
    let paths: Vec<PathBuf> = speakers.recordings().cloned().collect();
    let (of_copies, none) = (of_copies(), || Recordings::new(vec![], 0));
    let augmenter = Augmenter::new(&of_copies, none(), &none(), seed)?;
    let as_recorded = embedder.files(&paths, Part::Whole)?;
    let copies = embedder.embed_each(&paths, |index, path| {
        let waveform = audio::read(path, &embedder.reading)?;
        let mut samples = waveform.samples().to_vec();
        let random = &mut Random::new(seed, "head", &[index as u64]);
        augmenter.apply(&of_copies, &mut samples, random, |_| Ok(vec![]))?;
        Waveform::from_samples(samples, SAMPLE_RATE_HZ)
    })?;
    let (size, utterances) = (projection.embedding_size(), &speakers.manifest.utterances);
    let all = utterances.iter().zip(&as_recorded);
    let all = all.chain(utterances.iter().zip(&copies));
    let used: Vec<_> = all
        .filter_map(|(utterance, embedded)| Some((utterance, embedded.as_ref().ok()?)))
        .collect();
    if used.is_empty() {
        let why = as_recorded.into_iter().find_map(std::result::Result::err);
        return Err(speakers.none_used(why));
    }
    let embeddings = used.iter().map(|(_, e)| e.values()[..size].to_vec());
    let of_each: Vec<u32> = used.iter().map(|(u, _)| u.speaker).collect();
    let labelled = Labelled::new(embeddings.collect(), &of_each)
        .and_then(|l| l.with_sessions(used.iter().map(|(u, _)| u.session).collect()))
        .and_then(|l| l.with_domains(used.iter().map(|(u, _)| u.corpus).collect()))?;
    let options = HeadOptions {
        size,
        bce_steps: 0,
        ..HeadOptions::default()
    };
    let (head, _) = head::fit(&labelled, &options, seed)?;
    Ok(Candidate {
        added: head,
        name: file_name(speakers.path),
        num_speakers: labelled.by_speaker().len(),
        num_refused: as_recorded.iter().filter(|one| one.is_err()).count(),
    })
}

impl Candidate<PairHead> {
    /// Compares this head with the head of `verifier` on the trials of `tables`, and returns the model
    /// with the better one. `embedded` has the embeddings of each table's recordings.
    ///
    /// # Errors
    /// As [`Verifier::new`].
    pub fn judge(
        self,
        verifier: Verifier,
        tables: &mut [ScoreTable],
        embedded: &[Vec<Embedded>],
    ) -> Result<(Verifier, Option<Judged>)> {
        let model_head = &verifier.model().head;
        let with = mean_min_cllr(tables, embedded, &self.added);
        let without = mean_min_cllr(tables, embedded, model_head);
        let judged = self.judged(Addition::Head, with, without);
        let verifier = match judged.is_kept() {
            true => with_head(verifier, self.added)?,
            false => verifier,
        };
        Ok((verifier, Some(judged)))
    }
}

/// The model with another head, which is not calibrated. If the model's embeddings ended in the
/// conditions of their recordings, they still do.
fn with_head(verifier: Verifier, head: PairHead) -> Result<Verifier> {
    let (id, mut model) = (verifier.id(), verifier.into_model());
    let has_terms = model.head.quality.is_some();
    model.head = head;
    model.limits = model.limits.without_scores();
    let verifier = Verifier::new(id, model)?;
    Ok(match has_terms {
        true => verifier.with_quality_terms(),
        false => verifier,
    })
}

/// Mean minCllr over the lists that have scored targets and scored nontargets.
fn mean_min_cllr(tables: &mut [ScoreTable], embedded: &[Vec<Embedded>], head: &PairHead) -> f64 {
    let of_table = |(table, embedded): (&mut ScoreTable, &Vec<Embedded>)| {
        set_scores(table, embedded, head);
        let (_, figures) = measured::figures(table)?;
        Some(figures.min_cllr)
    };
    let found: Vec<f64> = tables
        .iter_mut()
        .zip(embedded)
        .filter_map(of_table)
        .collect();
    found.iter().sum::<f64>() / found.len().max(1) as f64
}
