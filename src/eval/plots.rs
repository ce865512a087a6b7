//! Draws DET curves, ROC curves and histograms of the scores, as SVG text or PNG bytes.
//!
//! The DET plot (Martin et al. 1997) draws P_miss over P_fa on normal deviate scales, where normal
//! scores make straight lines. SVG leaves the letters to the viewer; PNG draws them with the font
//! in `labels.ttf`, so that no font has to be installed.

use super::{curve::probit, metrics::ErrorRates, report::Report};
use plotters::{
    coord::{
        CoordTranslate, Shift,
        ranged1d::{DefaultFormatting, KeyPointHint, Ranged},
        types::RangedCoordf64,
    },
    prelude::*,
    style::{FontStyle, register_font},
};
use std::ops::Range;

/// What to draw.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chart {
    /// P_miss over P_fa, both on normal deviate scales.
    Det,
    /// 1 − P_miss over P_fa, with P_fa on a logarithmic scale.
    Roc,
    /// Scores of targets and nontargets.
    Histogram,
}

/// A list's name and report.
pub type Named<'a> = (&'a str, &'a Report);

type Failed<B> = DrawingAreaErrorKind<<B as DrawingBackend>::ErrorType>;
type Area<B> = DrawingArea<B, Shift>;

const WIDTH: u32 = 720;
const HEIGHT: u32 = 540;
/// Height of each histogram if there are several.
const ROW_HEIGHT: u32 = 300;
const FONT: &str = "sans-serif";

/// Okabe & Ito: distinguishable with any colour vision.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(0, 0, 0),
];

/// The chart as SVG.
pub fn svg(chart: Chart, reports: &[Named], threshold: f64) -> String {
    let mut text = String::new();
    let area = SVGBackend::with_string(&mut text, size(chart, reports)).into_drawing_area();
    draw(chart, &area, reports, threshold).expect("a String takes all");
    drop(area);
    text
}

/// The chart as PNG.
pub fn png(chart: Chart, reports: &[Named], threshold: f64) -> Vec<u8> {
    let (width, height) = size(chart, reports);
    let mut pixels = vec![0; (width * height * 3) as usize];
    let area = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
    draw(chart, &area, reports, threshold).expect("a buffer of the right size");
    drop(area);
    let mut file = vec![];
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let mut writer = encoder.write_header().expect("a Vec takes all");
    writer.write_image_data(&pixels).expect("a Vec takes all");
    writer.finish().expect("a Vec takes all");
    file
}

fn size(chart: Chart, reports: &[Named]) -> (u32, u32) {
    match chart {
        Chart::Histogram if reports.len() > 1 => (WIDTH, ROW_HEIGHT * reports.len() as u32),
        _ => (WIDTH, HEIGHT),
    }
}

fn draw<B: DrawingBackend>(
    chart: Chart,
    area: &Area<B>,
    reports: &[Named],
    threshold: f64,
) -> Result<(), Failed<B>> {
    // Plotters measures the size of texts with this font, for SVG as well.
    let font = register_font(FONT, FontStyle::Normal, include_bytes!("labels.ttf"));
    assert!(font.is_ok(), "the font is part of the program");
    area.fill(&WHITE)?;
    match chart {
        Chart::Det => det(area, reports)?,
        Chart::Roc => roc(area, reports)?,
        Chart::Histogram => {
            let rows = area.split_evenly((reports.len(), 1));
            for (row, (name, report)) in rows.iter().zip(reports) {
                histogram(row, name, report, threshold)?;
            }
        }
    }
    area.present()
}

/// Error rates with a mark on the axes.
const MARKS: [f64; 17] = [
    0.00001, 0.0001, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 0.9,
    0.98,
];

fn det<B: DrawingBackend>(area: &Area<B>, reports: &[Named]) -> Result<(), Failed<B>> {
    let (x, y) = (
        deviates(reports, |r| r.false_alarm),
        deviates(reports, |r| r.miss),
    );
    let (low_x, low_y) = (x.range.start, y.range.start);
    let percent = |deviate: &f64| {
        let near = |p: &&f64| (probit(**p) - deviate).abs() < 1e-9;
        MARKS
            .iter()
            .find(near)
            .map_or(String::new(), |p| percent(*p))
    };
    let mut chart = framed(area, "Detection error trade-off").build_cartesian_2d(x, y)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.15))
        .label_style((FONT, 15))
        .x_labels(MARKS.len())
        .y_labels(MARKS.len())
        .x_label_formatter(&percent)
        .y_label_formatter(&percent)
        .x_desc("false match rate (impostors accepted), %")
        .y_desc("false non-match rate (speakers rejected), %")
        .draw()?;
    for ((name, report), colour) in reports.iter().zip(COLOURS.iter().cycle()) {
        let place = |r: &ErrorRates| {
            let x = probit(r.false_alarm).max(low_x);
            (x, probit(r.miss).max(low_y))
        };
        let line = LineSeries::new(report.curve.iter().map(place), colour.stroke_width(2));
        let label = format!("{}  EER {:.2} %", short(name), 100.0 * report.figures.eer);
        chart
            .draw_series(line)?
            .label(label)
            .legend(move |(x, y)| key(x, y, colour));
        let eer = report.figures.eer;
        let point = place(&ErrorRates {
            miss: eer,
            false_alarm: eer,
        });
        chart.draw_series([Circle::new(point, 4, colour.filled())])?;
    }
    legend(&mut chart, SeriesLabelPosition::UpperRight)
}

/// A chart with its caption, and room for the labels of both axes.
fn framed<'a, 'b, B: DrawingBackend>(area: &'a Area<B>, caption: &str) -> ChartBuilder<'a, 'b, B> {
    let mut chart = ChartBuilder::on(area);
    chart
        .caption(caption, (FONT, 20))
        .margin(12)
        .x_label_area_size(52)
        .y_label_area_size(66);
    chart
}

