//! How many host instructions the translator makes of the bench's six loops, on x86-64 and AArch64, counted in the code and not
//! timed: a change that makes a loop longer is seen here on any machine. The figures are in `counts.txt`.
//!
//! A change that makes them better, or worse for a good reason: `BLESS=1` rewrites the file, and the commit says why. The guest's
//! code is in `loops-64.hex` and `loops-32.hex`, so that all count the same; it is what GCC 12 makes of `tests/bench/loops.c`
//! with the options of `tests/x86/src/bench.rs`: sections with their addresses, from `readelf -S` and `nm`.

use backend_jit::{JitVcpu, Options};
use frontend_x86::model::Model;
use iced_x86::{Decoder, DecoderOptions, FlowControl};
use lyrebird_core::cpu::segment::Segment;
use lyrebird_core::{Budget, Exit, NoBus, Signals, Vcpu};
use lyrebird_memory::{GuestMemory, Region, Target};
use std::collections::HashMap;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

const BASE: u64 = 0x1000_0000;
const BYTES: u64 = 0x40_0000;
const STACK: u64 = BASE + 0x3f_f000;
const END: u64 = BASE + 0x3f_f800;
const LOOPS: [&str; 6] = ["sieve", "copy", "sha256", "records", "sort", "crc"];
/// How often the guest is looked at, and after how many instructions each.
const LOOKS: usize = 1500;
const STEP: u64 = 997;

/// Guest code: functions by name, and pieces by address.
struct Guest {
    functions: HashMap<String, u64>,
    pieces: Vec<(u64, Vec<u8>)>,
}

fn guest(bits: u32) -> Guest {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("loops-{bits}.hex"));
    let (mut functions, mut pieces) = (HashMap::new(), Vec::<(u64, Vec<u8>)>::new());
    for line in std::fs::read_to_string(path).unwrap().lines().filter(|line| !line.starts_with('#')) {
        let hex = |text: &str| u64::from_str_radix(text, 16).unwrap();
        if let Some(address) = line.strip_prefix('@') {
            pieces.push((hex(address), Vec::new()));
        } else if let Some((name, address)) = line.split_once(' ') {
            functions.insert(name.into(), hex(address));
        } else {
            let bytes = (0..line.len()).step_by(2).map(|n| hex(&line[n..n + 2]) as u8);
            pieces.last_mut().unwrap().1.extend(bytes);
        }
    }
    Guest { functions, pieces }
}

/// Runs a loop until it is compiled, perhaps for a machine with several CPUs, and gives the address at which it is found most often.
fn hottest(guest: &Guest, bits: u32, name: &str, shared: bool) -> (JitVcpu, u64) {
    let memory = Arc::new(GuestMemory::new());
    for (base, bytes) in [(BASE, BYTES), (0, 0x3000)] {
        let block = memory.add_block("ram", bytes).unwrap();
        memory.map(Region { base, bytes, priority: 0, target: Target::Ram { block, offset: 0 } });
    }
    guest.pieces.iter().for_each(|(at, bytes)| memory.write(*at, bytes).unwrap());
    let model = Arc::new(Model::by_name("max").unwrap());
    let options = Options { threshold: 1000, background: false, shared, ..Options::default() };
    let mut vcpu = JitVcpu::new(0, model, memory.clone(), Signals::new(), options).unwrap();
    let mut state = vcpu.state();
    let flat = |selector, attributes| Segment { selector, base: 0, limit: u32::MAX, attributes };
    state.seg = [flat(0x10, 0xc093); 6];
    state.seg[1] = flat(8, if bits == 64 { 0xa09b } else { 0xc09b });
    (state.cr0, state.cr4, state.rip) = (0x33, 0x600, guest.functions[&format!("loop_{name}")]);
    state.gpr[4] = STACK - 8;
    memory.write_uint(STACK - 8, 8, END).unwrap();
    let often = 1_000_000;
    if bits == 64 {
        state.gpr[7] = often;
        memory.write_uint(0, 8, 0x1003).unwrap();
        memory.write_uint(0x1000, 8, 0x2003).unwrap();
        for page in 0..512 {
            memory.write_uint(0x2000 + page * 8, 8, page << 21 | 0x83).unwrap();
        }
        (state.cr0, state.cr4, state.efer) = (0x8000_0033, 0x620, 0x500);
    } else {
        memory.write_uint(STACK - 4, 4, often).unwrap();
    }
    vcpu.set_state(&state);
    let mut found: HashMap<u64, usize> = HashMap::new();
    assert_eq!(vcpu.run(&mut NoBus, Budget::about(20_000_000)), Exit::Budget);
    for _ in 0..LOOKS {
        assert_eq!(vcpu.run(&mut NoBus, Budget::about(STEP)), Exit::Budget);
        *found.entry(vcpu.state().rip).or_default() += 1;
    }
    let (address, _) = found.into_iter().max_by_key(|(address, count)| (*count, *address)).unwrap();
    (vcpu, address)
}

