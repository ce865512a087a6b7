//! Calibrates a model on trial lists, so that its scores are log-likelihood ratios.
//!
//! ```text
//! Plan ─open─► Inputs ─run(Verifier)─► Calibrated { Model, Report }
//! ```
//!
//! Only the head, the limits, the measured rates and the card change: embeddings stay valid.

mod cohort;
mod head;
mod judged;
mod limits;
mod looks;
mod measured;
mod outside;
mod quality_lists;
mod scores;

use judged::Candidate;
pub use judged::{Addition, Judged};
pub use scores::{Scores, fit_scores};

use super::{calibration::Calibration, quality_trial::QualityList};
use crate::{
    Error, Result,
    audio::ReadOptions,
    eval::{
        embedded::{Embedder, OnProgress, Part, open_list, set_scores},
        table::ScoreTable,
    },
    scoring::{CONDITION_UNITS, CONDITIONS, Cohort, LowerSlope, NOISE_UNIT},
    storage::file_name,
    verifier::{Limits, Model, ModelCard, Verifier},
};
use cohort::Source;
use measured::Rated;
use outside::OutsideSpeakers;
use quality_lists::quality_lists;
use std::path::PathBuf;

/// What to calibrate on, and how.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Trial lists with labels.
    pub lists: Vec<PathBuf>,
    /// Folder that the recordings' paths are relative to.
    pub root: PathBuf,
    /// How the recordings are read.
    pub reading: ReadOptions,
    /// Prior of a target trial around which the fit is best.
    pub p_target: f64,
    /// Also fit the quality terms, the lower slope and the limits on several speakers.
    pub quality: bool,
    /// A manifest of speakers that are in no trial, to fit a pair head on.
    pub speakers: Option<PathBuf>,
    /// With `quality`: a manifest of speakers that are in no trial, to make a cohort of.
    pub cohort: Option<PathBuf>,
    /// How many of a recording's highest scores against the cohort are averaged.
    pub cohort_top: usize,
    /// Seed of the bootstrap.
    pub seed: u64,
}

/// The trial lists of a plan, read and checked.
pub struct Inputs<'a> {
    plan: &'a Plan,
    tables: Vec<ScoreTable>,
    speakers: Option<OutsideSpeakers<'a>>,
    cohort: Option<Source<'a>>,
}

/// The calibrated model, and how it was made.
pub struct Calibrated {
    /// The model, to be saved. Its card's `calibration` says in a sentence what was done.
    pub model: Model,
    /// The figures.
    pub report: Report,
}

/// What a calibration found.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// The fit.
    pub calibration: Calibration,
    /// The new pair head, where the plan names speakers to fit it on.
    pub head: Option<Judged>,
    /// The cohort, where the plan names one.
    pub cohort: Option<Judged>,
    /// Scored target trials.
    pub num_targets: usize,
    /// Scored nontarget trials.
    pub num_nontargets: usize,
    /// Trials with a refused recording.
    pub num_refused: usize,
    /// Whether error rates by threshold were measured. This needs paths that say who speaks.
    pub has_rates: bool,
}

impl Plan {
    fn embedder<'a>(&'a self, verifier: &'a Verifier, on_progress: OnProgress<'a>) -> Embedder<'a> {
        Embedder {
            root: &self.root,
            reading: self.reading,
            verifier,
            on_progress,
        }
    }
}

impl<'a> Inputs<'a> {
    /// Reads the lists and the manifests, and looks for the recordings.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::List`]; [`Error::Usage`] for a manifest that cannot be used.
    pub fn open(plan: &'a Plan) -> Result<Self> {
        let read = |path: &PathBuf| open_list(path, &plan.root);
        let tables: Vec<ScoreTable> = plan.lists.iter().map(read).collect::<Result<_>>()?;
        let open = |path| Source::open(path, plan.cohort_top, &tables, &plan.root);
        let cohort = plan.cohort.as_deref().map(open).transpose()?;
        let open = |path| OutsideSpeakers::open("speakers", path, &tables, &plan.root);
        let speakers = plan.speakers.as_deref().map(open).transpose()?;
        Ok(Inputs {
            plan,
            tables,
            speakers,
            cohort,
        })
    }

    /// Every recording that will be read.
    pub fn recordings(&self) -> impl Iterator<Item = PathBuf> {
        let names = self.tables.iter().flat_map(ScoreTable::names);
        let of_cohort = self.cohort.iter().flat_map(Source::recordings);
        let outside = self.speakers.iter().flat_map(OutsideSpeakers::recordings);
        let trials = names.map(|name| self.plan.root.join(name));
        trials.chain(of_cohort.chain(outside).cloned())
    }

