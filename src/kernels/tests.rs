//! Compares every instance that the CPU has with the reference, at sizes that leave partial vectors
//! and tiles.

use super::*;

/// Error of an f32 sum of n products against an f64 sum: n·2⁻²⁴ of the terms' size, with a margin.
const TOLERANCE: f32 = 2e-5;

pub(super) fn noise(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..len).map(|_| next()).collect()
}

/// All instances that this CPU can run. Prints which are skipped.
pub(super) fn every_instance() -> Vec<Table> {
    let tables = instances();
    for name in ["avx2", "avx512"] {
        if !tables.iter().any(|table| table.name == name) {
            println!("SKIPPED: kernels of {name}, which this CPU does not have");
        }
    }
    tables
}

fn assert_close(got: &[f32], wanted: &[f32], size: f32, what: &str) {
    for (i, (g, w)) in got.iter().zip(wanted).enumerate() {
        assert!(
            (g - w).abs() <= TOLERANCE * size,
            "{what}: [{i}] {g} instead of {w}"
        );
    }
}

#[test]
fn affine_agrees_with_the_reference_at_awkward_sizes() {
    for table in every_instance() {
        for rows in [0, 1, 2, 3, 5, 6, 7, 13, 14, 15, 17, 29, 301] {
            for (c_in, c_out) in [
                (1, 1),
                (3, 11),
                (5, 12),
                (7, 13),
                (16, 31),
                (33, 32),
                (2, 67),
            ] {
                for (taps, stride, dilation) in [(1, 1, 1), (3, 1, 2), (2, 3, 1)] {
                    let frames = (rows.max(1) - 1) * stride + (taps - 1) * dilation + 1;
                    let x = noise(frames * c_in, 1);
                    let weight = noise(c_out * c_in * taps, 2);
                    let weights = Packed::from_pytorch(
                        (c_out, c_in, taps),
                        table.nr,
                        &weight,
                        &noise(c_out, 3),
                    );
                    let steps = Steps {
                        stride,
                        dilation,
                        relu: rows % 2 == 0,
                    };
                    let mut got = vec![f32::NAN; rows * c_out];
                    (table.affine)(&x, &weights, steps, &mut got);
                    let mut wanted = vec![f32::NAN; rows * c_out];
                    reference::affine(&x, &weights, steps, &mut wanted);
                    let what = format!("{} {rows} rows {c_in}->{c_out} k{taps}", table.name);
                    assert_close(&got, &wanted, (c_in * taps) as f32, &what);
                }
            }
        }
    }
}

#[test]
fn outer_agrees_with_the_reference_at_awkward_sizes() {
    for table in every_instance() {
        for frames in [0, 1, 2, 17] {
            for (c_in, c_out) in [(1, 1), (3, 11), (14, 32), (15, 33), (29, 64), (5, 12)] {
                let (x, dy) = (noise(frames * c_in, 4), noise(frames * c_out, 5));
                let inputs = (c_in / 3, c_in);
                let job = Outer {
                    x: &x,
                    x_step: c_in,
                    inputs,
                    dy: &dy,
                    c_out,
                };
                let mut got = noise((inputs.1 - inputs.0) * c_out, 6);
                let mut wanted = got.clone();
                (table.outer)(job, &mut got);
                reference::outer(job, &mut wanted);
                let what = format!("{} {frames} frames {c_in}x{c_out}", table.name);
                assert_close(&got, &wanted, frames.max(1) as f32, &what);
            }
        }
    }
}

#[test]
fn a_nan_in_one_row_stays_in_that_row() {
    for table in every_instance() {
        let mut x = noise(20 * 8, 7);
        x[8 * 3] = f32::NAN;
        let weights = Packed::from_pytorch((9, 8, 1), table.nr, &noise(72, 8), &noise(9, 9));
        let mut y = vec![0.0; 20 * 9];
        let steps = Steps {
            stride: 1,
            dilation: 1,
            relu: false,
        };
        (table.affine)(&x, &weights, steps, &mut y);
        for (t, row) in y.chunks(9).enumerate() {
            assert_eq!(
                row.iter().all(|v| v.is_nan()),
                t == 3,
                "{} row {t}",
                table.name
            );
        }
    }
}

