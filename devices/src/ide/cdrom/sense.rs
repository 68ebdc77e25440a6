//! Sense data (MMC-3, annex): why a packet command failed.

use serde::{Deserialize, Serialize};

/// Key, additional code and its qualifier.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sense {
    pub(super) key: u8,
    code: u8,
    qualifier: u8,
}

impl Sense {
    pub const NONE: Sense = Sense::new(0, 0, 0);
    pub const NO_MEDIUM: Sense = Sense::new(2, 0x3a, 0x01);
    pub const TRAY_OPEN: Sense = Sense::new(2, 0x3a, 0x02);
    pub const READ_ERROR: Sense = Sense::new(3, 0x11, 0x00);
    pub const INVALID_COMMAND: Sense = Sense::new(5, 0x20, 0x00);
    pub const OUT_OF_RANGE: Sense = Sense::new(5, 0x21, 0x00);
    pub const INVALID_FIELD: Sense = Sense::new(5, 0x24, 0x00);
    pub const SAVING_NOT_SUPPORTED: Sense = Sense::new(5, 0x39, 0x00);
    pub const REMOVAL_PREVENTED: Sense = Sense::new(5, 0x53, 0x02);
    pub const MEDIUM_CHANGED: Sense = Sense::new(6, 0x28, 0x00);
    pub const RESET: Sense = Sense::new(6, 0x29, 0x00);

    const fn new(key: u8, code: u8, qualifier: u8) -> Self {
        Sense { key, code, qualifier }
    }

    /// Whether the ABRT bit goes with it: a command that was refused.
    pub fn aborts(self) -> bool {
        self.key == 5
    }

    /// The fixed format, 18 bytes.
    pub fn data(self) -> Vec<u8> {
        let mut data = vec![0; 18];
        (data[0], data[2], data[7]) = (0x70, self.key, 10);
        (data[12], data[13]) = (self.code, self.qualifier);
        data
    }
}
