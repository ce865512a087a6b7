#![allow(missing_docs, unsafe_code)]
use rayon::prelude::*;
use spkver::{
    audio::{self, ReadOptions, Waveform},
    features::Features,
    storage::model,
    verifier::{Embedding, Verifier},
};
use std::{collections::BTreeMap, path::Path};
fn eer(t: &mut Vec<f32>, n: &mut Vec<f32>) -> f64 {
    t.sort_by(f32::total_cmp);
    n.sort_by(f32::total_cmp);
    let mut best = (f64::MAX, 0.0);
    for (i, th) in t.iter().enumerate() {
        let miss = i as f64 / t.len() as f64;
        let fa = (n.len() - n.partition_point(|x| x < th)) as f64 / n.len() as f64;
        if (miss - fa).abs() < best.0 {
            best = ((miss - fa).abs(), (miss + fa) / 2.0);
        }
    }
    best.1
}
fn main() {
    let root = Path::new("/work/shared/speech");
    let mut lists: Vec<(String, Vec<(bool, String, String)>)> = vec![];
    for name in ["alnum", "arabic", "dsp", "librimp3", "ocean"] {
        let text = std::fs::read_to_string(root.join(format!("trials/dev-{name}.txt"))).unwrap();
        lists.push((
            name.into(),
            text.lines()
                .map(|l| {
                    let p: Vec<&str> = l.split_whitespace().collect();
                    (p[0] == "1", p[1].into(), p[2].into())
                })
                .collect(),
        ));
    }
    let base: Verifier = match std::env::var("MODEL") {
        Ok(p) => model::load(Path::new(&p)).unwrap(),
        Err(_) => model::embedded().unwrap(),
    };
    let mut files: Vec<String> = lists
        .iter()
        .flat_map(|(_, l)| l.iter().flat_map(|t| [t.1.clone(), t.2.clone()]))
        .collect();
    files.sort();
    files.dedup();
    let waves: Vec<Option<Waveform>> = files
        .par_iter()
        .map(|f| {
            audio::read(&root.join(f), &ReadOptions::default())
                .or_else(|_| audio::read(&root.join("trials").join(f), &ReadOptions::default()))
                .ok()
        })
        .collect();
    println!(
        "{} files, {} read",
        files.len(),
        waves.iter().flatten().count()
    );
    let features: Vec<Option<Features>> = waves
        .iter()
        .map(|w| w.as_ref().map(|w| base.mfcc().extract(w)))
        .collect();
    let index: BTreeMap<&str, usize> = files
        .iter()
        .enumerate()
        .map(|(i, f)| (f.as_str(), i))
        .collect();
    let embed = |v: &Verifier| -> Vec<Option<Embedding>> {
        features
            .iter()
            .map(|f| {
                f.as_ref()
                    .filter(|f| f.num_frames() >= v.model().network.receptive_field())
                    .map(|f| Embedding::new(v.model().network.embed(f), v.id()).unwrap())
            })
            .collect()
    };
    let scores = |v: &Verifier, e: &[Option<Embedding>]| -> Vec<Vec<Option<f32>>> {
        lists
            .iter()
            .map(|(_, l)| {
                l.iter()
                    .map(|t| {
                        let (a, b) = (
                            e[index[t.1.as_str()]].as_ref()?,
                            e[index[t.2.as_str()]].as_ref()?,
                        );
                        Some(v.llr(&[a], b).0)
                    })
                    .collect()
            })
            .collect()
    };
    let report = |what: &str, s: &[Vec<Option<f32>>], base: Option<&[Vec<Option<f32>>]>| {
        print!("{what:40}");
        for (i, (_, l)) in lists.iter().enumerate() {
            let mut t = vec![];
            let mut n = vec![];
            for (trial, s) in l.iter().zip(&s[i]) {
                if let Some(s) = s {
                    if trial.0 { t.push(*s) } else { n.push(*s) }
                }
            }
            print!(" {:6.3}", 100.0 * eer(&mut t, &mut n));
        }
        if let Some(b) = base {
            let d: Vec<f64> = s
                .iter()
                .flatten()
                .zip(b.iter().flatten())
                .filter_map(|(a, b)| Some((a.as_ref()? - b.as_ref()?) as f64))
                .collect();
            let flips = s
                .iter()
                .flatten()
                .zip(b.iter().flatten())
                .filter(|(a, b)| a.is_some_and(|a| a > 0.0) != b.is_some_and(|b| b > 0.0))
                .count();
            print!(
                "  dLLR rms {:.3} max {:.2} flips {flips}/{}",
                (d.iter().map(|x| x * x).sum::<f64>() / d.len() as f64).sqrt(),
                d.iter().fold(0.0f64, |a, b| a.max(b.abs())),
                d.len()
            );
        }
        println!();
    };
    println!("{:40} alnum arabic dsp mp3 ocean", "");
    let e = embed(&base);
    let s0 = scores(&base, &e);
    report("f32", &s0, None);
    let fixtures: Vec<Features> = ["anna-1", "boris-1", "chloe-1", "felix-1"]
        .iter()
        .map(|n| {
            base.mfcc().extract(
                &audio::read(
                    Path::new(&format!("fixtures/voices/{n}.wav")),
                    &ReadOptions::default(),
                )
                .unwrap(),
            )
        })
        .collect();
    let pick = |p: &str, n: usize| -> Vec<Features> {
        files
            .iter()
            .zip(&features)
            .filter(|(f, x)| f.contains(p) && x.as_ref().is_some_and(|x| x.num_frames() > 200))
            .step_by(7)
            .take(n)
            .filter_map(|(_, x)| x.clone())
            .collect()
    };
    println!(
        "artificial frames {:?}",
        base.artificial()
            .iter()
            .map(|f| f.num_frames())
            .collect::<Vec<_>>()
    );
    for (what, cal) in [
        ("artificial", base.artificial()),
        ("fixtures", fixtures),
        ("ocean x8", pick("ocean", 8)),
    ] {
        for (margin, power) in [
            ("3", "1"),
            ("3", "0.75"),
            ("4.5", "1"),
            ("4.5", "0.75"),
            ("6", "1"),
            ("9", "1"),
        ] {
            unsafe {
                std::env::set_var("MARGIN", margin);
                std::env::set_var("POWER", power);
            }
            let mut v = match std::env::var("MODEL") {
                Ok(p) => model::load(Path::new(&p)).unwrap(),
                Err(_) => model::embedded().unwrap(),
            };
            v.network_mut().quantise(&cal);
            let e = embed(&v);
            report(
                &format!("{what} margin {margin} power {power}"),
                &scores(&v, &e),
                Some(&s0),
            );
        }
    }
}
