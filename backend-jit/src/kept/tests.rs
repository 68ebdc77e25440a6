use super::*;
use std::fs;

const HOST: &str = "a host";

fn folder(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("lyrebird-kept-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    path
}

fn code(n: u8) -> Code {
    Code { bytes: vec![n; 100], holes: vec![Hole { at: 8, symbol: Symbol::Dispatch }], entries: vec![0, 2] }
}

fn members(n: u8) -> Vec<Member> {
    vec![Member { page: -1, offset: 0xfff, ops: [n; 16] }]
}

fn open(folder: &Path) -> Kept {
    opened(folder, 1 << 20)
}

fn shapes(kept: &Kept, first: [u8; 16]) -> Vec<Vec<Member>> {
    kept.regions(&first).into_iter().map(|candidate| candidate.members).collect()
}

/// The code of the region with these members.
fn found(kept: &Kept, first: [u8; 16], members: &[Member]) -> Option<Code> {
    let found = kept.regions(&first).into_iter().find(|candidate| candidate.members == members)?;
    kept.note_found();
    Some(found.code)
}

/// With its files read.
fn opened(folder: &Path, limit: u64) -> Kept {
    let kept = Kept::open(folder, HOST, limit).unwrap();
    kept.used();
    kept
}

#[test]
fn what_one_process_keeps_another_finds() {
    let folder = folder("found");
    let kept = open(&folder);
    for n in 0..3 {
        kept.add([7; 16], members(n), &code(n));
        kept.add([7; 16], members(n), &code(n));
    }
    assert_eq!(kept.used(), Used { there: 0, found: 0, added: 3, refused: 0 });
    // Also while the first is still at work.
    let other = open(&folder);
    assert_eq!(shapes(&other, [7; 16]), [members(0), members(1), members(2)]);
    assert_eq!(found(&other, [7; 16], &members(1)), Some(code(1)));
    assert_eq!((found(&other, [7; 16], &members(9)), shapes(&other, [8; 16])), (None, vec![]));
    assert_eq!(other.used(), Used { there: 3, found: 1, added: 0, refused: 0 });
    // Not on another host.
    assert!(shapes(&Kept::open(&folder, "another", 1 << 20).unwrap(), [7; 16]).is_empty());
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn damaged_and_cut_off_records_are_refused() {
    let folder = folder("damaged");
    let kept = open(&folder);
    for n in 0..3 {
        kept.add([n; 16], vec![], &code(n));
    }
    drop(kept);
    let path = fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let good = fs::read(&path).unwrap();
    let each = (good.len() - 32) / 3;
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        fs::write(&path, &bad).unwrap();
        let kept = open(&folder);
        let code_of = |n: u8| found(&kept, [n; 16], &[]);
        for n in 0..3 {
            assert!(code_of(n).is_none_or(|c| c == code(n)), "byte {at}");
        }
        if at >= 32 + each && at < 32 + 2 * each {
            assert_eq!(code_of(0), Some(code(0)));
            assert_eq!(code_of(1), None, "byte {at}");
        }
        for n in 0..3 {
            shapes(&kept, [n; 16]);
        }
    }
    for len in 0..good.len() {
        fs::write(&path, &good[..len]).unwrap();
        let kept = open(&folder);
        let whole = len.saturating_sub(32) / each;
        for n in 0..3 {
            assert_eq!(found(&kept, [n; 16], &[]), (usize::from(n) < whole).then(|| code(n)), "{len} bytes");
        }
    }
    fs::write(&path, &good[..good.len() - 1]).unwrap();
    let reports = report(&folder).unwrap();
    assert_eq!((reports[0].regions, reports[0].damaged, reports[0].cut_off), (2, 0, each as u64 - 1));
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn many_files_are_joined_and_the_limit_holds() {
    let folder = folder("joined");
    for n in 0..4 {
        open(&folder).add([n; 16], vec![], &code(n));
    }
    let files = || fs::read_dir(&folder).unwrap().count();
    assert_eq!(files(), 4);
    drop(open(&folder));
    assert_eq!(files(), 1);
    let kept = open(&folder);
    assert!((0..4).all(|n| found(&kept, [n; 16], &[]) == Some(code(n))));
    // Nothing of that has room; a file that is being written stays.
    kept.add([5; 16], vec![], &code(5));
    let small = opened(&folder, 100);
    assert_eq!(files(), 1);
    small.add([6; 16], vec![], &code(6));
    assert_eq!((small.used().added, found(&small, [5; 16], &[])), (0, Some(code(5))));
    assert_eq!(clear(&folder).unwrap(), (0, 0, 1));
    drop(kept);
    assert_eq!(clear(&folder).unwrap().0, 1);
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn what_is_joined_leaves_room_for_new_files() {
    let folder = folder("room");
    for n in 0..4 {
        open(&folder).add([n; 16], vec![], &code(n));
        // The files' order is that of their times.
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let all: u64 = report(&folder).unwrap().iter().map(|file| file.bytes).sum();
    drop(opened(&folder, all));
    let kept = opened(&folder, all);
    let left: Vec<bool> = (0..4).map(|n| found(&kept, [n; 16], &[]).is_some()).collect();
    assert_eq!(left, [false, false, true, true]);
    fs::remove_dir_all(folder).unwrap();
}

#[cfg(unix)]
#[test]
fn a_folder_that_others_may_write_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder("open");
    fs::create_dir(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    assert!(Kept::open(&folder, HOST, 1 << 20).err().unwrap().to_string().contains("chmod 700"));
    fs::remove_dir_all(folder).unwrap();
}