#[test]
fn scan_agrees_with_the_reference_at_any_number_of_probes() {
    for table in instances() {
        for num_probes in [0, 1, 2, 3, 4, 6, 7, 13, 14, 15, 29] {
            for size in [1, 2, 13, 64] {
                let numbers = noise(size * PANEL_ROWS, 1);
                let cells: Vec<i8> = numbers.iter().map(|v| (v * 127.0).round() as i8).collect();
                let mut constant = noise(PANEL_ROWS, 3);
                // As in the last panel of a store, which may have empty rows.
                constant[PANEL_ROWS - 1] = f32::NEG_INFINITY;
                let panel = Panel {
                    cells: &cells,
                    scale: &noise(PANEL_ROWS, 2),
                    constant: &constant,
                    residual: &noise(PANEL_ROWS, 4),
                };
                let (weights, norms) = (noise(num_probes * size, 5), noise(num_probes, 6));
                let probes = Probes {
                    weights: &weights,
                    norms: &norms,
                };
                let run = |kernel: fn(Panel, Probes, &mut [f32], &mut [f32])| {
                    let mut bounds = vec![f32::NAN; num_probes * PANEL_ROWS];
                    let mut peaks = vec![f32::NAN; num_probes];
                    kernel(panel, probes, &mut bounds, &mut peaks);
                    (bounds, peaks)
                };
                let (got, peaks) = run(table.scan);
                let (wanted, _) = run(reference::scan);
                let what = format!("{} {num_probes} probes of {size}", table.name);
                for (got, wanted) in got.chunks(PANEL_ROWS).zip(wanted.chunks(PANEL_ROWS)) {
                    let last = PANEL_ROWS - 1;
                    assert_eq!(got[last], f32::NEG_INFINITY, "{what}");
                    assert_close(&got[..last], &wanted[..last], 127.0 * size as f32, &what);
                }
                for (row, peak) in got.chunks(PANEL_ROWS).zip(peaks) {
                    let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                    assert_eq!(peak, largest, "{what}");
                }
            }
        }
    }
}

/// Columns `first..first + count` of a matrix with rows of `width` values.
fn columns<T: Copy>(x: &[T], width: usize, first: usize, count: usize) -> Vec<T> {
    let rows = x.chunks(width);
    let columns = rows.flat_map(|row| &row[first..][..count]);
    columns.copied().collect()
}

/// A map on slices of wider rows gives the same values and leaves the other columns unchanged.
#[test]
fn maps_stay_within_their_part_of_the_rows() {
    let steps = Steps {
        stride: 1,
        dilation: 2,
        relu: true,
    };
    let (width_in, width_out) = (40, 90);
    for table in int8_instances() {
        for rows in [1, 2, 15, 40] {
            for (c_in, c_out) in [(32, 32), (8, 67), (20, 12)] {
                let what = format!("{} {rows} rows {c_in}->{c_out}", table.name);
                let shape = (c_out, c_in, 3);
                let (weight, bias) = (noise(c_out * c_in * 3, 2), noise(c_out, 3));

                let x = noise((rows + 4) * width_in, 1);
                let packed = || Packed::from_pytorch(shape, table.nr, &weight, &bias);
                let mut wanted = vec![0.0; rows * c_out];
                (table.affine)(
                    &columns(&x, width_in, 4, c_in),
                    &packed(),
                    steps,
                    &mut wanted,
                );
                let mut y = vec![7.0; rows * width_out];
                let within = packed().within_rows(width_in, width_out);
                (table.affine)(&x[4..], &within, steps, &mut y[8..]);
                assert_eq!(columns(&y, width_out, 8, c_out), wanted, "{what}");
                let rest = columns(&y, width_out, 8 + c_out, width_out - 8 - c_out);
                assert!(rest.iter().all(|v| *v == 7.0), "{what}");

                let group = table.int8.group;
                let x: Vec<i32> = x.iter().map(|v| (v * 1e9) as i32).collect();
                let (words_in, words_out) = (c_in / group, c_out.div_ceil(group));
                let activations = |steps| Activations { steps, zero: 0 };
                let mut rounded = Rounded::default();
                rounded.add(&weight, &bias, &[2.55; 32][..c_in], &[0.0; 32]);
                let packed = || {
                    PackedInt8::from_pytorch(
                        shape,
                        (table.int8.nr, group),
                        &rounded.values,
                        &rounded.steps,
                        &rounded.bias,
                        0,
                        Some(activations(&[0.02; 67])),
                    )
                };
                // Clears the bits that hold no activation: in pairs, each has 16 bits.
                let mask = [0xFF, 0x00FF_00FF, !0][group / 2];
                let x: Vec<i32> = x.iter().map(|v| v & mask).collect();
                let mut wanted = vec![0; rows * words_out];
                let compact = columns(&x, width_in, 4, words_in);
                (table.int8.affine)(&compact, &packed(), steps, &mut wanted);
                let mut y = vec![7; rows * width_out];
                let within = packed().within_rows(width_in, width_out);
                (table.int8.affine)(&x[4..], &within, steps, &mut y[8..]);
                assert_eq!(columns(&y, width_out, 8, words_out), wanted, "{what}");
                let rest = columns(&y, width_out, 8 + words_out, width_out - 8 - words_out);
                assert!(rest.iter().all(|v| *v == 7), "{what}");
            }
        }
    }
}

