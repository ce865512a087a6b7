//! Detects accumulators that the compiler spills to memory: counts the instructions in the inner
//! loop of each instance's affine kernel, in the disassembly of the library built for this test.
//! When a tile no longer fits the registers, the count rises by half and the speed drops to a
//! third.
//!
//! This needs only `objdump` from binutils, which comes with the linker, and works for AVX-512 on
//! every CPU; callgrind cannot run AVX-512.

use std::{collections::HashMap, path::PathBuf, process::Command};

/// One tile's loop over the inputs.
struct Tile {
    /// Part of the function's symbol, with the lengths that either mangling puts before names.
    function: &'static str,
    /// The vectors it multiplies.
    register: &'static str,
    /// Products of one turn: MR · NV. Tells the full tile from the lower ones.
    num_products: usize,
    /// Instructions of one turn, measured with Rust 1.95.
    num_instructions: usize,
}

const fn tile(
    function: &'static str,
    register: &'static str,
    num_products: usize,
    num_instructions: usize,
) -> Tile {
    Tile {
        function,
        register,
        num_products,
        num_instructions,
    }
}

const TILES: [Tile; 6] = [
    tile("x8612avx512_table6affine", "%zmm", 28, 52),
    tile("x8612avx512_table5outer", "%zmm", 28, 50),
    tile("x8610avx2_table6affine", "%ymm", 12, 24),
    tile("x8610avx2_table5outer", "%ymm", 12, 26),
    // Without FMA a product is two instructions.
    tile("kernels6affine6affine", "%xmm", 9, 35),
    tile("kernels5outer5outer", "%xmm", 9, 37),
];

/// Of the instructions per product.
const ALLOWED_REGRESSION: f64 = 1.10;

#[derive(Debug, Clone, PartialEq)]
struct Instruction {
    address: u64,
    text: String,
}

impl Instruction {
    /// Of a jump within the function.
    fn target(&self) -> Option<u64> {
        let rest = self.text.strip_prefix('j')?;
        let target = rest.split_whitespace().nth(1)?;
        u64::from_str_radix(target, 16).ok()
    }

    fn is_product(&self, register: &str) -> bool {
        let name = self.text.split_whitespace().next().unwrap_or("");
        let multiplies = ["vfmadd", "vmulps", "mulps"];
        multiplies.iter().any(|m| name.starts_with(m))
            && name.ends_with("ps")
            && self.text.contains(register)
    }
}

/// Instructions by symbol, of the functions with a tile in them.
fn disassemble<'a>(
    objdump_lines: impl Iterator<Item = &'a str>,
) -> HashMap<String, Vec<Instruction>> {
    let mut functions: HashMap<String, Vec<Instruction>> = HashMap::new();
    let mut current = None;
    for line in objdump_lines {
        if let Some(head) = line.strip_suffix(">:") {
            let (_, symbol) = head.split_once('<').unwrap_or_default();
            current = TILES
                .iter()
                .any(|tile| symbol.contains(tile.function))
                .then(|| symbol.to_string());
        } else if let (Some(symbol), Some((address, text))) = (&current, line.split_once(":\t"))
            && let Ok(address) = u64::from_str_radix(address.trim(), 16)
        {
            let text = text.to_string();
            let instructions = functions.entry(symbol.clone()).or_default();
            instructions.push(Instruction { address, text });
        }
    }
    functions
}

/// Bodies of the loops that have no loop inside.
fn innermost_loops(function: &[Instruction]) -> Vec<&[Instruction]> {
    let jumps_back = |i: usize| {
        let target = function[i].target()?;
        let first = function[..=i].iter().position(|x| x.address == target)?;
        Some(first)
    };
    let loops: Vec<(usize, usize)> = (0..function.len())
        .filter_map(|last| Some((jumps_back(last)?, last)))
        .collect();
    loops
        .iter()
        .filter(|(first, last)| {
            let inside = |(f, l): &&(usize, usize)| f >= first && l < last;
            !loops.iter().any(|other| inside(&other))
        })
        .map(|&(first, last)| &function[first..=last])
        .collect()
}

