//! What firmware learns of the machine by fw_cfg (the numbers are those of QEMU's `fw_cfg.h`, the files those that SeaBIOS
//! and OVMF look for).

use super::board::Board;
use super::config::MachineConfig;
use anyhow::{Result, bail};
use devices::fw_cfg::FwCfg;
use devices::ide::Drive;
use roms::tables::{self, loader};

const GIB: u64 = 1 << 30;

/// ACPI and SMBIOS.
pub(super) fn tables(fw_cfg: &mut FwCfg, board: &tables::Board) {
    for (name, data) in loader::files(board) {
        fw_cfg.set_file(name, data);
    }
}

/// The devices to boot from, first one first, as Open Firmware names them.
fn boot_order(board: &mut Board, order: [u8; 3]) -> Vec<u8> {
    let mut paths = Vec::new();
    for kind in order {
        if kind == 1 {
            let drives = board.fdc.kinds().into_iter().enumerate().filter(|drive| drive.1 != 0);
            paths.extend(drives.map(|(n, _)| format!("/pci@i0cf8/isa@1/fdc@03f0/floppy@{n}")));
        }
        for place in 0..4usize {
            let drive = board.ide.drive(place / 2, place % 2);
            if matches!((kind, drive), (2, Some(Drive::Disk(_))) | (3, Some(Drive::Cdrom(_)))) {
                paths.push(format!("/pci@i0cf8/ide@1,1/drive@{}/disk@{}", place / 2, place % 2));
            }
        }
    }
    match paths.is_empty() {
        true => Vec::new(),
        // With a closing zero, as QEMU writes it.
        false => (paths.join("\n") + "\0").into_bytes(),
    }
}

/// Tells the firmware what the machine is made of (the numbers are those of QEMU's `fw_cfg.h`).
pub(super) fn describe(board: &mut Board, config: &mut MachineConfig) -> Result<()> {
    let (ram, fw_cfg) = (board.ram, &mut board.fw_cfg);
    let cpus = config.cpus as u16;
    fw_cfg.set_item(0x03, config.memory.to_le_bytes().to_vec());
    fw_cfg.set_item(0x04, u16::from(board.vga.is_none()).to_le_bytes().to_vec()); // no graphics
    fw_cfg.set_item(0x05, cpus.to_le_bytes().to_vec());
    fw_cfg.set_item(0x0e, 0u16.to_le_bytes().to_vec()); // no boot menu
    fw_cfg.set_item(0x0f, cpus.to_le_bytes().to_vec());
    fw_cfg.set_item(0x8002, vec![1]); // the timer's IRQ 0 is at the IOAPIC's pin 2
    let mut map = Vec::new();
    for (base, bytes) in [(0, ram.low), (4 * GIB, ram.high)] {
        if bytes > 0 {
            map.extend(base.to_le_bytes());
            map.extend(bytes.to_le_bytes());
            map.extend(1u32.to_le_bytes());
        }
    }
    fw_cfg.set_file("etc/e820", map);
    let order = boot_order(board, config.boot_order);
    if !order.is_empty() {
        board.fw_cfg.set_file("bootorder", order);
    }
    let fw_cfg = &mut board.fw_cfg;
    if let Some(tables) = &board.tables {
        self::tables(fw_cfg, tables);
    }
    for (name, data) in config.fw_cfg_files.drain(..) {
        if !fw_cfg.set_file(&name, data) {
            bail!("fw_cfg file '{name}': names have at most 55 bytes");
        }
    }
    Ok(())
}