/// Every instance, and AVX2 without VNNI; the reference last.
fn int8_instances() -> Vec<Table> {
    #[cfg(target_arch = "x86_64")]
    let mut tables = Vec::from_iter(x86::avx2_without_vnni());
    #[cfg(not(target_arch = "x86_64"))]
    let mut tables = vec![];
    tables.extend(instances());
    tables
}

/// Activations from words of `group`.
fn unpacked(words: &[i32], channels: usize, group: usize) -> Vec<u8> {
    let row = |words: &[i32]| -> Vec<u8> {
        let activation = |c: usize| (words[c / group] >> (c % group * (32 / group))) as u8;
        (0..channels).map(activation).collect()
    };
    words
        .chunks_exact(channels.div_ceil(group))
        .flat_map(row)
        .collect()
}

/// Applies one map with one instance to f32 inputs, and returns its u8 and f32 outputs.
fn through_int8(
    table: &Table,
    (x, frames): (&[f32], usize),
    (c_in, c_out, taps): (usize, usize, usize),
    steps: Steps,
    rows: usize,
) -> (Vec<u8>, Vec<f32>) {
    let int8 = table.int8;
    let input_steps: Vec<f32> = (0..c_in).map(|c| 1.0 / (90.0 + c as f32)).collect();
    let quantiser = Quantiser::new(&input_steps, 128);
    let mut words = vec![0; frames * c_in.div_ceil(int8.group)];
    (int8.quantise)(x, &quantiser, &mut words, c_in.div_ceil(int8.group));

    let (weight, bias) = (noise(c_out * c_in * taps, 11), noise(c_out, 12));
    let ranges: Vec<f32> = input_steps.iter().map(|step| 127.0 * step).collect();
    let mut rounded = Rounded::default();
    rounded.add(&weight, &bias, &ranges, &vec![0.1; c_in]);
    let output_steps = vec![0.02; c_out];
    let outputs = Activations {
        steps: &output_steps,
        zero: 0,
    };
    let packed = |outputs| {
        let shape = (c_out, c_in, taps);
        let layout = (int8.nr, int8.group);
        let Rounded {
            values,
            steps,
            bias,
        } = &rounded;
        PackedInt8::from_pytorch(shape, layout, values, steps, bias, 128, outputs)
    };
    let mut y = vec![i32::MIN; rows * c_out.div_ceil(int8.group)];
    (int8.affine)(&words, &packed(Some(outputs)), steps, &mut y);
    let mut floats = vec![f32::NAN; rows * c_out];
    (int8.affine_to_f32)(&words, &packed(None), steps, &mut floats);
    (unpacked(&y, c_out, int8.group), floats)
}

