//! Tests of what is cached and what is forgotten.

use super::cells::{Class, code_span, code_tag};
use super::*;

fn fill(linear: u64, global: bool) -> Fill {
    Fill {
        linear,
        physical: linear + 0x10_0000,
        host: 0x7000_0000,
        page: None,
        read: true,
        write: true,
        execute: false,
        global,
        path: UNKNOWN,
    }
}

#[test]
fn a_large_page_is_forgotten_whole() {
    let mut tlb = Tlb::new();
    tlb.fill(Bank::Supervisor, fill(0x40_3000, false));
    tlb.fill(Bank::Supervisor, fill(0x1000, false));
    tlb.fill(Bank::User, fill(0x5f_e000, false));
    tlb.fill(Bank::User, fill(0x60_0000, false));
    tlb.note_large(0x40_3000, 0x20_0000, false);
    tlb.flush_page(0x2000);
    assert!(tlb.read_physical(Bank::Supervisor, 0x40_3000).is_some());
    tlb.flush_page(0x5f_f000);
    assert!(tlb.read_physical(Bank::Supervisor, 0x40_3000).is_none());
    assert!(tlb.read_physical(Bank::User, 0x5f_e000).is_none());
    assert!(tlb.read_physical(Bank::Supervisor, 0x1000).is_some());
    assert!(tlb.read_physical(Bank::User, 0x60_0000).is_some());
}

#[test]
fn flushes_forget_what_they_say() {
    let mut tlb = Tlb::new();
    let cached = |tlb: &Tlb, linear| tlb.read_physical(Bank::Supervisor, linear).is_some();
    tlb.fill(Bank::Supervisor, fill(0x1000, false));
    tlb.fill(Bank::Supervisor, fill(0x2000, true));
    assert_eq!(tlb.read_physical(Bank::Supervisor, 0x1234), Some(0x10_1234));
    assert!(tlb.read_physical(Bank::User, 0x1234).is_none());
    tlb.flush_local();
    assert!(!cached(&tlb, 0x1000) && cached(&tlb, 0x2000));
    tlb.flush_page(0x2fff);
    assert!(!cached(&tlb, 0x2000));
    for _ in 0..100 {
        tlb.fill(Bank::Supervisor, fill(0x3000, true));
        tlb.flush_all();
        assert!(!cached(&tlb, 0x3000));
    }
    for page in 0..100 {
        tlb.fill(Bank::Supervisor, fill(page << 12, page % 3 == 0));
    }
    // One entry, forgotten and filled again, and one that a global page gives up.
    tlb.flush_page(0x4000);
    tlb.fill(Bank::Supervisor, fill(0x4000, false));
    tlb.fill(Bank::Supervisor, fill(0x6000 + ((ENTRIES as u64) << 12), false));
    tlb.flush_local();
    assert!((0..100).all(|page| cached(&tlb, page << 12) == (page % 3 == 0 && page != 6)));
    assert!(!cached(&tlb, 0x6000 + ((ENTRIES as u64) << 12)));
}

#[test]
fn too_many_large_pages_are_forgotten_with_all() {
    let mut tlb = Tlb::new();
    for n in 0..5000 {
        tlb.note_large(n << 21, 0x20_0000, n % 2 == 0);
    }
    tlb.fill(Bank::User, fill(0x7fff_0000_0000, false));
    tlb.flush_page(0x1000_0000_0000);
    assert!(tlb.read_physical(Bank::User, 0x7fff_0000_0000).is_none());
}

/// The contexts that know a page, of 1 to 3, as a user and as the kernel; the current context is 1 before and after.
fn known(tlb: &mut Tlb, linear: u64) -> Vec<(u16, bool, bool)> {
    let mut all = Vec::new();
    for (from, to) in [(1, 1), (1, 2), (2, 3)] {
        tlb.switch(from, to, true);
        let cached = |bank| tlb.read_physical(bank, linear).is_some();
        all.push((to, cached(Bank::User), cached(Bank::Supervisor)));
    }
    tlb.switch(3, 1, true);
    all.into_iter().filter(|(_, user, supervisor)| *user || *supervisor).collect()
}

/// Three contexts that know the pages 0x1000 (local), 0x2000 (global), and a piece of a large page at 0x20_0000; the current one is 1.
fn three_contexts() -> Tlb {
    let mut tlb = Tlb::new();
    tlb.switch(0, 3, false);
    for (pcid, next) in [(3, 2), (2, 1), (1, 1)] {
        for bank in [Bank::User, Bank::Supervisor] {
            tlb.fill(bank, fill(0x1000, false));
            tlb.fill(bank, fill(0x2000, true));
            tlb.fill(bank, fill(0x20_3000, false));
        }
        tlb.note_large(0x20_3000, 0x20_0000, false);
        tlb.switch(pcid, next, true);
    }
    tlb
}

