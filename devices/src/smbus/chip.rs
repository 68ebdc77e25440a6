//! The host controller, by its registers. Transfers take no time: whoever waits for HOST_BUSY to fall sees it fallen.

use super::Eeprom;
use serde::{Deserialize, Serialize};

// Register offsets from SMBBA.
const HSTSTS: u16 = 0;
const SLVSTS: u16 = 1;
const HSTCNT: u16 = 2;
const HSTCMD: u16 = 3;
const HSTADD: u16 = 4;
const HSTDAT0: u16 = 5;
const HSTDAT1: u16 = 6;
const BLKDAT: u16 = 7;
const SLVCNT: u16 = 8;
const SHDWCMD: u16 = 9;

// Host status. All of these are cleared by ones.
const INTERRUPT: u8 = 0x02;
const DEV_ERR: u8 = 0x04;
const FAILED: u8 = 0x10;
const CLEARABLE: u8 = 0x1e;

// Host control.
const INTEREN: u8 = 0x01;
const KILL: u8 = 0x02;
const START: u8 = 0x40;

// Protocols (host control, bits 4 to 2).
const QUICK: u8 = 0;
const BYTE: u8 = 1;
const BYTE_DATA: u8 = 2;
const WORD_DATA: u8 = 3;
const BLOCK: u8 = 5;
/// The most bytes of a block.
const BLOCK_BYTES: usize = 32;

/// The address of the first memory module.
const MODULES: u8 = 0x50;
/// Slave status and events that are cleared by ones.
const SLAVE_CLEARABLE: u8 = 0x3e;

/// The registers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default)]
struct Registers {
    status: u8,
    control: u8,
    command: u8,
    address: u8,
    data: [u8; 2],
    block: Vec<u8>,
    /// Where in the block the next access is; set back by a read of the control register.
    at: u8,
    slave_control: u8,
    slave_events: [u8; 2],
}

impl Default for Registers {
    fn default() -> Self {
        Registers {
            status: 0,
            control: 0,
            command: 0,
            address: 0,
            data: [0; 2],
            block: vec![0; BLOCK_BYTES],
            at: 0,
            slave_control: 0,
            slave_events: [0; 2],
        }
    }
}

/// What is saved of the controller and its bus.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Saved {
    registers: Registers,
    pointers: Vec<u8>,
}

/// The controller with the modules on its bus.
#[derive(Clone, Debug, Default)]
pub struct SmBus {
    registers: Registers,
    modules: Vec<Eeprom>,
}

impl SmBus {
    /// A controller with these modules at 50h and the addresses that follow.
    pub fn new(mut modules: Vec<Eeprom>) -> Self {
        modules.truncate(8);
        SmBus { registers: Registers::default(), modules }
    }

    /// After reset. The modules keep what they remember.
    pub fn reset(&mut self) {
        self.registers = Registers::default();
    }

    /// What changes.
    pub fn save(&self) -> Saved {
        let Self { registers, modules } = self;
        Saved { registers: registers.clone(), pointers: modules.iter().map(Eeprom::pointer).collect() }
    }

    /// Takes a saved state over.
    pub fn restore(&mut self, saved: &Saved) {
        self.registers = saved.registers.clone();
        self.registers.block.resize(BLOCK_BYTES, 0);
        self.registers.at %= BLOCK_BYTES as u8;
        self.modules.iter_mut().zip(&saved.pointers).for_each(|(module, pointer)| module.set_pointer(*pointer));
    }

    /// Whether the controller interrupts.
    pub fn interrupts(&self) -> bool {
        self.registers.control & INTEREN != 0 && self.registers.status & CLEARABLE != 0
    }

    /// Reads a register.
    pub fn read(&mut self, offset: u16) -> u8 {
        let registers = &mut self.registers;
        match offset {
            HSTSTS => registers.status,
            HSTCNT => {
                registers.at = 0;
                registers.control
            }
            HSTCMD => registers.command,
            HSTADD => registers.address,
            HSTDAT0 => registers.data[0],
            HSTDAT1 => registers.data[1],
            BLKDAT => {
                let byte = registers.block[usize::from(registers.at)];
                registers.at = (registers.at + 1) % BLOCK_BYTES as u8;
                byte
            }
            SLVCNT => registers.slave_control,
            0x0a | 0x0b => registers.slave_events[usize::from(offset & 1)],
            // No master but this one ever speaks: no slave's status, no shadowed command, no data.
            SLVSTS | SHDWCMD => 0,
            _ => 0,
        }
    }

    /// Writes a register.
    pub fn write(&mut self, offset: u16, value: u8) {
        let registers = &mut self.registers;
        match offset {
            HSTSTS => registers.status &= !(value & CLEARABLE),
            SLVSTS => _ = value & SLAVE_CLEARABLE, // none of them is ever set
            HSTCNT => {
                registers.control = value & !START;
                if value & KILL != 0 {
                    registers.status |= FAILED;
                } else if value & START != 0 {
                    self.transfer(value >> 2 & 7);
                }
            }
            HSTCMD => registers.command = value,
            HSTADD => registers.address = value,
            HSTDAT0 => registers.data[0] = value,
            HSTDAT1 => registers.data[1] = value,
            BLKDAT => {
                registers.block[usize::from(registers.at)] = value;
                registers.at = (registers.at + 1) % BLOCK_BYTES as u8;
            }
            SLVCNT => registers.slave_control = value & 0x0f,
            0x0a | 0x0b => registers.slave_events[usize::from(offset & 1)] = value,
            _ => {}
        }
    }

    /// A whole transaction. Nobody at the address, or a byte that is not acknowledged, is a device's error.
    fn transfer(&mut self, protocol: u8) {
        let registers = &mut self.registers;
        let place = (registers.address >> 1).wrapping_sub(MODULES);
        let reads = registers.address & 1 != 0;
        let done = match self.modules.get_mut(usize::from(place)) {
            None => false,
            Some(module) => match (protocol, reads) {
                (QUICK, _) => true,
                (BYTE, false) => {
                    module.set_pointer(registers.command);
                    true
                }
                (BYTE, true) => {
                    registers.data[0] = module.read();
                    true
                }
                (BYTE_DATA | WORD_DATA, true) => {
                    module.set_pointer(registers.command);
                    registers.data[0] = module.read();
                    if protocol == WORD_DATA {
                        registers.data[1] = module.read();
                    }
                    true
                }
                (BLOCK, true) => {
                    // The first byte says how many follow; a memory module's are bytes like all others.
                    module.set_pointer(registers.command);
                    registers.data[0] = module.read();
                    let count = usize::from(registers.data[0]);
                    let fits = (1..=BLOCK_BYTES).contains(&count);
                    if fits {
                        registers.block.iter_mut().take(count).for_each(|byte| *byte = module.read());
                        registers.at = 0;
                    }
                    fits
                }
                // The pointer is taken; data is not, by a module that is write-protected.
                (BYTE_DATA | WORD_DATA | BLOCK, false) => {
                    module.set_pointer(registers.command);
                    false
                }
                _ => false,
            },
        };
        registers.status |= if done { INTERRUPT } else { DEV_ERR };
    }
}
