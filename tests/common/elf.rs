//! Writes the smallest ELF executables that a direct boot loader takes.

/// A Xen note with the PVH entry point.
fn phys32_entry(entry: u32) -> Vec<u8> {
    let mut note: Vec<u8> = [4u32, 4, 18].iter().flat_map(|word| word.to_le_bytes()).collect();
    note.extend(b"Xen\0");
    note.extend(entry.to_le_bytes());
    note
}

/// A 32-bit executable: `code` is loaded at `base`, followed by `bss` zero bytes, and starts at `entry`.
pub fn elf32(base: u32, code: &[u8], bss: u32, entry: u32) -> Vec<u8> {
    let mut out = identification(1);
    out.extend([2u16, 3].iter().flat_map(|half| half.to_le_bytes()));
    out.extend([1, entry, 52, 0, 0].iter().flat_map(|word| word.to_le_bytes()));
    out.extend([52u16, 32, 1, 0, 0, 0].iter().flat_map(|half| half.to_le_bytes()));
    let bytes = code.len() as u32;
    let load = [1, 52 + 32, base, base, bytes, bytes + bss, 7, 4];
    out.extend(load.iter().flat_map(|word| word.to_le_bytes()));
    out.extend(code);
    out
}

/// A 64-bit executable with a PVH entry: `code` is loaded at `base`, followed by `bss` zero bytes.
pub fn elf64_pvh(base: u64, code: &[u8], bss: u64, entry: u32) -> Vec<u8> {
    let note = phys32_entry(entry);
    let mut out = identification(2);
    out.extend([2u16, 62].iter().flat_map(|half| half.to_le_bytes()));
    out.extend(1u32.to_le_bytes());
    out.extend([u64::from(entry), 64, 0].iter().flat_map(|word| word.to_le_bytes()));
    out.extend(0u32.to_le_bytes());
    out.extend([64u16, 56, 2, 0, 0, 0].iter().flat_map(|half| half.to_le_bytes()));
    let data = 64 + 2 * 56;
    let (code_bytes, note_bytes) = (code.len() as u64, note.len() as u64);
    for (kind, fields) in [
        (1u32, [data, base, base, code_bytes, code_bytes + bss, 4]),
        (4, [data + code_bytes, 0, 0, note_bytes, note_bytes, 4]),
    ] {
        out.extend([kind, 7].iter().flat_map(|word| word.to_le_bytes()));
        out.extend(fields.iter().flat_map(|word| word.to_le_bytes()));
    }
    out.extend(code);
    out.extend(note);
    out
}

fn identification(class: u8) -> Vec<u8> {
    [&b"\x7fELF"[..], &[class, 1, 1], &[0; 9]].concat()
}
