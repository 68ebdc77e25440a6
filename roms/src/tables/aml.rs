//! Encodes ACPI Machine Language, so that the DSDT can be written as Rust expressions (ACPI specification 6.4, chapter 20).
//!
//! Every function gives the bytes of one term; terms are put together by concatenation. Only what a DSDT of ours needs
//! is here. Name segments come from our own sources: longer ones are cut to four characters, shorter ones padded.

/// The bytes of one or more AML terms.
pub type Aml = Vec<u8>;

/// A method's first argument.
pub fn arg0() -> Aml {
    vec![0x68]
}

/// A method's first local variable.
pub fn local0() -> Aml {
    vec![0x60]
}

/// A path such as `\_SB.PCI0` or `_CRS`.
pub fn path(text: &str) -> Aml {
    let mut out = Aml::new();
    let mut rest = text;
    if let Some(after) = rest.strip_prefix('\\') {
        out.push(b'\\');
        rest = after;
    }
    while let Some(after) = rest.strip_prefix('^') {
        out.push(b'^');
        rest = after;
    }
    let segments: Vec<&str> = rest.split('.').filter(|s| !s.is_empty()).collect();
    match segments.len() {
        0 => out.push(0),
        1 => {}
        2 => out.push(0x2e),
        n => out.extend([0x2f, n as u8]),
    }
    for segment in segments {
        let mut four = [b'_'; 4];
        for (to, from) in four.iter_mut().zip(segment.bytes()) {
            *to = from;
        }
        out.extend(four);
    }
    out
}

/// An integer in its shortest form.
pub fn integer(value: u64) -> Aml {
    let bytes = value.to_le_bytes();
    let (prefix, len): (&[u8], usize) = match value {
        0 => return vec![0x00],
        1 => return vec![0x01],
        2..=0xff => (&[0x0a], 1),
        0x100..=0xffff => (&[0x0b], 2),
        0x1_0000..=0xffff_ffff => (&[0x0c], 4),
        _ => (&[0x0e], 8),
    };
    [prefix, &bytes[..len]].concat()
}

/// A zero-terminated string.
pub fn string(text: &str) -> Aml {
    [b"\x0d", text.as_bytes(), b"\0"].concat()
}

/// A compressed EISA identifier such as "PNP0A03", as the integer that `_HID` wants.
pub fn eisa_id(id: &str) -> Aml {
    let bytes = id.as_bytes();
    let letter = |i: usize| u32::from(bytes.get(i).copied().unwrap_or(b'@')).wrapping_sub(0x40) & 0x1f;
    let number = id.get(3..).and_then(|hex| u32::from_str_radix(hex, 16).ok()).unwrap_or(0);
    let value = letter(0) << 26 | letter(1) << 21 | letter(2) << 16 | number & 0xffff;
    integer(u64::from(value.swap_bytes()))
}

/// The package length that stands before `body`; it counts its own bytes.
fn package_length(body: usize) -> Aml {
    match body {
        0..=0x3e => vec![(body + 1) as u8],
        0x3f..=0xffd => {
            let total = body + 2;
            vec![0x40 | (total & 15) as u8, (total >> 4) as u8]
        }
        0xffe..=0xf_fffc => {
            let total = body + 3;
            vec![0x80 | (total & 15) as u8, (total >> 4) as u8, (total >> 12) as u8]
        }
        _ => {
            let total = body + 4;
            vec![0xc0 | (total & 15) as u8, (total >> 4) as u8, (total >> 12) as u8, (total >> 20) as u8]
        }
    }
}

/// An opcode, the package length and a body.
fn packaged(opcode: &[u8], body: Aml) -> Aml {
    [opcode, &package_length(body.len()), &body].concat()
}

/// `Name (path, value)`.
pub fn name(at: &str, value: Aml) -> Aml {
    [vec![0x08], path(at), value].concat()
}

/// `Scope (path) { ... }`.
pub fn scope(at: &str, body: &[Aml]) -> Aml {
    packaged(&[0x10], [path(at), body.concat()].concat())
}

/// `Device (path) { ... }`.
pub fn device(at: &str, body: &[Aml]) -> Aml {
    packaged(&[0x5b, 0x82], [path(at), body.concat()].concat())
}

/// `Processor (path, id, 0, 0) {}`: a processor without a P_BLK.
pub fn processor(at: &str, id: u8) -> Aml {
    packaged(&[0x5b, 0x83], [path(at), vec![id, 0, 0, 0, 0, 0]].concat())
}

