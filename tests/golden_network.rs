//! Compares network outputs with those of PyTorch (`fixtures/golden/make_network.py`).

mod golden;

/// Largest difference allowed, on embeddings of up to ±4 that PyTorch computed in f64. Measured:
/// 1.5e-6, with f32 sums of up to 256 products, six layers deep.
const TOLERANCE: f32 = 1e-5;

#[test]
fn every_layer_kind_agrees_with_pytorch() {
    for case in golden::cases() {
        let (embedding, wanted) = (case.network.embed(&case.input), &case.output);
        assert_eq!(embedding.len(), wanted.len(), "{}", case.name);
        let mut largest = 0f32;
        for (got, wanted) in embedding.iter().zip(wanted) {
            let difference = (got - wanted).abs();
            // A NaN fails as well.
            assert!(
                difference <= TOLERANCE,
                "{}: {got}, not {wanted}",
                case.name
            );
            largest = largest.max(difference);
        }
        println!("{}: largest difference {largest:.1e}", case.name);
    }
}
