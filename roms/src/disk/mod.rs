//! INT 13h: hard disks, floppies and CDs (IBM PC/AT Technical Reference; Phoenix Enhanced Disk Drive Specification 3.0;
//! El Torito 1.0). Sectors are copied between a drive's image and guest memory; no controller is involved.

mod edd;
pub mod eltorito;
pub mod geometry;

use crate::bda;
use crate::call::{Call, Flow, linear};
use crate::frame::CF;
use crate::platform::Floppy;
use eltorito::Emulation;
use geometry::Geometry;
use lyrebird_core::BlockDevice;
use lyrebird_core::block::SECTOR;
use serde::{Deserialize, Serialize};

/// The first hard disk.
pub const FIRST_DISK: u8 = 0x80;
/// The CD-ROM drive at the first place of the IDE channels; the others follow.
pub const FIRST_CDROM: u8 = 0xe0;

/// What INT 13h says in AH.
pub mod status {
    #![allow(missing_docs, reason = "the names say it")]
    pub const OK: u8 = 0x00;
    pub const BAD_COMMAND: u8 = 0x01;
    pub const WRITE_PROTECTED: u8 = 0x03;
    pub const NOT_FOUND: u8 = 0x04;
    pub const NO_MEDIA_CHANGE: u8 = 0x00;
    pub const DMA_BOUNDARY: u8 = 0x09;
    pub const BAD_PARAMETERS: u8 = 0x07;
    pub const READ_ERROR: u8 = 0x10;
    pub const CONTROLLER: u8 = 0x20;
    pub const NOT_READY: u8 = 0x80;
    pub const NOT_REMOVABLE: u8 = 0xb2;
    pub const LOCKED: u8 = 0xb1;
    pub const NOT_LOCKED: u8 = 0xb0;
    pub const NO_MEDIUM: u8 = 0x31;
}

/// What the firmware remembers of drives.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DiskState {
    /// A CD plays a floppy or a hard disk.
    pub emulation: Option<Emulation>,
    /// The CD that was started from.
    pub boot_cd: Option<usize>,
    /// Locks of the CD-ROM drives, counted.
    pub locks: [u8; 4],
    /// The status that AH=01h tells, for CDs.
    pub last: u8,
}

/// What a drive number means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drive {
    /// A floppy drive.
    Floppy(usize),
    /// A hard disk at a place of the IDE channels.
    Disk(usize),
    /// A CD-ROM drive there.
    Cdrom(usize),
    /// Part of a CD.
    Emulated(Emulation),
}

/// The places of the hard disks, in the order of their numbers.
pub fn disk_places(call: &mut Call<'_>) -> Vec<usize> {
    (0..4).filter(|place| call.machine.disk(*place).is_some()).collect()
}

/// Finds a drive.
pub fn find(call: &mut Call<'_>, number: u8) -> Option<Drive> {
    let emulation = call.state.disk.emulation;
    if let Some(emulation) = emulation.filter(|emulation| emulation.drive == number) {
        return Some(Drive::Emulated(emulation));
    }
    match number {
        0..=1 => {
            // An emulated floppy moves the real one up.
            let moved = emulation.is_some_and(|emulation| emulation.drive < FIRST_DISK);
            let drive = usize::from(number) - usize::from(moved);
            (!matches!(call.machine.floppy(drive), Floppy::None)).then_some(Drive::Floppy(drive))
        }
        FIRST_DISK..FIRST_CDROM => {
            let moved = emulation.is_some_and(|emulation| emulation.drive >= FIRST_DISK);
            let index = usize::from(number - FIRST_DISK).checked_sub(usize::from(moved))?;
            disk_places(call).get(index).copied().map(Drive::Disk)
        }
        FIRST_CDROM..=0xe3 => {
            let place = usize::from(number - FIRST_CDROM);
            call.machine.has_cdrom(place).then_some(Drive::Cdrom(place))
        }
        _ => None,
    }
}

/// The image behind a drive.
fn medium<'a>(call: &'a mut Call<'_>, drive: Drive) -> Option<&'a mut dyn BlockDevice> {
    match drive {
        Drive::Floppy(drive) => match call.machine.floppy(drive) {
            Floppy::Disk(disk) => Some(disk),
            _ => None,
        },
        Drive::Disk(place) => call.machine.disk(place),
        Drive::Cdrom(place) => call.machine.cdrom(place),
        Drive::Emulated(emulation) => call.machine.cdrom(emulation.place),
    }
}

/// Sectors of 512 bytes that a drive has.
pub fn sectors(call: &mut Call<'_>, drive: Drive) -> u64 {
    match drive {
        Drive::Emulated(emulation) => emulation.sectors,
        _ => medium(call, drive).map_or(0, |medium| medium.sectors()),
    }
}

fn first_of(drive: Drive) -> u64 {
    match drive {
        Drive::Emulated(emulation) => emulation.first,
        _ => 0,
    }
}

/// Reads sectors of 512 bytes from a drive by its number, for the start.
pub fn read_sectors(call: &mut Call<'_>, number: u8, sector: u64, data: &mut [u8]) -> Option<()> {
    let drive = find(call, number)?;
    medium(call, drive)?.read_at(first_of(drive) + sector, data).ok()
}

