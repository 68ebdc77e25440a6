//! Commands that change how the disk behaves: SET FEATURES, SET MULTIPLE MODE, INITIALIZE DEVICE PARAMETERS, power.

use super::super::identify::is_mode;
use super::super::task_file::error;
use super::{Disk, MOST_MULTIPLE};

impl Disk {
    /// SET FEATURES (ATA/ATAPI-6, 8.46).
    pub(super) fn set_features(&mut self) {
        let state = &mut self.state;
        match self.regs.features() {
            0x02 => state.write_cache = true,
            0x82 => {
                state.write_cache = false;
                // What the cache held must not be lost.
                return self.flush_cache();
            }
            0x03 if is_mode(self.regs.count()) => state.mode = self.regs.count(),
            0x55 => state.look_ahead = false,
            0xaa => state.look_ahead = true,
            // Keep settings over a soft reset, or not: they are kept.
            0x66 | 0xcc => {}
            _ => return self.regs.fail(error::ABRT),
        }
        self.regs.complete();
    }

    /// SET MULTIPLE MODE: a power of two, or zero for none.
    pub(super) fn set_multiple_mode(&mut self) {
        let count = self.regs.count();
        if count > MOST_MULTIPLE || count != 0 && !count.is_power_of_two() {
            self.state.multiple = 0;
            return self.regs.fail(error::ABRT);
        }
        self.state.multiple = count;
        self.regs.complete();
    }

    /// READ and WRITE MULTIPLE, if they are on.
    pub(super) fn multiple(&mut self, go: impl FnOnce(&mut Self, u32)) {
        match self.state.multiple {
            0 => self.regs.fail(error::ABRT),
            block => go(self, block.into()),
        }
    }

    /// INITIALIZE DEVICE PARAMETERS: another CHS translation (ATA/ATAPI-5, 8.16).
    pub(super) fn initialize_device_parameters(&mut self) {
        match self.regs.count() {
            0 => self.regs.fail(error::ABRT),
            track => {
                self.state.track = track;
                self.state.heads = (self.regs.device & 15) + 1;
                self.regs.complete();
            }
        }
    }

    /// STANDBY: the heads are parked, and nothing may be lost when the power goes now.
    pub(super) fn stand_by(&mut self) {
        self.state.standby = true;
        self.flush_cache();
    }
}
