//! The drives of the IDE channels and of the floppy controller, as a machine is configured with them.

use devices::fdc::Fdc;
use devices::ide::Ide;
use devices::rtc::Rtc;
use lyrebird_core::BlockDevice;

/// What is connected to one of the four places of the IDE channels.
pub enum DriveConfig {
    /// A hard disk.
    Disk(Box<dyn BlockDevice>),
    /// A CD-ROM drive, perhaps without a medium.
    Cdrom(Option<Box<dyn BlockDevice>>),
}

/// Primary device 0 and 1, then secondary device 0 and 1.
pub type Drives = [Option<DriveConfig>; 4];

/// Floppy drives A and B: whether there is one, and what is in it.
pub type Floppies = [Option<Option<Box<dyn BlockDevice>>>; 2];

/// The disks' sizes in sectors.
pub(super) fn disk_sizes(drives: &Drives) -> [Option<u64>; 4] {
    std::array::from_fn(|n| match &drives[n] {
        Some(DriveConfig::Disk(medium)) => Some(medium.sectors()),
        _ => None,
    })
}

/// Connects them all.
pub(super) fn connect(ide: &mut Ide, drives: Drives) {
    for (place, drive) in drives.into_iter().enumerate() {
        match drive {
            Some(DriveConfig::Disk(medium)) => ide.connect_disk(place / 2, place % 2, medium),
            Some(DriveConfig::Cdrom(medium)) => ide.connect_cdrom(place / 2, place % 2, medium),
            None => {}
        }
    }
}

/// Tells the firmware of the disks by CMOS RAM: types and geometry of the first two (12h, 19h to 2Ch), and for all four how
/// addresses by cylinder, head and sector are translated (39h, as QEMU's firmware expects it).
pub(super) fn describe(rtc: &mut Rtc, disks: [Option<u64>; 4]) {
    const USER_TYPE: u8 = 47;
    let (mut types, mut translations) = (0, 0);
    for (n, sectors) in disks.into_iter().enumerate() {
        let Some(sectors) = sectors else { continue };
        let cylinders = (sectors / (16 * 63)).clamp(1, 16_383) as u16;
        if cylinders > 1024 {
            translations |= 1 << (2 * n); // by LBA
        }
        if n < 2 {
            types |= 0xf0 >> (4 * n);
            rtc.set_cmos(0x19 + n as u8, USER_TYPE);
            let [low, high] = cylinders.to_le_bytes();
            // Cylinders, heads, no write precompensation, more than eight heads, landing zone, sectors.
            let geometry = [low, high, 16, 0xff, 0xff, 0xc8, low, high, 63];
            for (index, byte) in (0x1b + 9 * n as u8..).zip(geometry) {
                rtc.set_cmos(index, byte);
            }
        }
    }
    rtc.set_cmos(0x12, types);
    rtc.set_cmos(0x39, translations);
}

/// Connects the floppy drives.
pub(super) fn connect_floppies(fdc: &mut Fdc, floppies: Floppies) {
    for (n, medium) in floppies.into_iter().enumerate() {
        if let Some(medium) = medium {
            fdc.connect(n, medium);
        }
    }
}

/// Tells the firmware of the floppy drives: their types (10h), and how many there are (14h).
pub(super) fn describe_floppies(rtc: &mut Rtc, kinds: [u8; 2]) {
    rtc.set_cmos(0x10, kinds[0] << 4 | kinds[1]);
    let equipment = match kinds.iter().filter(|kind| **kind != 0).count() {
        0 => 0,
        count => 1 | (count as u8 - 1) << 6,
    };
    let other = rtc.cmos(0x14) & !0xc1;
    rtc.set_cmos(0x14, other | equipment);
}
