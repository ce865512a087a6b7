//! Search of a test recording among all enrolled speakers: finds those with the highest LLR.
//!
//! For an enrolled point a and a test point b, LLR(a, b) = w·a + c(a) + c(b) + k, with w = p∘b,
//! c(x) = Σ q_i x_i², [p, q] the weights of the head and k its constant. (The lower slope keeps the
//! order of scores.) So the search is a product of the matrix of enrolled points with w. It finds
//! the same speakers as if every score were computed, in two stages:
//!
//! 1. The rows a are stored as 8-bit numbers n: ã = s·n, with an error e = |a − ã|. They give an
//!    upper bound of the score, because w·a ≤ w·ã + |w|·e (Cauchy-Schwarz). The rounding error of
//!    the f32 sums is added (n·2⁻²³ of the terms' size, Higham 2002, §3.1), so that no row scores
//!    above its bound.
//! 2. Rows whose bound reaches the lowest score among the best so far are scored again in f64 from
//!    their f32 values. A skipped row has a bound, and so a score, below every row that is kept.

pub use crate::kernels::PANEL_ROWS;

use super::PairHead;
use crate::{
    kernels::{self, Panel, Probes, ROUND},
    parallel,
};

/// Test recordings searched in one pass over the matrix; a multiple of every kernel's tile height.
const PROBES_AT_ONCE: usize = 84;

/// Values of a row that are quantized together.
const LANES: usize = 8;

/// A test recording, prepared for a search.
#[derive(Debug, Clone)]
pub struct Probe {
    /// w, `(P,)`; 0 where a point holds its quality term.
    weights: Vec<f64>,
    /// L, how many numbers of a point are multiplied.
    num_products: usize,
    /// c(b) + k.
    constant: f64,
}

/// Bytes of a panel of points of `size` values.
pub const fn panel_bytes(size: usize) -> usize {
    PANEL_ROWS * (size + 3 * size_of::<f32>())
}

/// The points of the enrolled speakers, in memory or in a mapped index file.
#[derive(Debug, Clone, Copy)]
pub struct Gallery<'a> {
    /// Panels of [`PANEL_ROWS`] rows and [`panel_bytes`] bytes, written by [`write_panel`]. The
    /// last may have empty rows.
    pub panels: &'a [u8],
    /// The points, `(N, P)`, with P = [`PairHead::point_size`].
    pub rows: &'a [f32],
    /// The largest value that [`write_panel`] returned.
    pub largest_magnitude: f32,
    /// The head that computed the points.
    pub head: &'a PairHead,
}

/// A row of the gallery and its score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// Row of the gallery.
    pub row: usize,
    /// LLR, summed in f64.
    pub score: f64,
}

impl PairHead {
    /// Prepares the point of a test recording, `(P,)`, for a search.
    pub fn probe(&self, b: &[f32]) -> Probe {
        let product = self.weight[..self.size()].iter().zip(b);
        let mut weights: Vec<f64> = product
            .map(|(&p, &b)| f64::from(p) * f64::from(b))
            .collect();
        weights.resize(b.len(), 0.0);
        let prior = f64::from(self.prior);
        Probe {
            weights,
            num_products: self.size(),
            constant: self.single_term_f64(b) + f64::from(self.bias) - (prior / (1.0 - prior)).ln(),
        }
    }

    /// c(x) = Σ q_i x_i², plus the quality term of the recording.
    pub fn single_term_f64(&self, x: &[f32]) -> f64 {
        let (x, quality) = x.split_at(self.size());
        let squares = self.weight[self.size()..].iter().zip(x);
        let squares: f64 = squares
            .map(|(&q, &x)| f64::from(q) * f64::from(x) * f64::from(x))
            .sum();
        squares + quality.iter().map(|&v| f64::from(v)).sum::<f64>()
    }
}

impl Probe {
    /// |w|, rounded up.
    fn norm(&self) -> f32 {
        let squares: f64 = self.weights.iter().map(|w| w * w).sum();
        (squares.sqrt() as f32).next_up()
    }