const ALL: [(u16, bool, bool); 3] = [(1, true, true), (2, true, true), (3, true, true)];

#[test]
fn contexts_keep_their_pages() {
    let mut tlb = three_contexts();
    for page in [0x1000, 0x2000, 0x20_3000] {
        assert_eq!(known(&mut tlb, page), ALL);
    }
    // A context that is new, or begins anew, has global pages at the most.
    let has_globals_alone = |tlb: &Tlb| {
        [Bank::Supervisor, Bank::User].iter().all(|bank| tlb.read_physical(*bank, 0x1000).is_none())
            && tlb.read_physical(Bank::Supervisor, 0x2000).is_some()
    };
    let mut other = three_contexts();
    other.switch(1, 4, true);
    assert!(has_globals_alone(&other));
    tlb.switch(1, 2, false);
    assert!(has_globals_alone(&tlb));
    tlb.switch(2, 1, true);
    assert_eq!(known(&mut tlb, 0x1000), [ALL[0], ALL[2]]);
    tlb.switch(1, 1, true);
    assert_eq!(known(&mut tlb, 0x1000), [ALL[0], ALL[2]]);
    tlb.switch(1, 1, false);
    assert_eq!(known(&mut tlb, 0x1000), [ALL[2]]);
}

#[test]
fn an_empty_entry_is_nobodys() {
    let tlb = Tlb::new();
    for i in 0..ENTRIES {
        let Entry { read, write, execute, .. } = tlb.banks[Bank::User as usize].entry(i);
        for high in [0, 1, u64::MAX / (ENTRIES as u64) / 4096] {
            let page = (high * ENTRIES as u64 + i as u64) << 12;
            for (offset, bytes) in [(0, 1), (0xff8, 8), (0xfff, 1), (0xfff, 0xfff)] {
                let first = page + offset;
                let last = first.wrapping_add(bytes - 1);
                for tag in [read, write] {
                    assert_ne!(last & !0xfff, tag, "{first:x}");
                    assert!(first.wrapping_sub(tag) > 4096 - bytes, "{first:x}");
                }
            }
            // A place of the cache of jumps that was never used is for zero.
            assert!(execute != fetch_tag(page, 0x1000) && (page > 0 || execute != 0));
        }
    }
}

#[test]
fn a_page_is_forgotten_where_it_was_asked_for() {
    let mut tlb = three_contexts();
    tlb.flush_page(0x1fff);
    assert_eq!(known(&mut tlb, 0x1000), ALL[1..]);
    tlb.flush_page_of(3, 0x1000);
    assert_eq!(known(&mut tlb, 0x1000), ALL[1..2]);
    tlb.flush_page_of(7, 0x1000);
    tlb.flush_page(0x2000);
    assert_eq!(known(&mut tlb, 0x2000), []);
    tlb.flush_page(0x20_0000);
    assert_eq!(known(&mut tlb, 0x20_3000), ALL[1..]);
    tlb.flush_page_of(2, 0x3f_f000);
    assert_eq!(known(&mut tlb, 0x20_3000), ALL[2..]);
    // A large page that is global.
    let mut tlb = three_contexts();
    tlb.fill(Bank::User, fill(0x40_1000, true));
    tlb.note_large(0x40_1000, 0x20_0000, true);
    tlb.switch(1, 2, true);
    tlb.flush_page(0x40_0000);
    tlb.switch(2, 1, true);
    assert_eq!(known(&mut tlb, 0x40_1000), []);
}

#[test]
fn contexts_are_forgotten_together_and_alone() {
    let mut tlb = three_contexts();
    tlb.flush_local_of(2);
    assert_eq!(known(&mut tlb, 0x1000), [ALL[0], ALL[2]]);
    tlb.flush_local_of_all();
    assert_eq!(known(&mut tlb, 0x1000), []);
    assert_eq!(known(&mut tlb, 0x2000), ALL);
    let mut tlb = three_contexts();
    tlb.flush_local();
    assert_eq!(known(&mut tlb, 0x1000), ALL[1..]);
    tlb.flush_all();
    assert!([0x1000, 0x2000, 0x20_3000].iter().all(|page| known(&mut tlb, *page).is_empty()));
}