    /// Embeds the recordings with `verifier` and fits its scores.
    ///
    /// # Errors
    /// [`Error::Io`] for a recording that cannot be read; [`Error::Usage`] where no calibration fits,
    /// for example because the labels are swapped.
    pub fn run(self, verifier: Verifier, on_progress: OnProgress) -> Result<Calibrated> {
        let Inputs {
            plan,
            mut tables,
            speakers,
            cohort,
        } = self;
        let kept = verifier.model().head.quality.as_ref();
        let kept = kept.and_then(|terms| terms.cohort.clone());
        let verifier = match plan.quality {
            true => verifier.with_quality_terms(),
            false => verifier,
        };
        let lists: Vec<&ScoreTable> = tables.iter().collect();
        let embedder = plan.embedder(&verifier, on_progress);
        let embedded = embedder.tables(&lists, Part::Whole)?;
        let candidate = speakers.map(|speakers| head::fit(&speakers, &embedder, plan.seed));
        let (verifier, judged_head) = match candidate.transpose()? {
            Some(candidate) => candidate.judge(verifier, &mut tables, &embedded)?,
            None => (verifier, None),
        };
        let has_new_head = judged_head.as_ref().is_some_and(Judged::is_kept);
        let embedder = plan.embedder(&verifier, on_progress);
        let lists: Vec<&ScoreTable> = tables.iter().collect();
        // Models with quality terms are used at 8 kHz as well.
        let narrow = plan
            .quality
            .then(|| embedder.tables(&lists, Part::Narrowband));
        let narrow = narrow.transpose()?;
        let candidate = cohort.map(|cohort| cohort.embed(&embedder)).transpose()?;
        // The points of the model's own cohort are those of its old head.
        let kept = kept.filter(|_| plan.quality && !has_new_head);
        let mut cohort = (candidate.as_ref().map(|candidate| candidate.added.clone())).or(kept);
        for (table, embedded) in tables.iter_mut().zip(&embedded) {
            set_scores(table, embedded, &verifier.model().head);
        }
        let mut scores = Scores::default();
        tables.iter().for_each(|table| scores.add(table));
        let files = ListFiles::read(&plan.lists)?;

        let (calibration, judged) = if let Some(narrow) = &narrow {
            let lists = quality_lists(&tables, [&embedded, narrow], &embedder, cohort.as_ref())?;
            let judge = |one: &Candidate<Cohort>| one.judge(&lists, plan.p_target);
            let judged = candidate.as_ref().map(judge).transpose()?;
            cohort = cohort.filter(|_| judged.as_ref().is_none_or(Judged::is_kept));
            let lists: Vec<&QualityList> = lists.iter().flatten().collect();
            let fitted = Calibration::with_quality(&lists, plan.p_target, cohort.is_some())?;
            (fitted, judged)
        } else {
            (scores.fit(plan.p_target)?, None)
        };
        calibration.check()?;

        let mut calibrated = calibrated(&verifier, &calibration, cohort)?;
        if plan.quality || has_new_head {
            // These limits are on log-likelihood ratios, so they are chosen last.
            let embedder = plan.embedder(&calibrated, on_progress);
            let chosen = limits::several_speakers(&tables, &embedder)?;
            let mut model = calibrated.into_model();
            let ln_length = limits::ln_length_range(&embedded, &model.head);
            model.limits = Limits {
                ln_length,
                ..chosen
            };
            calibrated = Verifier::new(verifier.id(), model)?;
        }
        let mut report = Report {
            calibration,
            head: judged_head,
            cohort: judged,
            num_targets: scores.num_targets(),
            num_nontargets: scores.num_nontargets(),
            num_refused: scores.num_refused,
            has_rates: false,
        };
        let mut card = verifier.model().card.clone();
        card.uncalibrated = false;
        card.calibration = sentence(&report, plan.p_target, &files.named);
        let mut rated = vec![];
        for ((name, table), embedded) in files.names.iter().zip(&mut tables).zip(&embedded) {
            set_scores(table, embedded, &calibrated.model().head);
            if let Some(measurement) = measured::measurement(table) {
                card.measured.insert(name.clone(), measurement);
            }
            rated.push(Rated::new(table, embedded, &calibrated, false));
        }
        let embedder = plan.embedder(&calibrated, on_progress);
        let looked = looks::extremes(&tables, &embedded, &embedder)?;
        let sequential = measured::rates(looked, &files.hash, plan.seed);
        for (table, narrow) in tables.iter_mut().zip(narrow.iter().flatten()) {
            set_scores(table, narrow, &calibrated.model().head);
            let copy = Rated::new(table, narrow, &calibrated, true);
            // A list whose recordings are all refused at 8 kHz says nothing about the rates there.
            if copy.as_ref().is_none_or(Rated::has_both) {
                rated.push(copy);
            }
        }
        let rates = measured::rates(rated, &files.hash, plan.seed);
        report.has_rates = rates.is_some();
        let model = Model {
            rates,
            sequential,
            card,
            ..calibrated.into_model()
        };
        Ok(Calibrated { model, report })
    }
}