/// What to do with sectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// To guest memory.
    Read,
    /// From guest memory.
    Write,
    /// Looks whether they can be read.
    Verify,
}

/// Moves sectors of 512 bytes between a drive and memory. Gives the status.
pub fn transfer(call: &mut Call<'_>, drive: Drive, action: Action, sector: u64, count: usize, address: u64) -> u8 {
    let end = sector.checked_add(count as u64);
    if end.is_none_or(|end| end > sectors(call, drive)) {
        return status::NOT_FOUND;
    }
    let first = first_of(drive) + sector;
    if action == Action::Write && matches!(drive, Drive::Cdrom(_) | Drive::Emulated(_)) {
        return status::WRITE_PROTECTED;
    }
    let mut data = match action {
        // Without them this comes again.
        Action::Write => match call.borrow(address, count * SECTOR) {
            Some(data) => data,
            None => return status::OK,
        },
        _ => vec![0; count * SECTOR],
    };
    let Some(medium) = medium(call, drive) else { return status::NOT_READY };
    let result = match action {
        Action::Write if medium.read_only() => return status::WRITE_PROTECTED,
        Action::Write => medium.write_at(first, &data),
        _ => medium.read_at(first, &mut data),
    };
    if let Err(error) = result {
        tracing::error!("{}: {error}", medium.name());
        return if action == Action::Write { status::CONTROLLER } else { status::READ_ERROR };
    }
    if action == Action::Read {
        call.give(address, &data);
    }
    status::OK
}

/// How a drive is addressed by cylinder, head and sector.
fn geometry_of(call: &mut Call<'_>, drive: Drive) -> Option<Geometry> {
    match drive {
        Drive::Floppy(_) => {
            let sectors = medium(call, drive)?.sectors();
            Some(geometry::floppy(sectors))
        }
        Drive::Disk(_) => {
            let medium = medium(call, drive)?;
            let mut table = [0; SECTOR];
            let readable = medium.read_at(0, &mut table).is_ok();
            Some(geometry::disk(medium.sectors(), readable.then_some(&table)))
        }
        Drive::Emulated(emulation) => Some(emulation.geometry()),
        Drive::Cdrom(_) => None,
    }
}

/// Hands a status over: in AH, in carry, and in the BIOS data area.
fn finish(call: &mut Call<'_>, number: u8, code: u8) {
    let place = if number < FIRST_DISK { bda::FLOPPY_STATUS } else { bda::DISK_STATUS };
    call.set_bda(place, code);
    call.regs.set_ah(code);
    call.regs.set_flag(CF, code != status::OK);
}

/// INT 13h.
pub fn service(call: &mut Call<'_>) -> Flow {
    let function = call.regs.ah();
    let number = call.regs.dl();
    if (0x4a..=0x4d).contains(&function) {
        let code = eltorito::service(call);
        finish(call, number, code);
        return Ok(());
    }
    let Some(drive) = find(call, number) else {
        // How many there are is said even to those who ask for one too many.
        match function {
            0x08 => no_such_drive(call),
            0x15 => {
                call.regs.set_ah(0);
                call.succeed();
            }
            _ => finish(call, number, status::BAD_COMMAND),
        }
        return Ok(());
    };
    let code = match function {
        0x00 | 0x0d => status::OK,
        0x01 => {
            let place = if number < FIRST_DISK { bda::FLOPPY_STATUS } else { bda::DISK_STATUS };
            let last = call.bda(place);
            call.regs.set_ah(last);
            call.regs.set_flag(CF, last != 0);
            return Ok(());
        }
        0x02..=0x04 => by_geometry(call, drive, function),
        0x05 => format(call, drive),
        0x08 => parameters(call, drive),
        0x09 | 0x0c | 0x10 | 0x11 | 0x14 if number >= FIRST_DISK => status::OK,
        0x15 => return drive_type(call, drive),
        0x16 if number < FIRST_DISK => match medium(call, drive) {
            Some(_) => status::NO_MEDIA_CHANGE,
            None => status::NOT_READY,
        },
        0x17 | 0x18 if number < FIRST_DISK => media_type(call, drive, function),
        0x41..=0x49 | 0x4e => return edd::service(call, drive),
        _ => status::BAD_COMMAND,
    };
    finish(call, number, code);
    Ok(())
}

/// AH=02h, 03h and 04h.
fn by_geometry(call: &mut Call<'_>, drive: Drive, function: u8) -> u8 {
    let Some(geometry) = geometry_of(call, drive) else {
        call.regs.set_al(0);
        return if matches!(drive, Drive::Cdrom(_)) { status::BAD_COMMAND } else { status::NOT_READY };
    };
    let regs = *call.regs;
    let (cylinder, sector) = (u64::from(regs.ch()) | u64::from(regs.cl() & 0xc0) << 2, u64::from(regs.cl() & 0x3f));
    let (head, count) = (u64::from(regs.dh()), usize::from(regs.al()));
    if count == 0 || sector == 0 {
        return status::BAD_COMMAND;
    }
    if sector > geometry.sectors.into() || head >= geometry.heads.into() {
        call.regs.set_al(0);
        return status::NOT_FOUND;
    }
    let first = (cylinder * u64::from(geometry.heads) + head) * u64::from(geometry.sectors) + sector - 1;
    let action = [Action::Read, Action::Write, Action::Verify][usize::from(function - 2)];
    let code = transfer(call, drive, action, first, count, linear(regs.es, regs.bx()));
    if code != status::OK {
        call.regs.set_al(0);
    }
    code
}

