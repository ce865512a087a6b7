//! Sizes of the convolutions in the list of layers, and the shapes of their weights.

use serde::{Deserialize, Serialize};

/// A convolution over frames: `(T, C_in) -> (T', C_out)`. Weight `(C_out, C_in/g, K)`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv1dOptions {
    /// C_in.
    pub in_channels: usize,
    /// C_out.
    pub out_channels: usize,
    /// k, in frames.
    pub kernel_size: usize,
    /// s, in frames.
    pub stride: usize,
    /// d, in frames.
    pub dilation: usize,
    /// p, in frames on each side.
    pub padding: usize,
    /// g: outputs from `i·C_out/g` on depend only on inputs from `i·C_in/g` on.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub groups: usize,
}

/// A convolution over frames and bins: `(T, F_in·C_in) -> (T', F_out·C_out)`. A frame holds the C
/// channels of bin 0, then those of bin 1, and so on. Weight `(C_out, C_in, K over bins, K over frames)`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv2dOptions {
    /// C_in.
    pub in_channels: usize,
    /// C_out.
    pub out_channels: usize,
    /// F_in.
    pub num_bins: usize,
    /// k over frames.
    pub kernel_frames: usize,
    /// k over bins.
    pub kernel_bins: usize,
    /// s over frames.
    pub stride_frames: usize,
    /// s over bins.
    pub stride_bins: usize,
    /// p, frames on each side.
    pub padding_frames: usize,
    /// p, bins on each side.
    pub padding_bins: usize,
}

pub(super) fn one() -> usize {
    1
}

pub(super) fn is_one(groups: &usize) -> bool {
    *groups == 1
}

impl Conv1dOptions {
    /// One that moves a frame at a time, without dilation, padding or groups.
    pub fn new(in_channels: usize, out_channels: usize, kernel_size: usize) -> Self {
        Conv1dOptions {
            in_channels,
            out_channels,
            kernel_size,
            stride: 1,
            dilation: 1,
            padding: 0,
            groups: 1,
        }
    }

    /// d(k−1): distance in frames from the first tap of the kernel to the last.
    pub(super) fn reach(&self) -> usize {
        self.dilation * (self.kernel_size - 1)
    }

    /// Fewest input frames that give one output frame.
    pub(super) fn fewest_frames(&self) -> usize {
        (self.reach() + 1).saturating_sub(2 * self.padding)
    }

    pub(super) fn weight_shape(&self) -> Vec<usize> {
        let group_inputs = self.in_channels / self.groups;
        vec![self.out_channels, group_inputs, self.kernel_size]
    }
}

impl Conv2dOptions {
    /// One with a square kernel that moves a frame and a bin at a time, padded by half of the kernel.
    pub fn new(in_channels: usize, out_channels: usize, num_bins: usize, kernel: usize) -> Self {
        Conv2dOptions {
            in_channels,
            out_channels,
            num_bins,
            kernel_frames: kernel,
            kernel_bins: kernel,
            stride_frames: 1,
            stride_bins: 1,
            padding_frames: kernel / 2,
            padding_bins: kernel / 2,
        }
    }

    /// T' of T frames.
    pub fn num_frames(&self, frames: usize) -> usize {
        conv1d_frames(
            frames,
            self.kernel_frames,
            self.stride_frames,
            1,
            self.padding_frames,
        )
    }

    /// F_out = floor((F_in + 2p − k)/s) + 1.
    pub fn out_bins(&self) -> usize {
        conv1d_frames(
            self.num_bins,
            self.kernel_bins,
            self.stride_bins,
            1,
            self.padding_bins,
        )
    }

    /// F_in·C_in.
    pub fn frame_size(&self) -> usize {
        self.num_bins * self.in_channels
    }

    /// Fewest input frames that give one output frame.
    pub(super) fn fewest_frames(&self) -> usize {
        self.kernel_frames.saturating_sub(2 * self.padding_frames)
    }

    pub(super) fn weight_shape(&self) -> Vec<usize> {
        vec![
            self.out_channels,
            self.in_channels,
            self.kernel_bins,
            self.kernel_frames,
        ]
    }
}

/// Output frames of a Conv1d: floor((T + 2p − d(k−1) − 1)/s) + 1, or 0 where T is too small.
pub fn conv1d_frames(
    frames: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
    padding: usize,
) -> usize {
    let span = dilation * (kernel - 1) + 1;
    if frames + 2 * padding < span {
        0
    } else {
        (frames + 2 * padding - span) / stride + 1
    }
}
