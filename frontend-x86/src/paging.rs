//! Paging: 32-bit, PSE, PAE and 4-level page walks with rights, reserved bits, accessed and dirty bits (Intel SDM vol. 3,
//! chapter 4), and filling the TLB from them.

mod again;

pub use again::change_space;

use crate::access::canonical;
use crate::algebra::Access;
use crate::cpu::Cpu;
use crate::ctx::Ctx;
use crate::exception::Exception;
use crate::system::control::{cr0, cr4, efer};
use crate::tlb::{Bank, Fill, Path, UNKNOWN};
use lyrebird_core::CpuState;
use lyrebird_memory::Backing;

const PRESENT: u64 = 1 << 0;
const WRITABLE: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const ACCESSED: u64 = 1 << 5;
const DIRTY: u64 = 1 << 6;
const LARGE: u64 = 1 << 7;
const GLOBAL: u64 = 1 << 8;
const NO_EXECUTE: u64 = 1 << 63;

/// Error code bits of #PF (SDM vol. 3, section 4.7).
const PF_PRESENT: u32 = 1;
const PF_WRITE: u32 = 2;
const PF_USER: u32 = 4;
const PF_RESERVED: u32 = 8;
const PF_FETCH: u32 = 16;

/// What an access wants of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Want {
    /// It stores.
    pub write: bool,
    /// It fetches an instruction.
    pub execute: bool,
}

/// Where a linear page leads and what may be done there, all levels combined.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mapping {
    physical: u64,
    user: bool,
    writable: bool,
    no_execute: bool,
    global: bool,
    dirty: bool,
    /// Size of the guest's page.
    bytes: u64,
    /// The entry that maps it; none without paging.
    leaf: Option<Leaf>,
    /// What the tables say on the way, with what a walk sets in them.
    path: Path,
}

/// One level of a walk: where the entry is and how large its bits are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Leaf {
    at: u64,
    entry: u64,
    wide: bool,
    /// Bytes that it maps, if it is one.
    bytes: u64,
}

impl Ctx<'_> {
    /// Translates for a data access and caches the translation. Raises #PF.
    pub fn fill(&mut self, linear: u64, access: Access, bank: Bank) -> Result<u64, Exception> {
        self.fill_for(linear, Want { write: access.writes(), execute: false }, bank)
    }

    /// Translates for a fetch at the current privilege and caches the translation.
    pub fn fill_execute(&mut self, linear: u64) -> Result<u64, Exception> {
        let bank = self.cpu.bank;
        self.fill_for(linear, Want { write: false, execute: true }, bank)
    }

    fn fill_for(&mut self, linear: u64, want: Want, bank: Bank) -> Result<u64, Exception> {
        let cpu = &mut *self.cpu;
        let user = bank == Bank::User;
        let (mapping, rights, dirty) = loop {
            let mapping = match if cpu.state.cr0 & cr0::PG == 0 { Ok(flat(cpu, linear)) } else { walk(cpu, linear) } {
                Ok(mapping) => mapping,
                Err(code) => return Err(page_fault(cpu, linear, want, user, code)),
            };
            let rights = rights(cpu, &mapping, bank);
            let allowed = if want.execute {
                rights.execute
            } else if want.write {
                rights.write
            } else {
                rights.read
            };
            if !allowed {
                return Err(page_fault(cpu, linear, want, user, PF_PRESENT));
            }
            match mapping.leaf {
                Some(leaf) if want.write && !mapping.dirty => {
                    if set_bits(cpu, leaf, ACCESSED | DIRTY) {
                        break (mapping, rights, true);
                    }
                    // Another CPU has changed the entry: whoever takes a page away must see D in what it took, or no write.
                }
                _ => break (mapping, rights, mapping.dirty),
            }
        };
        Ok(cache(cpu, linear, bank, want, Found { mapping, rights, dirty }))
    }
}

/// What a walk has come to.
struct Found {
    mapping: Mapping,
    rights: Rights,
    /// Stores need set no bit.
    dirty: bool,
}