#[test]
fn parked_pages_hear_of_watchers() {
    let mut tlb = three_contexts();
    let written = |tlb: &Tlb, page| {
        [Bank::User, Bank::Supervisor].map(|bank| tlb.write_physical(bank, page).is_some()).into_iter().any(|w| w)
    };
    tlb.fill(Bank::Supervisor, Fill { host: 0x5000_0000, ..fill(0x9000, false) });
    tlb.fill(Bank::User, Fill { host: 0x5000_0000, ..fill(0x9000, false) });
    tlb.switch(1, 2, true);
    tlb.flush_writes_to(0x5000_0000);
    tlb.switch(2, 1, true);
    assert!(!written(&tlb, 0x9000) && written(&tlb, 0x1000));
    assert!(tlb.read_physical(Bank::User, 0x9000).is_some());
    tlb.switch(1, 2, true);
    tlb.flush_writes();
    tlb.switch(2, 1, true);
    assert!(!written(&tlb, 0x1000) && !written(&tlb, 0x2000));
    assert_eq!(known(&mut tlb, 0x1000), ALL);
}

#[test]
fn the_oldest_context_makes_room() {
    let mut tlb = Tlb::new();
    for pcid in 0..100 {
        tlb.fill(Bank::User, fill(0x1000, false));
        tlb.fill(Bank::Supervisor, fill(0x1000, false));
        tlb.switch(pcid, pcid + 1, true);
        assert!(tlb.read_physical(Bank::User, 0x1000).is_none());
    }
    assert!(tlb.parked.len() <= CONTEXTS);
    tlb.switch(100, 99, true);
    assert!(tlb.read_physical(Bank::User, 0x1000).is_some());
    tlb.switch(99, 5, true);
    assert!(tlb.read_physical(Bank::User, 0x1000).is_none());
    // A global page that has taken a parked one's place stays.
    tlb.switch(5, 99, true);
    tlb.switch(99, 5, true);
    tlb.fill(Bank::Supervisor, fill(0x1000 + ((ENTRIES as u64) << 12), true));
    tlb.switch(5, 99, true);
    assert!(tlb.read_physical(Bank::Supervisor, 0x1000 + ((ENTRIES as u64) << 12)).is_some());
    assert!(tlb.read_physical(Bank::Supervisor, 0x1000).is_none());
}

#[test]
fn what_was_known_of_an_address_space_is_known_again_if_the_tables_say_so() {
    let mut tlb = Tlb::new();
    let fill = |tlb: &mut Tlb, linear: u64, global: bool| {
        for bank in [Bank::User, Bank::Supervisor] {
            tlb.fill(bank, Fill { path: [1, linear | 1, 0, 0], ..fill(linear, global) });
        }
    };
    let known = |tlb: &Tlb, linear: u64| {
        let known = [Bank::User, Bank::Supervisor].map(|bank| tlb.read_physical(bank, linear).is_some());
        assert_eq!(known[0], known[1]);
        known[0]
    };
    let (one, other) = (0x10_0000, 0x20_0000);
    fill(&mut tlb, 0x1000, false);
    fill(&mut tlb, 0x3000, false);
    tlb.fill(Bank::Supervisor, super::tests::fill(0x2000, true));
    tlb.change(one, other, |_, _| panic!("nothing is known of it"));
    assert!(!known(&tlb, 0x1000) && !known(&tlb, 0x3000));
    assert!(tlb.read_physical(Bank::Supervisor, 0x2000).is_some(), "global");
    fill(&mut tlb, 0x5000, false);
    tlb.change(other, one, |linear, path| *path == [1, linear | 1, 0, 0] && linear != 0x1000);
    assert!(!known(&tlb, 0x1000) && known(&tlb, 0x3000) && !known(&tlb, 0x5000));
    tlb.change(one, other, |_, _| true);
    assert!(known(&tlb, 0x5000));
    tlb.change(other, one, |_, _| true);
    assert!(!known(&tlb, 0x1000) && known(&tlb, 0x3000), "forgotten is forgotten");
    // The same address space anew.
    tlb.change(one, one, |_, _| true);
    assert!(known(&tlb, 0x3000));
    tlb.change(one, one, |_, _| false);
    assert!(!known(&tlb, 0x3000));
}

#[test]
fn what_is_not_wanted_any_more_is_not_looked_at_for_ever() {
    let mut tlb = Tlb::new();
    let (one, other) = (0x10_0000, 0x20_0000);
    let come_back = |tlb: &mut Tlb| {
        let mut looked_at = 0;
        tlb.change(one, other, |_, _| true);
        tlb.change(other, one, |_, _| {
            looked_at += 1;
            true
        });
        looked_at
    };
    for page in 0..1000 {
        tlb.fill(Bank::User, fill(page << 12, false));
    }
    let counts: Vec<usize> = (0..20).map(|_| come_back(&mut tlb)).collect();
    assert_eq!((counts[0], counts[19]), (1000, 0));
    // A few are no matter.
    for page in 0..100 {
        tlb.fill(Bank::User, fill(page << 12, false));
    }
    assert!((0..100).all(|_| come_back(&mut tlb) == 100));
}

