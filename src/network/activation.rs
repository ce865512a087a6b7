//! Activation functions, applied elementwise and in place.

use super::Layer;
use crate::kernels;

/// An activation function f, and its derivative computed from y = f(x).
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Activation {
    /// max(x, 0)
    Relu,
    /// x, or slope·x below zero
    LeakyRelu(f32),
    /// 1/(1 + e^−x)
    Sigmoid,
    /// tanh x
    Tanh,
    /// x
    Identity,
}

impl Activation {
    /// The activation function of `layer`, if it is one.
    pub fn of(layer: &Layer) -> Option<Self> {
        match *layer {
            Layer::Relu => Some(Activation::Relu),
            Layer::LeakyRelu { negative_slope } => Some(Activation::LeakyRelu(negative_slope)),
            Layer::Sigmoid => Some(Activation::Sigmoid),
            Layer::Tanh => Some(Activation::Tanh),
            Layer::Identity => Some(Activation::Identity),
            _ => None,
        }
    }

    /// x -> f(x).
    pub fn apply(self, x: &mut [f32]) {
        match self {
            // A comparison instead of `max`, which would drop a NaN.
            Activation::Relu => x
                .iter_mut()
                .for_each(|v| *v = if *v < 0.0 { 0.0 } else { *v }),
            Activation::LeakyRelu(slope) => {
                x.iter_mut()
                    .for_each(|v| *v = if *v < 0.0 { slope * *v } else { *v });
            }
            Activation::Sigmoid => {
                x.iter_mut().for_each(|v| *v = -*v);
                (kernels::table().exp)(x);
                x.iter_mut().for_each(|v| *v = 1.0 / (1.0 + *v));
            }
            // 1 − 2/(e^2x + 1)
            Activation::Tanh => {
                x.iter_mut().for_each(|v| *v *= 2.0);
                (kernels::table().exp)(x);
                x.iter_mut().for_each(|v| *v = 1.0 - 2.0 / (1.0 + *v));
            }
            Activation::Identity => {}
        }
    }

    /// dy -> dy·f'(x), from y = f(x).
    pub fn backward(self, y: &[f32], dy: &mut [f32]) {
        let pairs = dy.iter_mut().zip(y);
        match self {
            Activation::Relu => pairs.for_each(|(d, y)| *d = if *y > 0.0 { *d } else { 0.0 }),
            Activation::LeakyRelu(slope) => {
                pairs.for_each(|(d, y)| *d = if *y > 0.0 { *d } else { slope * *d });
            }
            Activation::Sigmoid => pairs.for_each(|(d, y)| *d *= y * (1.0 - y)),
            Activation::Tanh => pairs.for_each(|(d, y)| *d *= 1.0 - y * y),
            Activation::Identity => {}
        }
    }
}