#[test]
fn int8_gives_the_same_bits_on_every_instance_at_awkward_sizes() {
    let tables = int8_instances();
    let (reference, fast) = tables.split_last().unwrap();
    for rows in [0, 1, 2, 3, 6, 7, 13, 14, 15, 29, 311] {
        for (c_in, c_out) in [
            (1, 1),
            (3, 11),
            (4, 12),
            (5, 13),
            (7, 16),
            (16, 31),
            (33, 32),
            (2, 67),
        ] {
            for (taps, stride, dilation) in [(1, 1, 1), (3, 1, 2), (2, 3, 1)] {
                let frames = (rows.max(1) - 1) * stride + (taps - 1) * dilation + 1;
                let x = noise(frames * c_in, 10);
                let steps = Steps {
                    stride,
                    dilation,
                    relu: rows % 2 == 0,
                };
                let shape = (c_in, c_out, taps);
                let run = |table: &Table| through_int8(table, (&x, frames), shape, steps, rows);
                let wanted = run(reference);
                for table in fast {
                    let what = format!("{} {rows} rows {c_in}->{c_out} k{taps}", table.name);
                    assert!(run(table) == wanted, "{what}");
                }
            }
        }
    }
}

#[test]
fn int8_comes_near_the_real_map() {
    let (rows, shape) = (20, (24, 10, 3));
    let x = noise((rows + 2) * 24, 10);
    let steps = Steps {
        stride: 1,
        dilation: 1,
        relu: true,
    };
    let (bytes, floats) = through_int8(table(), (&x, rows + 2), shape, steps, rows);
    let packed = Packed::from_pytorch(
        (10, 24, 3),
        table().nr,
        &noise(10 * 24 * 3, 11),
        &noise(10, 12),
    );
    let mut wanted = vec![0.0; rows * 10];
    (table().affine)(&x, &packed, steps, &mut wanted);
    for ((w, float), byte) in wanted.iter().zip(floats).zip(bytes) {
        // 72 products of numbers below 1, each factor within half a step of 1/127.
        assert!((w - float).abs() < 0.1, "{float} instead of {w}");
        assert!(
            (w.min(5.1) - f32::from(byte) * 0.02).abs() < 0.11,
            "{byte} for {w}"
        );
    }
}

#[test]
fn int8_rounds_halves_to_even_and_stays_within_a_byte() {
    for table in int8_instances() {
        let quantiser = Quantiser::new(&[1.0; 7], 128);
        let x = [0.5, 1.5, -0.5, -127.6, -1e9, 126.6, 1e9];
        let mut words = vec![0; 7usize.div_ceil(table.int8.group)];
        let stride = words.len();
        (table.int8.quantise)(&x, &quantiser, &mut words, stride);
        let bytes = unpacked(&words, 7, table.int8.group);
        assert_eq!(bytes, [128, 130, 128, 0, 0, 255, 255], "{}", table.name);
    }
}

#[test]
fn quantised_rows_may_lie_within_wider_ones() {
    let (channels, frames) = (36, 5);
    let mut quantiser = Quantiser::new(&vec![0.02; channels], 0);
    for c in 0..channels {
        quantiser.scale[c] += c as f32;
        quantiser.shift[c] += 3.0 * c as f32;
    }
    let x = noise(frames * channels, 21);
    for table in int8_instances() {
        let group = table.int8.group;
        let words = channels / group;
        let (mut rows, mut wide) = (vec![0; frames * words], vec![-1; frames * (words + 2)]);
        (table.int8.quantise)(&x, &quantiser, &mut rows, words);
        (table.int8.quantise)(&x, &quantiser, &mut wide, words + 2);
        for (row, wide) in rows.chunks(words).zip(wide.chunks(words + 2)) {
            assert_eq!(
                (row, [-1, -1]),
                (&wide[..words], [wide[words], wide[words + 1]])
            );
        }
        let bytes = unpacked(&rows, channels, group);
        for (index, byte) in bytes.iter().enumerate() {
            let c = index % channels;
            let wanted = x[index] * quantiser.scale[c] + quantiser.shift[c];
            let wanted = wanted.clamp(0.0, 255.0).round_ties_even();
            assert_eq!(f32::from(*byte), wanted, "{} at {index}", table.name);
        }
    }
}