/// A host instruction.
struct Step {
    /// Its offset.
    at: u64,
    /// Where it jumps inside.
    target: Option<u64>,
    /// The next one may be executed after it.
    goes_on: bool,
}

/// The instructions of code.
fn x86(code: &[u8]) -> Vec<Step> {
    let mut decoder = Decoder::with_ip(64, code, 0, DecoderOptions::NONE);
    let mut found = Vec::new();
    while decoder.can_decode() {
        let i = decoder.decode();
        if i.is_invalid() {
            break; // constants behind the code
        }
        use FlowControl::{ConditionalBranch, IndirectBranch, Return, UnconditionalBranch};
        let jump = matches!(i.flow_control(), ConditionalBranch | UnconditionalBranch);
        let goes_on = !matches!(i.flow_control(), UnconditionalBranch | IndirectBranch | Return);
        found.push(Step { at: i.ip(), target: jump.then(|| i.near_branch_target()), goes_on });
    }
    found
}

/// The same for people: set `SHOW=64-copy`, say, to see a loop's code.
fn x86_text(code: &[u8]) -> String {
    let decoder = Decoder::with_ip(64, code, 0, DecoderOptions::NONE);
    decoder.into_iter().map(|i| format!("{:5x}  {i}\n", i.ip())).collect()
}

/// The same: B, B.cond, CBZ, CBNZ, TBZ and TBNZ, BR and RET of the Arm ARM, chapter C4.1.
fn aarch64(code: &[u8]) -> Vec<Step> {
    let words = code.chunks_exact(4).map(|bytes| u32::from_le_bytes(bytes.try_into().unwrap()));
    let signed = |word: u32, low: u32, bits: u32| i64::from((word << (32 - low - bits)) as i32 >> (32 - bits)) * 4;
    let one = |(n, word): (usize, u32)| {
        let at = 4 * n as u64;
        let distance = match word >> 24 {
            0x14..=0x17 => Some(signed(word, 0, 26)),
            0x54 | 0x34 | 0x35 | 0xb4 | 0xb5 => Some(signed(word, 5, 19)),
            0x36 | 0x37 | 0xb6 | 0xb7 => Some(signed(word, 5, 14)),
            _ => None,
        };
        let goes_on = !matches!(word >> 24, 0x14..=0x17) && !matches!(word >> 10, 0x35_87c0 | 0x35_97c0);
        Step { at, target: distance.map(|distance| at.wrapping_add_signed(distance)), goes_on }
    };
    words.enumerate().map(one).collect()
}

/// Whether the code comes to one instruction without another one.
fn comes_past(code: &[Step], to: usize, without: usize) -> bool {
    let (mut seen, mut next) = (vec![false; code.len()], vec![0]);
    while let Some(n) = next.pop() {
        if n == without || n >= code.len() || std::mem::replace(&mut seen[n], true) {
            continue;
        }
        next.extend(code[n].target.and_then(|target| code.binary_search_by_key(&target, |step| step.at).ok()));
        next.extend(code[n].goes_on.then_some(n + 1));
    }
    seen[to]
}

/// How many instructions each innermost loop has: from a jump's target that lies before it to the jump. What comes back from code
/// that is seldom executed, behind the rest, makes no loop.
fn loops(code: &[Step]) -> Vec<usize> {
    let backward = code.iter().enumerate().filter_map(|(n, step)| {
        let target = step.target?;
        let first = code.binary_search_by_key(&target, |step| step.at).ok()?;
        (target <= step.at && !comes_past(code, n, first)).then_some((first, n))
    });
    let all: Vec<(usize, usize)> = backward.collect();
    let innermost = |&&(first, last): &&(usize, usize)| {
        !all.iter().any(|other| *other != (first, last) && first <= other.0 && other.1 <= last)
    };
    all.iter().filter(innermost).map(|(first, last)| last - first + 1).collect()
}