/// Caches a translation, and gives the physical address.
fn cache(cpu: &mut Cpu, linear: u64, bank: Bank, want: Want, found: Found) -> u64 {
    let Found { mapping, rights, dirty } = found;
    let physical = (mapping.physical | linear & 0xfff) & cpu.memory.a20_mask();
    let backing = cpu.view.lookup(physical);
    let mut path = mapping.path;
    if dirty && let Some(leaf) = path.iter_mut().rfind(|entry| **entry != 0) {
        *leaf |= DIRTY;
    }
    if mapping.bytes > 4096 {
        cpu.tlb.note_large(linear, mapping.bytes, mapping.global);
    }
    if let Some(page) = backing.readable() {
        let in_place =
            matches!(backing, Backing::Ram(_)) && page.watch().load(std::sync::atomic::Ordering::Acquire) == 0;
        if want.write && !in_place && cpu.tlb.read_physical(bank, linear) == Some(physical) {
            return physical; // the TLB has all that it can have of this page
        }
        cpu.tlb.fill(
            bank,
            Fill {
                linear,
                physical,
                host: page.key() as u64,
                page: Some(page.bytes()),
                read: rights.read,
                write: rights.write && dirty && in_place,
                execute: rights.execute,
                global: mapping.global,
                path: if cpu.state.cr4 & cr4::PCIDE == 0 { path } else { UNKNOWN },
            },
        );
    }
    physical
}

struct Rights {
    read: bool,
    write: bool,
    execute: bool,
}

/// SDM vol. 3, section 4.6.
fn rights(cpu: &Cpu, m: &Mapping, bank: Bank) -> Rights {
    if cpu.state.cr0 & cr0::PG == 0 {
        return Rights { read: true, write: true, execute: true };
    }
    if bank == Bank::User {
        return Rights { read: m.user, write: m.user && m.writable, execute: m.user && !m.no_execute };
    }
    let read = !(m.user && bank == Bank::SupervisorSmap);
    let write = read && (m.writable || cpu.state.cr0 & cr0::WP == 0);
    let smep = m.user && cpu.state.cr4 & cr4::SMEP != 0;
    Rights { read, write, execute: !m.no_execute && !smep }
}

fn page_fault(cpu: &Cpu, linear: u64, want: Want, user: bool, code: u32) -> Exception {
    let mut code = code;
    if want.write {
        code |= PF_WRITE;
    }
    if user {
        code |= PF_USER;
    }
    let no_execute = cpu.state.efer & efer::NXE != 0 && cpu.state.cr4 & cr4::PAE != 0;
    if want.execute && (no_execute || cpu.state.cr4 & cr4::SMEP != 0) {
        code |= PF_FETCH;
    }
    Exception::page(code, linear)
}

/// Translates as a debugger would: no rights, no accessed bits, no faults.
pub fn debug_translate(cpu: &mut Cpu, linear: u64) -> Option<u64> {
    let physical = find_leaf(cpu, linear, &mut |_| {}).ok()?.map_or(unpaged(cpu, linear), |(_, physical)| physical);
    Some((physical | linear & 0xfff) & cpu.memory.a20_mask())
}

/// The PDPTE of an address, where there is one: they were loaded with CR3.
fn pdpte(state: &CpuState, linear: u64) -> Option<u64> {
    let pae = state.cr4 & cr4::PAE != 0 && !state.long_mode();
    pae.then(|| state.pdpte[(linear >> 30 & 3) as usize])
}

/// Bits of a physical address that this model does not have.
fn reserved_physical(cpu: &Cpu) -> u64 {
    !((1u64 << cpu.model.physical_bits) - 1) & 0x000f_ffff_ffff_f000
}

fn read_entry(cpu: &Cpu, at: u64, wide: bool) -> u64 {
    // Tables outside RAM read as open bus; present and reserved bits then fault.
    let at = at & cpu.memory.a20_mask();
    if wide { cpu.view.load_u64(at).unwrap_or(u64::MAX) } else { cpu.view.load_u32(at).map_or(0xffff_ffff, u64::from) }
}

