//! SMART (ATA/ATAPI-6, 8.55): a disk that is always well.

use super::super::identify::checksum;
use super::super::task_file::error;
use super::Disk;

/// What LBA Mid and High must hold, and what they hold after RETURN STATUS if nothing is wrong.
const SIGNATURE: u16 = 0xc24f;

/// Attributes: number, flags, and its threshold; each with the value 100. They are those that every disk has.
const ATTRIBUTES: [(u8, u16, u8); 4] = [
    (1, 0x0003, 6),   // read error rate
    (5, 0x0003, 36),  // reallocated sectors
    (9, 0x0003, 0),   // power-on time
    (12, 0x0003, 20), // power cycles
];

impl Disk {
    pub(super) fn smart(&mut self) {
        let feature = self.regs.features();
        if self.regs.cylinder() != SIGNATURE || !self.state.smart && feature != 0xd8 {
            return self.regs.fail(error::ABRT);
        }
        match feature {
            0xd0 => self.reply(values()),
            0xd1 => self.reply(thresholds()),
            // Autosave, save, and self-tests that are over at once.
            0xd2..=0xd4 => self.regs.complete(),
            0xd5 => match self.regs.lba_low() {
                // The directory, the error log and the self-test log: all empty.
                log @ (0x00 | 0x01 | 0x06) => {
                    let mut block = vec![0; 512];
                    block[0] = 1;
                    if log != 0 {
                        checksum(&mut block);
                    }
                    self.reply(block);
                }
                _ => self.regs.fail(error::ABRT),
            },
            0xd8 | 0xd9 => {
                self.state.smart = feature == 0xd8;
                self.regs.complete();
            }
            0xda => self.regs.complete(), // the signature stays: no threshold is exceeded
            _ => self.regs.fail(error::ABRT),
        }
    }

    fn reply(&mut self, block: Vec<u8>) {
        self.regs.offer(block, false);
    }
}

fn values() -> Vec<u8> {
    let mut block = vec![0; 512];
    block[0] = 0x10;
    for (entry, (number, flags, _)) in block[2..].chunks_exact_mut(12).zip(ATTRIBUTES) {
        let [low, high] = u16::to_le_bytes(flags);
        entry[..5].copy_from_slice(&[number, low, high, 100, 100]);
    }
    block[368] = 0x03; // attributes are saved
    block[370] = 0x01; // an error log
    checksum(&mut block);
    block
}

fn thresholds() -> Vec<u8> {
    let mut block = vec![0; 512];
    block[0] = 0x10;
    for (entry, (number, _, threshold)) in block[2..].chunks_exact_mut(12).zip(ATTRIBUTES) {
        entry[..2].copy_from_slice(&[number, threshold]);
    }
    checksum(&mut block);
    block
}