/// AH=05h: a track is filled anew.
fn format(call: &mut Call<'_>, drive: Drive) -> u8 {
    let Some(geometry) = geometry_of(call, drive) else { return status::NOT_READY };
    if !matches!(drive, Drive::Floppy(_)) {
        return status::OK;
    }
    let regs = *call.regs;
    let (cylinder, head) = (u64::from(regs.ch()), u64::from(regs.dh()));
    if head >= geometry.heads.into() || cylinder >= geometry.cylinders.into() {
        return status::NOT_FOUND;
    }
    let first = (cylinder * u64::from(geometry.heads) + head) * u64::from(geometry.sectors);
    let Some(medium) = medium(call, drive) else { return status::NOT_READY };
    if medium.read_only() {
        return status::WRITE_PROTECTED;
    }
    match medium.write_at(first, &vec![0xf6; usize::from(geometry.sectors) * SECTOR]) {
        Ok(()) => status::OK,
        Err(_) => status::CONTROLLER,
    }
}

/// How many drives of this one's kind there are.
fn count(call: &mut Call<'_>, number: u8) -> u8 {
    let emulation = call.state.disk.emulation;
    if number < FIRST_DISK {
        let real = (0..2).filter(|drive| !matches!(call.machine.floppy(*drive), Floppy::None)).count();
        real as u8 + u8::from(emulation.is_some_and(|emulation| emulation.drive < FIRST_DISK))
    } else {
        disk_places(call).len() as u8 + u8::from(emulation.is_some_and(|emulation| emulation.drive >= FIRST_DISK))
    }
}

fn no_such_drive(call: &mut Call<'_>) {
    let number = call.regs.dl();
    let there = count(call, number);
    if number < FIRST_DISK {
        // A drive without a type.
        call.regs.set_ax(0);
        call.regs.set_bx(0);
        call.regs.set_cx(0);
        call.regs.set_dx(there.into());
        call.succeed();
    } else {
        call.regs.set_dl(there);
        call.fail(status::BAD_PARAMETERS);
    }
}

/// AH=08h.
fn parameters(call: &mut Call<'_>, drive: Drive) -> u8 {
    let number = call.regs.dl();
    let geometry = match (geometry_of(call, drive), drive) {
        (Some(geometry), _) => geometry,
        (None, Drive::Floppy(_)) => geometry::FLOPPY_1440,
        (None, _) => return status::BAD_COMMAND,
    };
    let last = geometry.cylinders.clamp(1, 1024) - 1;
    call.regs.set_ch(last as u8);
    call.regs.set_cl(geometry.sectors | (last >> 2) as u8 & 0xc0);
    call.regs.set_dh((geometry.heads - 1) as u8);
    let there = count(call, number);
    call.regs.set_dl(there);
    call.regs.set_al(0);
    if number < FIRST_DISK {
        call.regs.set_bx(geometry.floppy_type().into());
        let (segment, offset) = call.vector(0x1e);
        call.regs.es = segment;
        call.regs.set_di(offset);
    }
    status::OK
}

/// AH=15h.
fn drive_type(call: &mut Call<'_>, drive: Drive) -> Flow {
    match drive {
        Drive::Floppy(_) => call.regs.set_ah(2), // with a line that tells of changed disks
        Drive::Emulated(emulation) if emulation.drive < FIRST_DISK => call.regs.set_ah(1),
        Drive::Cdrom(_) => {
            let number = call.regs.dl();
            finish(call, number, status::BAD_COMMAND);
            return Ok(());
        }
        Drive::Disk(_) | Drive::Emulated(_) => {
            let sectors = sectors(call, drive).min(u32::MAX.into()) as u32;
            call.regs.set_cx((sectors >> 16) as u16);
            call.regs.set_dx(sectors as u16);
            call.regs.set_ah(3);
        }
    }
    call.succeed();
    Ok(())
}

/// AH=17h and 18h: every kind of disk that fits the image is as the image is.
fn media_type(call: &mut Call<'_>, drive: Drive, function: u8) -> u8 {
    let Some(geometry) = geometry_of(call, drive) else { return status::NOT_READY };
    if function == 0x18 {
        let sectors = call.regs.cl() & 0x3f;
        let cylinders = u16::from(call.regs.ch()) + 1;
        if sectors != geometry.sectors || cylinders != geometry.cylinders {
            return 0x0c;
        }
        let (segment, offset) = call.vector(0x1e);
        call.regs.es = segment;
        call.regs.set_di(offset);
    }
    status::OK
}