/// Sets accessed and dirty bits in an entry, atomically towards other CPUs; false if it is not the entry any more that was
/// read, and the walk has to be done again. Tables outside RAM keep no bits.
fn set_bits(cpu: &Cpu, leaf: Leaf, bits: u64) -> bool {
    let at = leaf.at & cpu.memory.a20_mask();
    let mut old = leaf.entry;
    while old & bits != bits {
        let new = old | bits;
        let was = if leaf.wide {
            cpu.memory.compare_exchange_u64(at, old, new)
        } else {
            cpu.memory.compare_exchange_u32(at, old as u32, new as u32).map(|r| r.map(u64::from).map_err(u64::from))
        };
        match was {
            Ok(Err(now)) if (now ^ leaf.entry) & !(ACCESSED | DIRTY) != 0 => return false,
            Ok(Err(now)) => old = now,
            Ok(Ok(_)) | Err(_) => return true,
        }
    }
    true
}

/// The page of a linear address without paging.
fn unpaged(cpu: &Cpu, linear: u64) -> u64 {
    linear & if cpu.state.long_mode() { u64::MAX } else { 0xffff_ffff } & !0xfff
}

/// What there is without paging.
fn flat(cpu: &Cpu, linear: u64) -> Mapping {
    Mapping {
        physical: unpaged(cpu, linear),
        user: true,
        writable: true,
        no_execute: false,
        global: true,
        dirty: true,
        bytes: 4096,
        leaf: None,
        path: UNKNOWN,
    }
}

/// Walks, and sets the accessed bits on the way.
fn walk(cpu: &Cpu, linear: u64) -> Result<Mapping, u32> {
    loop {
        if let Some(mapping) = walk_once(cpu, linear)? {
            return Ok(mapping);
        }
    }
}

/// [`walk`]; none if another CPU has changed an entry meanwhile.
fn walk_once(cpu: &Cpu, linear: u64) -> Result<Option<Mapping>, u32> {
    let (mapping, path) = look(cpu, linear)?;
    let Some(mapping) = mapping else { return Ok(Some(flat(cpu, linear))) };
    for entry in path.into_iter().flatten().filter(|entry| entry.entry & ACCESSED == 0) {
        if !set_bits(cpu, entry, ACCESSED) {
            return Ok(None);
        }
    }
    Ok(Some(mapping))
}

/// What the tables say, and their entries on the way; nothing is set in them. None without paging.
fn look(cpu: &Cpu, linear: u64) -> Result<(Option<Mapping>, [Option<Leaf>; 4]), u32> {
    let (mut user, mut writable, mut no_execute) = (true, true, false);
    let nxe = cpu.state.efer & efer::NXE != 0;
    let mut path = [None; 4];
    let mut depth = 0;
    let found = find_leaf(cpu, linear, &mut |leaf: Leaf| {
        user &= leaf.entry & USER != 0;
        writable &= leaf.entry & WRITABLE != 0;
        no_execute |= leaf.wide && nxe && leaf.entry & NO_EXECUTE != 0;
        if depth < path.len() {
            path[depth] = Some(leaf);
            depth += 1;
        }
    })?;
    let mapping = found.map(|(leaf, physical)| Mapping {
        physical,
        user,
        writable,
        no_execute,
        global: leaf.entry & GLOBAL != 0 && cpu.state.cr4 & cr4::PGE != 0,
        dirty: leaf.entry & DIRTY != 0,
        bytes: leaf.bytes,
        leaf: Some(leaf),
        path: path_of(cpu, linear, &path),
    });
    Ok((mapping, path))
}

/// What entries are once a walk has set what it sets.
fn path_of(cpu: &Cpu, linear: u64, entries: &[Option<Leaf>; 4]) -> Path {
    let mut path = UNKNOWN;
    let mut rest = path.iter_mut();
    if let Some(pdpte) = pdpte(&cpu.state, linear)
        && let Some(first) = rest.next()
    {
        *first = pdpte;
    }
    for (to, entry) in rest.zip(entries.iter().flatten()) {
        *to = entry.entry | ACCESSED;
    }
    path
}