/// `Method (path, args, Serialized) { ... }`. Serialized, because a method that creates names must be.
pub fn method(at: &str, args: u8, body: &[Aml]) -> Aml {
    packaged(&[0x14], [path(at), vec![args & 7 | 8], body.concat()].concat())
}

/// `Package () { ... }`, of at most 255 elements.
pub fn package(elements: &[Aml]) -> Aml {
    packaged(&[0x12], [vec![elements.len() as u8], elements.concat()].concat())
}

/// `Buffer () { ... }`.
pub fn buffer(bytes: &[u8]) -> Aml {
    packaged(&[0x11], [integer(bytes.len() as u64), bytes.to_vec()].concat())
}

/// `OperationRegion (path, PCI_Config, offset, length)`.
pub fn pci_config_region(at: &str, offset: u8, length: u8) -> Aml {
    [vec![0x5b, 0x80], path(at), vec![2], integer(u64::from(offset)), integer(u64::from(length))].concat()
}

/// `Field (region, ByteAcc, NoLock, Preserve) { ... }` of byte-sized units.
pub fn byte_fields(region: &str, units: &[&str]) -> Aml {
    let units: Aml = units.iter().flat_map(|unit| [path(unit), vec![8]].concat()).collect();
    packaged(&[0x5b, 0x81], [path(region), vec![0x01], units].concat())
}

/// `CreateDWordField (source, index, path)`.
pub fn create_dword_field(source: Aml, index: u64, at: &str) -> Aml {
    [vec![0x8a], source, integer(index), path(at)].concat()
}

/// `Return (value)`.
pub fn ret(value: Aml) -> Aml {
    [vec![0xa4], value].concat()
}

/// `Store (value, target)`.
pub fn store(value: Aml, target: Aml) -> Aml {
    [vec![0x70], value, target].concat()
}

/// `And (a, b)`, its result not stored.
pub fn and(a: Aml, b: Aml) -> Aml {
    [vec![0x7b], a, b, vec![0]].concat()
}

/// `Or (a, b, target)`.
pub fn or(a: Aml, b: Aml, target: Aml) -> Aml {
    [vec![0x7d], a, b, target].concat()
}

/// `If (condition) { ... }`: any value but zero is true.
pub fn if_then(condition: Aml, body: &[Aml]) -> Aml {
    packaged(&[0xa0], [condition, body.concat()].concat())
}

/// `Else { ... }`, right after an [`if_then`].
pub fn or_else(body: &[Aml]) -> Aml {
    packaged(&[0xa1], body.concat())
}

/// A call of one of our methods.
pub fn call(method: &str, args: &[Aml]) -> Aml {
    [path(method), args.concat()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_integers_are_as_the_specification_encodes_them() {
        assert_eq!(path("_CRS"), b"_CRS");
        assert_eq!(path("\\_SB.PCI0"), b"\\\x2e_SB_PCI0");
        assert_eq!(path("\\_SB.PCI0.ISA"), b"\\\x2f\x03_SB_PCI0ISA_");
        assert_eq!(integer(0), [0]);
        assert_eq!(integer(0x80), [0x0a, 0x80]);
        assert_eq!(integer(0x1234), [0x0b, 0x34, 0x12]);
        assert_eq!(integer(0x12345678), [0x0c, 0x78, 0x56, 0x34, 0x12]);
        assert_eq!(eisa_id("PNP0A03"), [0x0c, 0x41, 0xd0, 0x0a, 0x03]);
    }

    #[test]
    fn package_lengths_change_form_at_their_limits() {
        for (body, bytes) in [(0x3e, 1), (0x3f, 2), (0xffd, 2), (0xffe, 3), (0xf_fffc, 3), (0xf_fffd, 4)] {
            let encoded = package_length(body);
            assert_eq!(encoded.len(), bytes, "{body:#x}");
            let total = match encoded.len() {
                1 => usize::from(encoded[0]),
                _ => {
                    encoded[1..].iter().rev().fold(0, |sum, &b| sum << 8 | usize::from(b)).wrapping_shl(4)
                        | usize::from(encoded[0] & 15)
                }
            };
            assert_eq!(total, body + bytes);
            if bytes > 1 {
                assert_eq!(usize::from(encoded[0] >> 6), bytes - 1);
            }
        }
    }
}
