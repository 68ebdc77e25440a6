//! The extensions of INT 13h (Phoenix Enhanced Disk Drive Specification 3.0): addresses of 64 bits, and what a drive is.

use super::{Action, Drive, FIRST_DISK, finish, geometry_of, sectors, status, transfer};
use crate::call::{Call, Flow, linear};

/// Sectors of 512 bytes in a block of a CD.
const CD_BLOCK: u64 = 4;
/// The most sectors a packet moves, so that a hostile one cannot make the host work for long.
const MOST: usize = 0x7f;

/// AH=41h to 49h, and 4Eh.
pub fn service(call: &mut Call<'_>, drive: Drive) -> Flow {
    let code = match call.regs.ah() {
        0x41 => {
            if call.regs.bx() != 0x55aa {
                status::BAD_COMMAND
            } else {
                call.regs.set_bx(0xaa55);
                // Packets, and for removable media locking; EDD 3.0.
                call.regs.set_cx(if matches!(drive, Drive::Cdrom(_)) { 0x07 } else { 0x05 });
                call.succeed();
                call.regs.set_ah(0x30);
                return Ok(());
            }
        }
        0x42 => packet(call, drive, Action::Read),
        0x43 if call.regs.al() <= 2 => packet(call, drive, Action::Write),
        0x44 => packet(call, drive, Action::Verify),
        0x45 => lock(call, drive),
        0x46 => eject(call, drive),
        0x47 => packet_address(call, drive).map_or_else(|code| code, |_| status::OK),
        0x48 => parameters(call, drive),
        0x49 if matches!(drive, Drive::Cdrom(_)) => 0x06, // it may have been changed
        0x49 => status::OK,
        // Hardware configuration: prefetch and transfer modes stay as they are.
        0x4e => {
            call.regs.set_al(0);
            status::OK
        }
        _ => status::BAD_COMMAND,
    };
    let number = call.regs.dl();
    finish(call, number, code);
    Ok(())
}

struct Packet {
    sector: u64,
    count: usize,
    address: u64,
    at: u64,
}

fn packet_address(call: &mut Call<'_>, drive: Drive) -> Result<Packet, u8> {
    let at = linear(call.regs.ds, call.regs.si());
    // Without its bytes all this comes again.
    let packet = call.borrow(at, 16).ok_or(status::OK)?;
    let word = |bytes: &[u8], at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    let long = |bytes: &[u8], at: usize| u64::from_le_bytes(std::array::from_fn(|n| bytes[at + n]));
    if packet[0] < 16 {
        return Err(status::BAD_COMMAND);
    }
    let mut count = usize::from(word(&packet, 2));
    let (offset, segment) = (word(&packet, 4), word(&packet, 6));
    let mut address = linear(segment, offset);
    if offset == 0xffff && segment == 0xffff && packet[0] >= 24 {
        address = long(&call.borrow(at + 16, 8).ok_or(status::OK)?, 0);
    }
    let mut sector = long(&packet, 8);
    if matches!(drive, Drive::Cdrom(_)) {
        sector = sector.checked_mul(CD_BLOCK).ok_or(status::NOT_FOUND)?;
        count *= CD_BLOCK as usize;
    }
    Ok(Packet { sector, count, address, at })
}

fn packet(call: &mut Call<'_>, drive: Drive, action: Action) -> u8 {
    let Packet { sector, count, address, at } = match packet_address(call, drive) {
        Ok(packet) => packet,
        Err(code) => return code,
    };
    let cd = matches!(drive, Drive::Cdrom(_));
    if cd && sectors(call, drive) == 0 {
        call.give(at + 2, &[0, 0]);
        return status::NO_MEDIUM;
    }
    // The last block of a CD may be cut short in its image.
    let there = if cd { sectors(call, drive).next_multiple_of(CD_BLOCK) } else { sectors(call, drive) };
    let mut done = 0;
    let mut code = status::OK;
    if sector.checked_add(count as u64).is_none_or(|end| end > there) {
        code = status::NOT_FOUND;
    }
    while code == status::OK && done < count {
        let step = (count - done).min(MOST * 4);
        let first = sector + done as u64;
        let inside = (sectors(call, drive).saturating_sub(first)).min(step as u64) as usize;
        code = transfer(call, drive, action, first, inside, address + done as u64 * 512);
        done += step;
    }
    if code != status::OK {
        call.give(at + 2, &[0, 0]);
    }
    code
}