#[test]
fn loops_have_so_many_host_instructions() {
    let mut text = String::from(
        "# Host instructions of the region around each loop's hottest block: see tests/loops.rs. `per round` counts the region's\n\
         # innermost loops from head to jump.\n\
         # bits loop: address, guest instructions; x86_64: per round, all; aarch64: per round\n",
    );
    for bits in [64, 32] {
        let guest = guest(bits);
        for name in LOOPS {
            let (mut vcpu, address) = hottest(&guest, bits, name, false);
            let (instructions, code) = vcpu.emit_for(address, "x86_64").unwrap().expect("a region");
            let (_, arm) = vcpu.emit_for(address, "aarch64").unwrap().expect("a region");
            if std::env::var_os("SHOW").is_some_and(|wanted| wanted == format!("{bits}-{name}").as_str()) {
                println!("{bits} {name}:\n{}", x86_text(&code));
            }
            let (code, arm) = (x86(&code), aarch64(&arm));
            writeln!(
                text,
                "{bits} {name}: {address:#x}, {instructions}; x86_64: {:?}, {}; aarch64: {:?}",
                loops(&code),
                code.len(),
                loops(&arm)
            )
            .unwrap();
        }
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("counts.txt");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        text == expected,
        "the code has changed; if it is for the better, BLESS=1 keeps it. Now:\n{text}\nbefore:\n{expected}"
    );
}

#[test]
fn loops_are_found_in_code() {
    // NOP; l: NOP; CBNZ X0, l; B to the end; the end: NOP
    let code = [0xd503_201fu32, 0xd503_201f, 0xb5ff_ffe0, 0x1400_0001, 0xd503_201f];
    let code: Vec<u8> = code.iter().flat_map(|word| word.to_le_bytes()).collect();
    assert_eq!(loops(&aarch64(&code)), [2]);
    // l: NOP; k: DEC EAX; JNZ k; JMP l
    assert_eq!(loops(&x86(&[0x90, 0xff, 0xc8, 0x75, 0xfc, 0xeb, 0xf9])), [2]);
    // l: JZ m; k: DEC EAX; JMP l; m: NOP; JMP k, which is no loop of its own
    assert_eq!(loops(&x86(&[0x74, 4, 0xff, 0xc8, 0xeb, 0xfa, 0x90, 0xeb, 0xf9])), [3]);
}

#[test]
fn guest_accesses_are_ordered_on_aarch64_if_cpus_run_side_by_side() {
    // s: mov ecx, edi; l: mov eax, [A]; mov [B], eax; lock add [C], eax; dec ecx; jnz l; jmp s
    let code = [
        0x89, 0xf9, 0x8b, 0x04, 0x25, 0, 0x20, 0, 0x10, 0x89, 0x04, 0x25, 0, 0x30, 0, 0x10, 0xf0, 0x01, 0x04, 0x25, 0,
        0x40, 0, 0x10, 0xff, 0xc9, 0x75, 0xe6, 0xeb, 0xe2,
    ];
    let guest = Guest { functions: HashMap::from([("loop_order".into(), BASE)]), pieces: vec![(BASE, code.into())] };
    // DMB ISH, LDR Wt and STR Wt (register offset), STLXR Wt, of the Arm ARM, chapter C6.2.
    let fence = |word: u32| word == 0xd503_3bbf;
    let load = |word: u32| word & 0xffe0_0c00 == 0xb860_0800;
    let store = |word: u32| word & 0xffe0_0c00 == 0xb820_0800;
    let store_exclusive = |word: u32| word & 0xffe0_fc00 == 0x8800_fc00;
    let emitted = |shared, target| {
        let (mut vcpu, address) = hottest(&guest, 64, "order", shared);
        vcpu.emit_for(address, target).unwrap().expect("a region").1
    };
    let words = |shared| -> Vec<u32> {
        emitted(shared, "aarch64").chunks_exact(4).map(|bytes| u32::from_le_bytes(bytes.try_into().unwrap())).collect()
    };
    assert_eq!(words(false).iter().filter(|word| fence(**word)).count(), 0, "one CPU needs no order");
    let words = words(true);
    let fences: Vec<usize> = (0..words.len()).filter(|n| fence(words[*n])).collect();
    let [first, second, third, last] = fences[..] else { panic!("four fences: {words:08x?}") };
    let between = |from: usize, to: usize, f: &dyn Fn(u32) -> bool| words[from..to].iter().any(|word| f(*word));
    // Directly behind the load, with the store behind the next; behind the locked operation's first load, and its end.
    assert!(load(words[first - 1]) && load(words[third - 1]), "{words:08x?}");
    assert!(between(second, third, &store) && !between(0, second, &store), "{words:08x?}");
    assert!(store_exclusive(words[last - 2]) && !between(last, words.len(), &store_exclusive), "{words:08x?}");
    assert_eq!(emitted(true, "x86_64"), emitted(false, "x86_64"), "this order is the processor's own");
}
