//! The projection of a pair head: makes embeddings comparable, as the first step of a score.
//!
//! An embedding is centred, whitened (`u = W(x − mean)`) and scaled to length sqrt(V). Embeddings of
//! several networks form g groups of V/g values, each scaled separately to sqrt(V/g).

use super::products::dot;
use std::borrow::Cow;
use zeroize::Zeroizing;

/// Parameters of the projection. D is the size of an embedding, V the size of its projection.
#[derive(Debug, Clone, PartialEq)]
pub struct Projection {
    /// (D,)
    pub mean: Vec<f32>,
    /// W, (V, D) row-major; None for the identity, where V = D.
    pub whiten: Option<Vec<f32>>,
    /// g: number of groups of the whitened embedding that are scaled separately.
    pub groups: usize,
}

impl Projection {
    /// The projection with all of the embedding in one group.
    pub fn new(mean: Vec<f32>, whiten: Option<Vec<f32>>) -> Self {
        Projection {
            mean,
            whiten,
            groups: 1,
        }
    }

    /// A projection that only scales: an embedding of `size` numbers, in `groups` groups.
    pub fn identity(size: usize, groups: usize) -> Self {
        Projection {
            mean: vec![0.0; size],
            whiten: None,
            groups,
        }
    }

    /// D.
    pub fn embedding_size(&self) -> usize {
        self.mean.len()
    }

    /// V.
    pub fn size(&self) -> usize {
        let whiten = self.whiten.as_ref();
        whiten.map_or(self.mean.len(), |w| w.len() / self.mean.len().max(1))
    }

    /// Whether the sizes fit embeddings of `embedding_size` numbers.
    pub(super) fn fits(&self, embedding_size: usize) -> bool {
        let size = self.size();
        let whiten = self.whiten.as_ref();
        self.mean.len() == embedding_size
            && size > 0
            && whiten.is_none_or(|w| w.len() == size * embedding_size)
            // False for 0 groups.
            && size.is_multiple_of(self.groups)
    }

    /// Whether all numbers are finite.
    pub(super) fn is_finite(&self) -> bool {
        let whiten = self.whiten.as_deref().unwrap_or_default();
        self.mean.iter().chain(whiten).all(|v| v.is_finite())
    }

    /// u = W(x − mean), `(D,) -> (V,)`. Numbers beyond D are left out.
    pub(super) fn whitened(&self, embedding: &[f32]) -> Zeroizing<Vec<f32>> {
        // Reveals as much about the voice as the embedding itself.
        let centred: Zeroizing<Vec<f32>> = Zeroizing::new(
            embedding
                .iter()
                .zip(&self.mean)
                .map(|(x, m)| x - m)
                .collect(),
        );
        let Some(whiten) = &self.whiten else {
            return centred;
        };
        let rows = whiten.chunks_exact(self.mean.len());
        Zeroizing::new(rows.map(|row| dot(row, &centred)).collect())
    }

    /// Scales each group to length sqrt(V/g), `(V,) -> (V,)`.
    pub(super) fn scale(&self, u: &mut [f32]) {
        let size = u.len() / self.groups;
        u.chunks_exact_mut(size).for_each(scale_to_sqrt_len);
    }

    /// Mean of ln|u| over the groups of a whitened embedding. `(V,) -> 1`
    pub(super) fn mean_ln_length(&self, u: &[f32]) -> f32 {
        let groups = u.chunks_exact(u.len() / self.groups);
        groups.map(|u| 0.5 * dot(u, u).ln()).sum::<f32>() / self.groups as f32
    }

    /// W, (V, D) row-major, written out even if it is the identity.
    pub fn whitening(&self) -> Cow<'_, [f32]> {
        self.whiten.as_deref().map_or_else(
            || {
                let size = self.mean.len();
                let mut identity = vec![0.0; size * size];
                let diagonal = identity.iter_mut().step_by(size + 1);
                diagonal.for_each(|value| *value = 1.0);
                identity.into()
            },
            Cow::from,
        )
    }
}

/// Scales `v` to length sqrt(L). NaN if it has no direction: its length is 0, or overflows. (A
/// scale of 0 would give the score of an average voice.)
fn scale_to_sqrt_len(v: &mut [f32]) {
    let squared = dot(v, v);
    let scale = if squared.is_normal() {
        (v.len() as f32 / squared).sqrt()
    } else {
        f32::NAN
    };
    v.iter_mut().for_each(|x| *x *= scale);
}