/// The trial lists that the model was calibrated on, as the model file names them.
struct ListFiles {
    names: Vec<String>,
    /// Each name with the start of the file's BLAKE3.
    named: Vec<String>,
    /// BLAKE3 of the contents of all files, in order.
    hash: String,
}

impl ListFiles {
    fn read(paths: &[PathBuf]) -> Result<Self> {
        let mut hasher = blake3::Hasher::new();
        let (mut names, mut named) = (vec![], vec![]);
        for path in paths {
            let bytes = std::fs::read(path).map_err(|e| Error::io(path, "read", e))?;
            hasher.update(&bytes);
            let name = file_name(path);
            let hash = blake3::hash(&bytes).to_hex();
            named.push(format!("{name} (BLAKE3 {hash:.12})"));
            names.push(name);
        }
        Ok(ListFiles {
            names,
            named,
            hash: hasher.finalize().to_string(),
        })
    }
}

/// The sentence about the calibration in the model card.
fn sentence(report: &Report, p_target: f64, lists: &[String]) -> String {
    let Calibration {
        scale,
        offset,
        quality,
        of_both,
        lower_slope,
    } = &report.calibration;
    let mut terms = String::new();
    if let Some(quality) = quality {
        terms += &format!(
            ", {:+.4} per ln of seconds, {:+.4} per ln of length",
            quality.seconds, quality.length
        );
        let of_one = quality.of_conditions().into_iter();
        for ((of_one, of_both), unit) in of_one.zip(of_both).zip(CONDITION_UNITS) {
            terms +=
                &format!(", {of_one:+.4} {unit} ({of_both:+.4} for the product of both sides)");
        }
        terms += &format!(", {:+.4} {NOISE_UNIT}", of_both[CONDITIONS]);
        if quality.cohort != 0.0 {
            let weight = quality.cohort;
            terms += &format!(", {weight:+.4} per nat of similarity to the cohort");
        }
        if let Some(LowerSlope { below }) = lower_slope {
            let slope = LowerSlope::SLOPE;
            terms += &format!(", below {below:.2} a nat counts as {slope}");
        }
        terms += " (fitted also on shortened recordings and at 8 kHz)";
    }
    terms.extend(
        report
            .head
            .iter()
            .chain(&report.cohort)
            .map(Judged::sentence),
    );
    format!(
        "scale {scale:.4}, offset {offset:+.4}{terms}, fitted at prior {p_target} on {} target and {} \
         nontarget trials ({} more refused) of {}",
        report.num_targets,
        report.num_nontargets,
        report.num_refused,
        lists.join(", "),
    )
}

/// The same model with the calibration in its head, and with `cohort` if there is a new one.
fn calibrated(
    verifier: &Verifier,
    calibration: &Calibration,
    cohort: Option<Cohort>,
) -> Result<Verifier> {
    let model = verifier.model();
    let mut head = calibration.apply(&model.head);
    if let (Some(terms), Some(cohort)) = (&mut head.quality, cohort) {
        terms.cohort = Some(cohort);
    }
    let old = model.limits;
    let limits = match old.min_parts_llr {
        // The limit moves with the scores, so that it refuses the same recordings as before.
        Some(lowest) => {
            let scaled = |value: f32| (calibration.scale * f64::from(value)) as f32;
            Limits {
                min_parts_llr: Some(calibration.moved(lowest)),
                parts_scale: scaled(old.parts_scale),
                parts_noise: scaled(old.parts_noise),
                ..old
            }
        }
        // If there will be a limit, it is chosen on the calibrated scores.
        None => old.without_scores(),
    };
    let model = Model {
        head,
        limits,
        rates: None,
        sequential: None,
        card: ModelCard::default(),
        // In f32, even if `--precision int8` made this run compute in int8.
        ..model.as_made()
    };
    Verifier::new(verifier.id(), model)
}