/// Fills a cell, as compiled code does.
fn fill_cell(tlb: &mut Tlb, bank: Bank) {
    let place = Class::CODE.place(4);
    for (at, bits) in [(place.tag, 1), (place.marks, place.bit)] {
        let row = tlb.banks[bank as usize].row(at as usize / size_of::<Entry>());
        row[at as usize % size_of::<Entry>() / 8] |= bits;
    }
}

fn has_cell(tlb: &Tlb, bank: Bank) -> bool {
    let place = Class::CODE.place(4);
    tlb.banks[bank as usize].entry(place.tag as usize / size_of::<Entry>()).read != 0
}

#[test]
fn cells_are_emptied_by_whatever_changes_entries() {
    let kept = |f: fn(&mut Tlb)| {
        let mut tlb = Tlb::new();
        tlb.fill(Bank::User, fill(0x1000, false));
        tlb.fill(Bank::Supervisor, fill(0x2000, true));
        fill_cell(&mut tlb, Bank::User);
        fill_cell(&mut tlb, Bank::Supervisor);
        f(&mut tlb);
        [Bank::User, Bank::Supervisor].map(|bank| has_cell(&tlb, bank))
    };
    assert_eq!(kept(|_| {}), [true, true]);
    assert_eq!(kept(|tlb| tlb.flush_page(0x1fff)), [false, true]);
    assert_eq!(kept(|tlb| tlb.flush_page(0x2000)), [true, false]);
    assert_eq!(kept(|tlb| tlb.flush_page(0x3000)), [true, true]);
    assert_eq!(kept(Tlb::flush_local), [false, true]);
    assert_eq!(kept(Tlb::flush_all), [false, false]);
    assert_eq!(kept(Tlb::flush_writes), [false, false]);
    assert_eq!(kept(|tlb| tlb.flush_writes_to(0x7000_0000)), [false, false]);
    assert_eq!(kept(|tlb| tlb.flush_writes_to(0x7000_1000)), [true, true]);
    // The same again, another page in its place, and less rights.
    assert_eq!(kept(|tlb| tlb.fill(Bank::User, fill(0x1000, false))), [true, true]);
    assert_eq!(kept(|tlb| tlb.fill(Bank::User, fill(0x1000 + ((ENTRIES as u64) << 12), false))), [false, true]);
    assert_eq!(kept(|tlb| tlb.fill(Bank::User, Fill { write: false, ..fill(0x1000, false) })), [false, true]);
    // Another context has cells of its own, and this one's come back with it.
    assert_eq!(kept(|tlb| tlb.switch(1, 2, true)), [false, true]);
    let back = |tlb: &mut Tlb| {
        tlb.switch(1, 2, true);
        tlb.switch(2, 1, true);
    };
    assert_eq!(kept(back), [true, true]);
    let forgotten = |tlb: &mut Tlb| {
        tlb.switch(1, 2, true);
        tlb.flush_page_of(1, 0x1000);
        tlb.switch(2, 1, true);
    };
    assert_eq!(kept(forgotten), [false, true]);
}

#[test]
fn cells_of_different_classes_are_different_ones() {
    let classes = [Class::page(false), Class::page(true), Class::CODE];
    let mut tags: Vec<i32> = classes.iter().flat_map(|class| (0..class.cells()).map(|n| class.place(n).tag)).collect();
    tags.sort_unstable();
    tags.dedup();
    assert_eq!(tags.len(), classes.iter().map(|class| class.cells()).sum::<usize>());
    assert!(tags.iter().all(|tag| *tag as usize / size_of::<Entry>() > ENTRIES));
    // What a page and a host page give is given by no other two, unless they are far apart.
    let tags = [0x7f_1234_5678, 0x7f_1234_5679, 0x7f_1234_5e78, 0x7f_1634_5678].map(code_tag);
    assert!(tags.iter().all(|tag| tag & 1 == 1 && tag & 0xffff_ffff_f000 == 0), "{tags:x?}");
    assert!((0..4).all(|n| (0..n).all(|m| tags[n] != tags[m])));
    assert_eq!(code_tag(0x7f_1a34_5678), tags[0]);
    assert_ne!(code_span(0x7f_1a34_5678), code_span(0x7f_1234_5678));
}
