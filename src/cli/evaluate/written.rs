//! The files that `spkver evaluate` writes: scores, a page, plots.

use super::{Args, shown::Named};
use spkver::{
    Error, Result,
    eval::{
        evaluate::Lists,
        known::Known,
        plots::{self, Chart},
    },
    storage::output::{Form, OutputFile, Outputs},
};
use std::path::{Path, PathBuf};

/// The files of a run.
pub(super) struct Written {
    pub(super) scores: Option<OutputFile>,
    pub(super) report: Option<OutputFile>,
    charts: Vec<(Chart, OutputFile)>,
}

impl Written {
    /// Draws the plots and writes them.
    pub(super) fn draw(&self, lists: &[Named], threshold: f64) -> Result<()> {
        let named = lists.iter().map(|n| (&n.name[..], &n.measured.report));
        let named: Vec<plots::Named> = named.collect();
        self.charts.iter().try_for_each(|(chart, out)| {
            let drawn = match Form::SVG.has_ending(out.path()) {
                true => plots::svg(*chart, &named, threshold).into_bytes(),
                false => plots::png(*chart, &named, threshold),
            };
            out.write(&drawn)
        })
    }
}

impl Args {
    fn charts(&self) -> impl Iterator<Item = (Chart, &PathBuf)> {
        let charts = [
            (Chart::Det, &self.det),
            (Chart::Roc, &self.roc),
            (Chart::Histogram, &self.histogram),
        ];
        let named = charts.into_iter();
        named.filter_map(|(chart, path)| Some((chart, path.as_ref()?)))
    }

    /// Checks that each plot has an ending, because the ending selects one of two formats.
    pub(super) fn check_charts(&self) -> Result<()> {
        let mut new = self.charts().filter(|(_, path)| !path.exists());
        new.try_for_each(|(_, path)| form_of(path).map(drop))
    }

    /// Every file that is written.
    pub(super) fn written(&self) -> Vec<PathBuf> {
        let texts = self.scores_out.iter().chain(&self.report);
        let charts = self.charts().map(|(_, path)| path);
        texts.chain(charts).cloned().collect()
    }

    pub(super) fn spare_inputs(
        &self,
        known: &Known,
        lists: &Lists,
        outputs: &Outputs,
    ) -> Result<()> {
        let files = self.lists.iter().chain(&self.scores);
        for path in files.chain(known.files()) {
            outputs.spare(path)?;
        }
        outputs.spare_all(lists.recordings())
    }

    pub(super) fn take(&self, outputs: &Outputs) -> Result<Written> {
        let take = |path: &Option<PathBuf>, form| {
            let file = path.as_ref().map(|path| outputs.take(path, form));
            file.transpose()
        };
        let chart = |(chart, path): (Chart, &PathBuf)| {
            let out = outputs.take(path, form_of(path)?)?;
            Ok((chart, out))
        };
        Ok(Written {
            scores: take(&self.scores_out, &Form::SCORE_TEXT)?,
            report: take(&self.report, &Form::PAGE)?,
            charts: self.charts().map(chart).collect::<Result<_>>()?,
        })
    }
}

/// The form of a plot, by its ending.
fn form_of(path: &Path) -> Result<&'static Form> {
    let mut forms = [&Form::SVG, &Form::PNG].into_iter();
    let named = forms.find(|form| form.has_ending(path));
    named.ok_or_else(|| {
        Error::Usage(format!(
            "{}: plots are written as .svg or .png",
            path.display()
        ))
    })
}