    /// `(L + 2,)`: its inner product with [`vector`] is the LLR before the lower slope.
    pub fn vector(&self) -> impl Iterator<Item = f32> {
        let products = self.weights[..self.num_products].iter();
        let weights = products.map(|&w| w as f32);
        weights.chain([1.0, self.constant as f32])
    }
}

/// An enrolled point as `(L + 2,)`, for a search by inner product with [`Probe::vector`].
pub fn vector(head: &PairHead, row: &[f32]) -> impl Iterator<Item = f32> {
    let term = head.single_term_f64(row) as f32;
    row[..head.size()].iter().copied().chain([term, 1.0])
}

/// Writes up to [`PANEL_ROWS`] points `(R, P)` as a panel. Returns the largest |a| + e + |c(a)| of
/// the points, from which the rounding error of their scores is bounded. A point that is not finite
/// is stored so that no search finds it.
pub fn write_panel(head: &PairHead, rows: &[f32], panel: &mut [u8]) -> f32 {
    let size = head.point_size();
    let (cells, facts) = panel.split_at_mut(PANEL_ROWS * size);
    cells.fill(0);
    // (3, PANEL_ROWS): scale, constant, residual.
    let mut values = [[0.0f32; PANEL_ROWS]; 3];
    values[1] = [f32::NEG_INFINITY; PANEL_ROWS];
    let mut largest_magnitude = 0.0f32;
    for (r, point) in rows.chunks_exact(size).enumerate() {
        // The quality term is not a coordinate: its cell stays 0.
        let row = &point[..head.size()];
        let largest = row.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        if !point.iter().all(|v| v.is_finite()) || !(largest / 127.0).is_normal() {
            continue;
        }
        let scale = largest / 127.0;
        let per_unit = 1.0 / scale;
        // Several sums, because one would wait for each addition.
        let (mut lengths, mut residuals) = ([0.0f64; LANES], [0.0f64; LANES]);
        let (rows, panels) = (row.chunks(LANES), cells.chunks_mut(LANES * PANEL_ROWS));
        for (values, cells) in rows.zip(panels) {
            let mut padded = [0.0f32; LANES];
            padded[..values.len()].copy_from_slice(values);
            // A call of `round` for each value would take longer than the rest.
            let rounded = padded.map(|value| (value * per_unit + ROUND) - ROUND);
            for lane in 0..LANES {
                let value = f64::from(padded[lane]);
                lengths[lane] += value * value;
                let error = value - f64::from(scale) * f64::from(rounded[lane]);
                residuals[lane] += error * error;
            }
            let column = cells.iter_mut().skip(r).step_by(PANEL_ROWS);
            for (cell, rounded) in column.zip(rounded) {
                *cell = rounded as i8 as u8;
            }
        }
        let [length, residual] = [lengths, residuals].map(|sums| sums.iter().sum::<f64>());
        values[0][r] = scale;
        values[1][r] = (head.single_term_f64(point) as f32).next_up();
        values[2][r] = (residual.sqrt() as f32).next_up();
        largest_magnitude =
            largest_magnitude.max(length.sqrt() as f32 + values[2][r] + values[1][r].abs());
    }
    facts.copy_from_slice(bytemuck::cast_slice(&values));
    largest_magnitude
}

