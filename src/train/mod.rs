//! Training. Embeddings in, pair head out: [`lda`], [`plda`], [`head`], [`calibration`].

pub mod calibration;
pub mod head;
pub mod labelled;
pub mod lda;
mod pairs;
pub mod plda;

pub use labelled::Labelled;