/// AH=45h.
fn lock(call: &mut Call<'_>, drive: Drive) -> u8 {
    let Drive::Cdrom(place) = drive else { return status::OK };
    let function = call.regs.al();
    let locks = &mut call.state.disk.locks[place & 3];
    match function {
        0 if *locks == 0xff => return 0xb4,
        0 => *locks += 1,
        1 if *locks == 0 => return status::NOT_LOCKED,
        1 => *locks -= 1,
        2 => {}
        _ => return status::BAD_COMMAND,
    }
    let locked = *locks > 0;
    call.regs.set_al(locked.into());
    status::OK
}

/// AH=46h: nothing opens, as long as the medium is the host's.
fn eject(call: &mut Call<'_>, drive: Drive) -> u8 {
    match drive {
        Drive::Cdrom(place) if call.state.disk.locks[place & 3] > 0 => status::LOCKED,
        Drive::Cdrom(_) => status::OK,
        _ => status::NOT_REMOVABLE,
    }
}

/// AH=48h: the drive's parameters, with the path to it if the caller has room.
fn parameters(call: &mut Call<'_>, drive: Drive) -> u8 {
    let at = linear(call.regs.ds, call.regs.si());
    let Some(room) = call.borrow(at, 2) else { return status::OK };
    let room = u16::from_le_bytes([room[0], room[1]]);
    if room < 26 {
        return status::BAD_COMMAND;
    }
    let cd = matches!(drive, Drive::Cdrom(_));
    let total = sectors(call, drive);
    let mut result = vec![0u8; 0x1a];
    let mut put = |at: usize, bytes: &[u8]| result[at..at + bytes.len()].copy_from_slice(bytes);
    if cd {
        // Removable, with change line and lock; the geometry is not known.
        put(2, &0x74u16.to_le_bytes());
        put(4, &[0xff; 12]);
        put(16, &if total == 0 { u64::MAX } else { total.div_ceil(CD_BLOCK) }.to_le_bytes());
        put(24, &2048u16.to_le_bytes());
    } else {
        let geometry = geometry_of(call, drive);
        let Some(geometry) = geometry else { return status::NOT_READY };
        let cylinders = total / (u64::from(geometry.heads) * u64::from(geometry.sectors));
        put(2, &if total > 0xfc_0000 { 1u16 } else { 3 }.to_le_bytes());
        put(4, &(cylinders.min(16_383) as u32).to_le_bytes());
        put(8, &u32::from(geometry.heads).to_le_bytes());
        put(12, &u32::from(geometry.sectors).to_le_bytes());
        put(16, &total.to_le_bytes());
        put(24, &512u16.to_le_bytes());
    }
    if room >= 30 {
        result.extend([0xff; 4]); // no parameters of the controller
    }
    if room >= 66
        && let Drive::Disk(place) | Drive::Cdrom(place) = drive
    {
        result.extend(path(place));
    }
    let size = result.len() as u16;
    result[..2].copy_from_slice(&size.to_le_bytes());
    call.give(at, &result);
    status::OK
}

/// The path to an IDE drive: EDD 3.0's 36 bytes from the key BEDDh on.
fn path(place: usize) -> [u8; 36] {
    let mut path = [0; 36];
    path[..4].copy_from_slice(&[0xdd, 0xbe, 36, 0]);
    path[6..10].copy_from_slice(b"PCI ");
    path[10..18].copy_from_slice(b"ATA     ");
    // Bus, device and function of the controller, and its channel.
    path[18..22].copy_from_slice(&[0, 1, 1, (place / 2) as u8]);
    path[26] = (place % 2) as u8;
    path[35] = path.iter().fold(0u8, |sum, byte| sum.wrapping_sub(*byte));
    path
}

const _: () = assert!(FIRST_DISK == 0x80);
