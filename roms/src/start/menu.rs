//! The boot menu.

use super::{Candidate, candidates};
use crate::call::Call;
use crate::{disk, video};

/// Shows it.
pub fn show(call: &mut Call<'_>) {
    let list = candidates(call);
    video::print(call, "\r\nStart from:\r\n\r\n");
    for (n, candidate) in list.iter().take(9).enumerate() {
        let text = describe(call, *candidate);
        video::print(call, &format!("    {}. {text}\r\n", n + 1));
    }
    if list.is_empty() {
        video::print(call, "    (there is nothing)\r\n");
    }
    video::print(call, "\r\nPress a number, or Enter for the first.\r\n");
}

/// A key. True if it ends the menu.
pub fn choose(call: &mut Call<'_>, key: u16) -> bool {
    let count = candidates(call).len().min(9);
    match key as u8 {
        digit @ b'1'..=b'9' if usize::from(digit - b'1') < count => {
            call.state.start.chosen = Some(usize::from(digit - b'1'));
            true
        }
        b'\r' | 0x1b => true,
        _ => false,
    }
}

/// What to call a candidate.
pub fn describe(call: &mut Call<'_>, candidate: Candidate) -> String {
    let (kind, sectors, name) = match candidate {
        Candidate::Floppy(drive) => match call.machine.floppy(drive.into()) {
            crate::Floppy::Disk(disk) => ("Floppy", disk.sectors(), disk.name().to_string()),
            _ => ("Floppy", 0, String::new()),
        },
        Candidate::Disk(drive) => {
            let places = disk::disk_places(call);
            let place = places.get(usize::from(drive & 0x7f)).copied().unwrap_or_default();
            call.machine
                .disk(place)
                .map_or(("Disk", 0, String::new()), |disk| ("Disk", disk.sectors(), disk.name().into()))
        }
        Candidate::Cdrom(place) => call
            .machine
            .cdrom(place)
            .map_or(("CD", 0, String::new()), |disk| ("CD", disk.sectors(), disk.name().into())),
    };
    // The screen has code page 437, and 80 columns.
    let file = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let file: String = file.chars().map(|c| if c.is_ascii_graphic() || c == ' ' { c } else { '?' }).take(48).collect();
    format!("{kind}, {}: {file}", size(sectors))
}

fn size(sectors: u64) -> String {
    let kib = sectors / 2;
    match kib {
        0..4_096 => format!("{kib} KiB"),
        4_096..4_194_304 => format!("{} MiB", kib >> 10),
        _ => format!("{} GiB", kib >> 20),
    }
}