impl Gallery<'_> {
    /// P.
    fn size(&self) -> usize {
        self.head.point_size()
    }

    /// The `top` best rows for each probe, best first; equal scores in the order of the rows.
    pub fn search(&self, probes: &[Probe], top: usize) -> Vec<Vec<Hit>> {
        let num_panels = self.panels.len() / panel_bytes(self.size());
        // One share per thread: a share must find its own best rows before it can skip any.
        let share = num_panels.div_ceil(parallel::num_threads()).max(1);
        let mut found = vec![];
        for probes in probes.chunks(PROBES_AT_ONCE) {
            let shares = self.panels.chunks(share * panel_bytes(self.size()));
            let shares = parallel::map(shares.enumerate(), |(i, panels)| {
                self.search_share(probes, top, panels, i * share * PANEL_ROWS)
            });
            found.extend((0..probes.len()).map(|q| {
                let mut best = Best::new(top);
                for hit in shares.iter().flat_map(|share| &share[q].hits) {
                    best.offer(*hit);
                }
                if let Some(slope) = self.head.lower_slope {
                    let hits = best.hits.iter_mut();
                    hits.for_each(|hit| hit.score = slope.apply(hit.score));
                }
                best.hits
            }));
        }
        found
    }

    fn search_share(
        &self,
        probes: &[Probe],
        top: usize,
        panels: &[u8],
        first_row: usize,
    ) -> Vec<Best> {
        let scan = kernels::table().scan;
        let weights = probes.iter().flat_map(|probe| &probe.weights);
        let weights: Vec<f32> = weights.map(|&w| w as f32).collect();
        let norms: Vec<f32> = probes.iter().map(Probe::norm).collect();
        let slacks: Vec<f64> = norms.iter().map(|&norm| self.slack(norm)).collect();
        let sides = Probes {
            weights: &weights,
            norms: &norms,
        };
        let mut bounds = vec![0.0; probes.len() * PANEL_ROWS];
        let mut peaks = vec![0.0; probes.len()];
        let mut best: Vec<Best> = probes.iter().map(|_| Best::new(top)).collect();
        // Rows with a bound below these are skipped. In the first panel, none is.
        let mut limits = vec![f32::NEG_INFINITY; probes.len()];
        for (p, panel) in panels.chunks_exact(panel_bytes(self.size())).enumerate() {
            let (cells, facts) = panel.split_at(PANEL_ROWS * self.size());
            let facts: &[f32] = bytemuck::cast_slice(facts);
            let (scale, facts) = facts.split_at(PANEL_ROWS);
            let (constant, residual) = facts.split_at(PANEL_ROWS);
            let panel = Panel {
                cells: bytemuck::cast_slice(cells),
                scale,
                constant,
                residual,
            };
            scan(panel, sides, &mut bounds, &mut peaks);
            for (q, probe) in probes.iter().enumerate() {
                if peaks[q] < limits[q] {
                    continue;
                }
                let exhaustive = !slacks[q].is_finite();
                for (r, &bound) in bounds[q * PANEL_ROWS..][..PANEL_ROWS].iter().enumerate() {
                    let there = constant[r] != f32::NEG_INFINITY;
                    if there && (exhaustive || bound >= limits[q]) {
                        let row = first_row + p * PANEL_ROWS + r;
                        best[q].offer(Hit {
                            row,
                            score: self.score(probe, row),
                        });
                    }
                }
                if let (Some(last), false) = (best[q].last(), exhaustive) {
                    limits[q] = ((last - probe.constant - slacks[q]) as f32).next_down();
                }
            }
        }
        best
    }

    /// Largest rounding error of the first stage's f32 sums, for a test recording whose w has this
    /// norm. Infinite if an f32 could overflow.
    fn slack(&self, norm: f32) -> f64 {
        if !(norm < 1e15 && self.largest_magnitude < 1e15) {
            return f64::INFINITY;
        }
        let roundings = (self.size() + 8) as f64 * f64::from(f32::EPSILON);
        roundings * (f64::from(norm) + 1.0) * f64::from(self.largest_magnitude)
    }

    /// LLR of a row before the lower slope, summed in f64.
    fn score(&self, probe: &Probe, row: usize) -> f64 {
        let row = &self.rows[row * self.size()..][..self.size()];
        let products = probe.weights.iter().zip(row);
        let sum: f64 = products.map(|(w, &a)| w * f64::from(a)).sum();
        sum + self.head.single_term_f64(row) + probe.constant
    }
}

/// The best rows so far.
#[derive(Debug, Clone)]
struct Best {
    top: usize,
    /// Best first.
    hits: Vec<Hit>,
}

impl Best {
    fn new(top: usize) -> Self {
        Best { top, hits: vec![] }
    }

    /// The lowest of the best scores, once there are `top` of them.
    fn last(&self) -> Option<f64> {
        self.hits.get(self.top - 1).map(|hit| hit.score)
    }

    fn offer(&mut self, hit: Hit) {
        let place = self.hits.partition_point(|other| other.score >= hit.score);
        if place < self.top {
            self.hits.truncate(self.top - 1);
            self.hits.insert(place, hit);
        }
    }
}
