//! INT 19h and 18h: finds what to boot from, in the order that a person chose, or asks.

mod menu;

use crate::call::{Call, Flow, Pause, linear};
use crate::disk::{self, eltorito};
use crate::frame::IF;
use crate::platform::{BootDevice, Floppy};
use crate::{keyboard, video};
use serde::{Deserialize, Serialize};

/// Where a boot sector is loaded.
const BOOT: u64 = 0x7c00;

/// How far the start has come.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct StartState {
    /// The machine was started before, since its power came on.
    pub again: bool,
    /// Somebody wants to choose at the next start.
    pub asked: bool,
    /// What was tried already.
    pub tried: usize,
    /// The menu is on the screen.
    pub menu: bool,
    /// A person chose this, by its place in the list.
    pub chosen: Option<usize>,
    /// The text that there is nothing to boot from is on the screen.
    pub given_up: bool,
}

/// Something to boot from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Candidate {
    /// A floppy drive, from 0.
    Floppy(u8),
    /// A hard disk, from 80h.
    Disk(u8),
    /// A CD-ROM drive, by its place on the IDE channels.
    Cdrom(usize),
}

/// Everything there is, in the order in which it is tried.
pub fn candidates(call: &mut Call<'_>) -> Vec<Candidate> {
    let mut list = Vec::new();
    let boot = &call.facts.boot;
    let once = if call.state.start.again { &[][..] } else { &boot.once[..] };
    let order: Vec<BootDevice> = once.iter().chain(&boot.order).copied().collect();
    for device in order {
        let found: Vec<Candidate> = match device {
            BootDevice::Floppy => (0..2)
                .filter(|drive| matches!(call.machine.floppy(*drive), Floppy::Disk(_)))
                .map(|drive| Candidate::Floppy(drive as u8))
                .collect(),
            BootDevice::Disk => (0..disk::disk_places(call).len()).map(|n| Candidate::Disk(0x80 + n as u8)).collect(),
            BootDevice::Cdrom => {
                (0..4).filter(|place| call.machine.cdrom(*place).is_some()).map(Candidate::Cdrom).collect()
            }
        };
        for candidate in found {
            if !list.contains(&candidate) {
                list.push(candidate);
            }
        }
    }
    list
}

/// INT 19h. Returns to the boot sector.
pub fn boot(call: &mut Call<'_>) -> Flow {
    if call.regs.scratch == 0 {
        call.regs.scratch = 1;
        call.state.start.tried = 0;
        call.state.start.chosen = None;
        call.state.start.menu =
            std::mem::take(&mut call.state.start.asked) || call.facts.boot.menu && !call.state.start.again;
        call.state.start.given_up = false;
        if call.state.start.menu {
            menu::show(call);
        }
    }
    next(call)
}

/// INT 18h: what was booted gave up.
pub fn next(call: &mut Call<'_>) -> Flow {
    if call.state.start.given_up {
        return wait_for_a_key(call);
    }
    // F12 or Esc, pressed until now, ask for the menu; nobody is waited for.
    while let Some(key) = keyboard::take(call) {
        if !call.state.start.menu && (key >> 8 == 0x86 || key as u8 == 0x1b) {
            call.state.start.menu = true;
            menu::show(call);
        } else if call.state.start.menu && menu::choose(call, key) {
            call.state.start.menu = false;
        }
    }
    if call.state.start.menu {
        return Err(Pause::Interrupt);
    }
    let list = candidates(call);
    loop {
        let state = &mut call.state.start;
        let candidate = match state.chosen.take() {
            Some(chosen) => list.get(chosen),
            None => {
                state.tried += 1;
                match list.get(state.tried - 1) {
                    None => break,
                    some => some,
                }
            }
        };
        if let Some(&candidate) = candidate
            && load(call, candidate)
        {
            return Ok(());
        }
    }
    give_up(call, &list);
    Err(Pause::Interrupt)
}

/// Loads a boot sector and says where it starts. False if there is none.
fn load(call: &mut Call<'_>, candidate: Candidate) -> bool {
    call.state.disk.emulation = None;
    let entry = match candidate {
        Candidate::Floppy(drive) => sector(call, drive, false).map(|()| (0, BOOT as u16, drive)),
        Candidate::Disk(drive) => sector(call, drive, true).map(|()| (0, BOOT as u16, drive)),
        Candidate::Cdrom(place) => eltorito::boot(call, place),
    };
    let Some((segment, offset, drive)) = entry else { return false };
    tracing::debug!(?candidate, "boot");
    call.regs.cs = segment;
    call.regs.ip = offset;
    call.regs.flags = 0x0002 | IF;
    call.regs.eax = 0xaa55;
    call.regs.ebx = 0;
    call.regs.ecx = 1;
    call.regs.edx = drive.into();
    (call.regs.esi, call.regs.edi, call.regs.ebp) = (0, 0, 0);
    (call.regs.ds, call.regs.es, call.regs.fs, call.regs.gs) = (0, 0, 0, 0);
    true
}

/// The first sector, if it looks like a boot sector: a hard disk's must have the signature, a floppy's may do without, as in
/// the PC of 1981, but must hold something.
fn sector(call: &mut Call<'_>, drive: u8, signature: bool) -> Option<()> {
    let mut data = [0; 512];
    disk::read_sectors(call, drive, 0, &mut data)?;
    let bootable = if signature { data[510..] == [0x55, 0xaa] } else { data[..16].iter().any(|byte| *byte != data[0]) };
    if bootable {
        call.write(linear(0, BOOT as u16), &data);
    }
    bootable.then_some(())
}

fn give_up(call: &mut Call<'_>, list: &[Candidate]) {
    call.state.start.given_up = true;
    video::print(call, "\r\nThere is nothing to start from.\r\n\r\n");
    if list.is_empty() {
        video::print(call, "This machine has neither a disk nor a CD nor a floppy. Give it one:\r\n\r\n");
        video::print(call, "    lyrebird run disk.img          a hard disk\r\n");
        video::print(call, "    lyrebird run system.iso        a CD\r\n");
        video::print(call, "    lyrebird run --help            all that there is\r\n");
    } else {
        video::print(call, "None of these has a system that starts:\r\n\r\n");
        for candidate in list {
            let text = menu::describe(call, *candidate);
            video::print(call, &format!("    {text}\r\n"));
        }
        video::print(call, "\r\nGive the machine an image with an operating system on it, for example its\r\n");
        video::print(call, "installation CD:    lyrebird run system.iso --drive disk.img\r\n");
    }
    video::print(call, "\r\nPress a key to try again.\r\n");
}

fn wait_for_a_key(call: &mut Call<'_>) -> Flow {
    if keyboard::take(call).is_none() {
        return Err(Pause::Interrupt);
    }
    call.state.start.given_up = false;
    call.state.start.tried = 0;
    next(call)
}