/// Walks to the leaf, telling `each` of every entry with rights on the way: the leaf, and the 4 KiB page it leads to for
/// this address. `None` without paging; an error is the #PF code (present, reserved) so far.
fn find_leaf(cpu: &Cpu, linear: u64, each: &mut dyn FnMut(Leaf)) -> Result<Option<(Leaf, u64)>, u32> {
    let s = &cpu.state;
    if s.cr0 & cr0::PG == 0 {
        return Ok(None);
    }
    if s.cr4 & cr4::PAE == 0 {
        return find_leaf_32(cpu, linear, each).map(Some);
    }
    let reserved = reserved_physical(cpu);
    let no_nx = if s.efer & efer::NXE == 0 { NO_EXECUTE } else { 0 };
    let (mut table, mut shift) = if let Some(pdpte) = pdpte(s, linear) {
        // They have no rights of their own.
        if pdpte & PRESENT == 0 {
            return Err(0);
        }
        (pdpte & 0x000f_ffff_ffff_f000, 21)
    } else {
        if !canonical(linear) {
            return Err(0);
        }
        (s.cr3 & 0x000f_ffff_ffff_f000, 39)
    };
    loop {
        let at = table + (linear >> shift & 511) * 8;
        let entry = read_entry(cpu, at, true);
        if entry & PRESENT == 0 {
            return Err(0);
        }
        let large = shift != 12 && entry & LARGE != 0;
        let mut must_be_zero = reserved | no_nx;
        if !s.long_mode() {
            must_be_zero |= 0x7ff0_0000_0000_0000;
        }
        if shift == 39 || shift == 30 && large && !cpu.model.has_1g_pages() {
            must_be_zero |= LARGE;
        }
        if large {
            must_be_zero |= (1 << shift) - 0x2000; // bits between PAT (12) and the page frame
        }
        if entry & must_be_zero != 0 {
            return Err(PF_PRESENT | PF_RESERVED);
        }
        let leaf = Leaf { at, entry, wide: true, bytes: 1 << shift };
        each(leaf);
        if shift == 12 || large {
            let offset = (1u64 << shift) - 1;
            let frame = entry & 0x000f_ffff_ffff_f000 & !offset;
            return Ok(Some((leaf, frame | linear & offset & !0xfff)));
        }
        table = entry & 0x000f_ffff_ffff_f000;
        shift -= 9;
    }
}

fn find_leaf_32(cpu: &Cpu, linear: u64, each: &mut dyn FnMut(Leaf)) -> Result<(Leaf, u64), u32> {
    let s = &cpu.state;
    let at = (s.cr3 & 0xffff_f000) + (linear >> 22 & 1023) * 4;
    let entry = read_entry(cpu, at, false);
    if entry & PRESENT == 0 {
        return Err(0);
    }
    let leaf = Leaf { at, entry, wide: false, bytes: 1 << 22 };
    if entry & LARGE != 0 && s.cr4 & cr4::PSE != 0 {
        // PSE-36: bits 20 to 13 are address bits 39 to 32; bit 21 is reserved, and so are those above the model's width.
        let high = (entry >> 13 & 0xff) << 32;
        if entry & 1 << 21 != 0 || high >> cpu.model.physical_bits.min(40) != 0 {
            return Err(PF_PRESENT | PF_RESERVED);
        }
        each(leaf);
        return Ok((leaf, high | entry & 0xffc0_0000 | linear & 0x003f_f000));
    }
    each(leaf);
    let at = (entry & 0xffff_f000) + (linear >> 12 & 1023) * 4;
    let entry = read_entry(cpu, at, false);
    if entry & PRESENT == 0 {
        return Err(0);
    }
    let leaf = Leaf { at, entry, wide: false, bytes: 1 << 12 };
    each(leaf);
    Ok((leaf, entry & 0xffff_f000))
}
