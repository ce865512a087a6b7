//! One test recording against all enrolled speakers: projected points in, the best of them out.
//!
//! LLR(a, b) = w·a + c(a) + c(b) + k with w = p∘b, c(x) = Σ q_i x_i² and the head's constant k (below
//! the head's knee it is flattened at the end, which keeps the order): a search is a product of the
//! enrolled matrix with w. It goes in two stages and is exact:
//!
//! 1. Rows as 8-bit numbers ã = s·n with e = |a − ã| give w·a ≤ w·ã + |w|·e (Cauchy and Schwarz);
//!    with the rounding of the f32 sums on top (n·2⁻²³ of the terms' size, Higham 2002, §3.1) no
//!    row scores above its bound.
//! 2. Rows whose bound reaches the score of the last place so far are scored again in f64 from
//!    their f32 numbers. A row left out has a bound, so a score, below every row that is kept.

pub use crate::kernels::PANEL_ROWS;

use super::{PairHead, bend};
use crate::{
    kernels::{self, Panel, Probes},
    parallel,
};

/// Probes that pass over the matrix together: whole tiles of every kernel.
const PROBES_AT_ONCE: usize = 84;

/// A test recording's side of the scores.
#[derive(Debug, Clone)]
pub struct Probe {
    /// w, `(P,)`: 0 where a point says what its recording adds.
    weights: Vec<f64>,
    /// L.
    num_products: usize,
    /// c(b) + k.
    constant: f64,
}

/// Bytes of a panel of rows of `size` numbers.
pub const fn panel_bytes(size: usize) -> usize {
    PANEL_ROWS * (size + 3 * size_of::<f32>())
}

/// The enrolled points, as they lie in memory or in an index file.
#[derive(Debug, Clone, Copy)]
pub struct Gallery<'a> {
    /// Panels of [`PANEL_ROWS`] rows, the last filled up, of [`panel_bytes`] each: made by
    /// [`write_panel`].
    pub panels: &'a [u8],
    /// The points `(N, P)`; P as [`PairHead::point_size`] says.
    pub rows: &'a [f32],
    /// What [`write_panel`] gave, the largest.
    pub reach: f32,
    /// The head that made the points.
    pub head: &'a PairHead,
}

/// A row and its score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hit {
    /// Row of the gallery.
    pub row: usize,
    /// LLR, summed in f64.
    pub score: f64,
}

impl PairHead {
    /// `(P,)`: the projected test recording as a probe.
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
            constant: self.own_term(b) + f64::from(self.bias) - (prior / (1.0 - prior)).ln(),
        }
    }

    /// c(x) = Σ q_i x_i², and what the recording adds.
    pub fn own_term(&self, x: &[f32]) -> f64 {
        let (x, quality) = x.split_at(self.size());
        let squares = self.weight[self.size()..].iter().zip(x);
        let squares: f64 = squares
            .map(|(&q, &x)| f64::from(q) * f64::from(x) * f64::from(x))
            .sum();
        squares + quality.iter().map(|&v| f64::from(v)).sum::<f64>()
    }
}

impl Probe {
    /// |w|, not less than it is.
    fn norm(&self) -> f32 {
        let squares: f64 = self.weights.iter().map(|w| w * w).sum();
        (squares.sqrt() as f32).next_up()
    }

    /// `(L + 2,)`: its inner product with [`vector`] is the LLR, where it lies above the head's knee.
    pub fn vector(&self) -> impl Iterator<Item = f32> {
        let products = self.weights[..self.num_products].iter();
        let weights = products.map(|&w| w as f32);
        weights.chain([1.0, self.constant as f32])
    }
}

/// `(L + 2,)`: an enrolled point, for a search by inner product with [`Probe::vector`].
pub fn vector(head: &PairHead, row: &[f32]) -> impl Iterator<Item = f32> {
    let own = head.own_term(row) as f32;
    row[..head.size()].iter().copied().chain([own, 1.0])
}

/// Writes up to [`PANEL_ROWS`] points `(R, P)` as a panel; the largest of what their scores are
/// summed from, |a| + e + |c(a)|. A point that is not finite gets no place among the hits.
pub fn write_panel(head: &PairHead, rows: &[f32], panel: &mut [u8]) -> f32 {
    let size = head.point_size();
    let (cells, facts) = panel.split_at_mut(PANEL_ROWS * size);
    cells.fill(0);
    // (3, PANEL_ROWS): scale, constant, residual.
    let mut values = [[0.0f32; PANEL_ROWS]; 3];
    values[1] = [f32::NEG_INFINITY; PANEL_ROWS];
    let mut reach = 0.0f32;
    for (r, point) in rows.chunks_exact(size).enumerate() {
        // What the recording adds is no coordinate: its cells stay 0.
        let row = &point[..head.size()];
        let largest = row.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        if !point.iter().all(|v| v.is_finite()) || !(largest / 127.0).is_normal() {
            continue;
        }
        let scale = largest / 127.0;
        let (mut length, mut residual) = (0.0f64, 0.0f64);
        for (i, &value) in row.iter().enumerate() {
            let cell = (value / scale).round() as i8;
            cells[i * PANEL_ROWS + r] = cell as u8;
            length += f64::from(value).powi(2);
            residual += (f64::from(value) - f64::from(scale) * f64::from(cell)).powi(2);
        }
        values[0][r] = scale;
        values[1][r] = (head.own_term(point) as f32).next_up();
        values[2][r] = (residual.sqrt() as f32).next_up();
        reach = reach.max(length.sqrt() as f32 + values[2][r] + values[1][r].abs());
    }
    facts.copy_from_slice(bytemuck::cast_slice(&values));
    reach
}

impl Gallery<'_> {
    /// P.
    fn size(&self) -> usize {
        self.head.point_size()
    }

    /// The `top` best rows for each probe, best first; of equal ones the first row first.
    pub fn search(&self, probes: &[Probe], top: usize) -> Vec<Vec<Hit>> {
        let num_panels = self.panels.len() / panel_bytes(self.size());
        // One share a thread: a share has to find its own best before it can leave rows out.
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
                if let Some(knee) = self.head.knee {
                    let hits = best.hits.iter_mut();
                    hits.for_each(|hit| hit.score = bend(hit.score, knee.into()));
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
        // Below these no row can enter. In the first panel every row may.
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

    /// How far the f32 sums of the first stage may stray, all their terms together being no larger
    /// than the row's and the probe's lengths allow; infinite where f32 might overflow.
    fn slack(&self, norm: f32) -> f64 {
        if !(norm < 1e15 && self.reach < 1e15) {
            return f64::INFINITY;
        }
        let roundings = (self.size() + 8) as f64 * f64::from(f32::EPSILON);
        roundings * (f64::from(norm) + 1.0) * f64::from(self.reach)
    }

    /// The line's LLR of a row, summed in f64.
    fn score(&self, probe: &Probe, row: usize) -> f64 {
        let row = &self.rows[row * self.size()..][..self.size()];
        let products = probe.weights.iter().zip(row);
        let sum: f64 = products.map(|(w, &a)| w * f64::from(a)).sum();
        sum + self.head.own_term(row) + probe.constant
    }
}

/// The best hits so far.
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

    /// The score to beat, once there are enough.
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