/// The library that this test was linked with: the newest beside it.
fn library() -> PathBuf {
    let folder = std::env::current_exe().unwrap().with_file_name("");
    let files = std::fs::read_dir(folder).unwrap().flatten();
    let libraries = files.filter(|file| {
        let name = file.file_name().to_string_lossy().into_owned();
        name.starts_with("libspkver-") && name.ends_with(".rlib")
    });
    let newest = libraries.max_by_key(|file| file.metadata().and_then(|m| m.modified()).unwrap());
    newest.expect("the library was built").path()
}

/// What objdump prints of the library.
fn objdump(options: &[&str]) -> Option<String> {
    let output = Command::new("objdump")
        .args(options)
        .arg(library())
        .output()
        .ok()?;
    assert!(output.status.success());
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Sections of the library that hold the functions with a tile. Disassembling these alone takes
/// less than a second; the whole library takes more than a minute.
fn sections() -> Option<Vec<String>> {
    let headers = objdump(&["-h", "-w"])?;
    let names = headers
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1));
    let with_a_tile = |name: &&str| TILES.iter().any(|tile| name.contains(tile.function));
    Some(names.filter(with_a_tile).map(String::from).collect())
}

#[test]
fn the_tiles_stay_in_registers() {
    if !cfg!(target_arch = "x86_64") || cfg!(debug_assertions) {
        println!("SKIPPED: the tiles' instructions are counted on x86-64 in release builds only");
        return;
    }
    let Some(sections) = sections() else {
        println!("SKIPPED: no objdump here (binutils): the tiles' instructions are not counted");
        return;
    };
    let mut options = vec!["-d", "--no-show-raw-insn"];
    for section in &sections {
        options.extend(["-j", section]);
    }
    let text = objdump(&options).expect("objdump was found before");
    let functions = disassemble(text.lines());

    let mut faults = vec![];
    for tile in &TILES {
        let mut found = false;
        let named = functions
            .iter()
            .filter(|(symbol, _)| symbol.contains(tile.function));
        for (symbol, function) in named {
            for body in innermost_loops(function) {
                let products = body.iter().filter(|i| i.is_product(tile.register)).count();
                if products != tile.num_products {
                    continue;
                }
                found = true;
                let spills = body.iter().filter(|i| i.text.contains("(%rsp")).count();
                println!(
                    "{}: {} instructions for {products} products, {spills} with the stack",
                    tile.function,
                    body.len()
                );
                if body.len() as f64 > tile.num_instructions as f64 * ALLOWED_REGRESSION {
                    faults.push(format!(
                        "{symbol}: {} instructions for {products} products, {spills} of them with the \
                         stack; {} were measured before",
                        body.len(),
                        tile.num_instructions
                    ));
                }
            }
        }
        if !found {
            faults.push(format!(
                "{}: no loop of {} products with {}; if the kernel has another shape now, measure \
                 again and change TILES",
                tile.function, tile.num_products, tile.register
            ));
        }
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

#[test]
fn the_reader_of_disassembly_finds_inner_loops_and_spills() {
    let text = "\
0000000000000000 <_ZN6spkver7kernels3x8610avx2_table6affine17h0123456789abcdefE>:
   0:\txor    %eax,%eax
   4:\tvbroadcastss (%rsi,%rax,4),%ymm3
   a:\tvfmadd231ps %ymm1,%ymm3,%ymm0
   f:\tvmovups %ymm0,0x20(%rsp)
  14:\tcmp    %rax,%rdx
  17:\tjne    4 <_ZN6spkver7kernels3x8610avx2_table6affine17h0123456789abcdefE+0x4>
  19:\tcmp    %rax,%rcx
  1c:\tjne    0 <_ZN6spkver7kernels3x8610avx2_table6affine17h0123456789abcdefE>
  1e:\tret
";
    let functions = disassemble(text.lines());
    let function = functions.values().next().unwrap();
    assert_eq!(function.len(), 9);
    let loops = innermost_loops(function);
    assert_eq!(loops.len(), 1);
    assert_eq!(loops[0].len(), 5);
    let products = loops[0].iter().filter(|i| i.is_product("%ymm")).count();
    assert_eq!(products, 1);
}