fn legend<'a, B: DrawingBackend + 'a, C: CoordTranslate>(
    chart: &mut ChartContext<'a, B, C>,
    position: SeriesLabelPosition,
) -> Result<(), Failed<B>> {
    chart
        .configure_series_labels()
        .position(position)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.3))
        .label_font((FONT, 15))
        .draw()
}

fn key(x: i32, y: i32, colour: &RGBColor) -> PathElement<(i32, i32)> {
    PathElement::new(vec![(x, y), (x + 18, y)], colour.stroke_width(2))
}

/// The axis of an error rate, with the [`MARKS`] on it: from below the least rate above 0 of any curve to
/// 60 %, or further if an EER is above 50 %.
fn deviates(reports: &[Named], rate: impl Fn(&ErrorRates) -> f64) -> Axis {
    let rates = reports.iter().flat_map(|(_, r)| r.curve.iter().map(&rate));
    let least = rates.filter(|r| *r > 0.0).fold(0.01f64, f64::min);
    let eers = reports.iter().map(|(_, r)| r.figures.eer);
    let most = eers.fold(0.5f64, f64::max);
    let range = probit(least * 0.7).max(probit(1e-5))..probit((most + 0.1).min(0.99));
    let marks = MARKS.iter().map(|p| probit(*p));
    Axis {
        marks: marks.filter(|m| range.contains(m)).collect(),
        range,
    }
}

/// A linear axis with marks at chosen places.
struct Axis {
    range: Range<f64>,
    marks: Vec<f64>,
}

impl Ranged for Axis {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        RangedCoordf64::from(self.range.clone()).map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<f64> {
        self.marks.clone()
    }

    fn range(&self) -> Range<f64> {
        self.range.clone()
    }
}

fn percent(p: f64) -> String {
    format!("{}", (p * 1e7).round() / 1e5)
}

fn roc<B: DrawingBackend>(area: &Area<B>, reports: &[Named]) -> Result<(), Failed<B>> {
    let rates = reports
        .iter()
        .flat_map(|(_, r)| &r.curve)
        .map(|r| r.false_alarm);
    let least = rates.filter(|r| *r > 0.0).fold(0.1f64, f64::min).max(1e-6);
    let low = least.log10().floor();
    let share = |log: &f64| percent(10f64.powf(*log));
    let decades = Axis {
        range: low..0.0,
        marks: (low as i32..=0).map(f64::from).collect(),
    };
    let mut chart =
        framed(area, "Receiver operating characteristic").build_cartesian_2d(decades, 0.0..1.0)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.15))
        .label_style((FONT, 15))
        .x_labels(12)
        .x_label_formatter(&share)
        .y_label_formatter(&|v| format!("{:.0}", v * 100.0))
        .x_desc("false match rate (impostors accepted), %")
        .y_desc("true match rate (speakers accepted), %")
        .draw()?;
    for ((name, report), colour) in reports.iter().zip(COLOURS.iter().cycle()) {
        let place = |r: &ErrorRates| (r.false_alarm.max(10f64.powf(low)).log10(), 1.0 - r.miss);
        let line = LineSeries::new(report.curve.iter().map(place), colour.stroke_width(2));
        chart
            .draw_series(line)?
            .label(short(name))
            .legend(move |(x, y)| key(x, y, colour));
    }
    legend(&mut chart, SeriesLabelPosition::LowerRight)
}

fn histogram<B: DrawingBackend>(
    area: &Area<B>,
    name: &str,
    report: &Report,
    threshold: f64,
) -> Result<(), Failed<B>> {
    let h = &report.histogram;
    let high = h.low + h.step * h.targets.len() as f64;
    let most = h
        .targets
        .iter()
        .chain(&h.nontargets)
        .fold(0.0f64, |m, v| m.max(*v));
    let caption = format!("Scores: {}", short(name));
    let mut chart = framed(area, &caption).build_cartesian_2d(h.low..high, 0.0..most * 1.05)?;
    chart
        .configure_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.15))
        .label_style((FONT, 15))
        .y_label_formatter(&|v| format!("{:.1}", v * 100.0))
        .x_desc("score (log-likelihood ratio)")
        .y_desc("share of its kind, %")
        .draw()?;
    let kinds = [
        ("nontarget", &h.nontargets, &COLOURS[1]),
        ("target", &h.targets, &COLOURS[0]),
    ];
    for (kind, shares, colour) in kinds {
        let bars = shares.iter().enumerate().filter(|(_, share)| **share > 0.0);
        let bars = bars.map(|(i, share)| {
            let left = h.low + i as f64 * h.step;
            let corners = [(left, 0.0), (left + h.step, *share)];
            Rectangle::new(corners, colour.mix(0.45).filled())
        });
        chart
            .draw_series(bars)?
            .label(kind)
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 18, y + 5)], colour.filled()));
    }
    if (h.low..high).contains(&threshold) {
        let line = [(threshold, 0.0), (threshold, most * 1.05)];
        chart
            .draw_series(LineSeries::new(line, BLACK.stroke_width(1)))?
            .label(format!("threshold {threshold}"))
            .legend(|(x, y)| PathElement::new(vec![(x, y), (x + 18, y)], BLACK));
    }
    legend(&mut chart, SeriesLabelPosition::UpperRight)
}

/// A name, cut to a length that fits, without characters that XML forbids.
fn short(name: &str) -> String {
    let printable = |c: char| if c.is_control() { '\u{fffd}' } else { c };
    let name: String = name.chars().map(printable).collect();
    match name.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &name[..end]),
        None => name,
    }
}
