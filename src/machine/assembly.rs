//! Puts a board together: memory, chips, ports, addresses and wires, as QEMU's `pc` machine has them.

use super::board::*;
use super::config::MachineConfig;
use super::maps::{MmioMap, MmioRange, PortMap, PortRange};
use super::wiring::{Target as Wire, Wiring};
use super::{cmos, describe, drives, host_inputs::HostInputs};
use anyhow::{Context, Result, bail};
use devices::acpi_pm::AcpiPm;
use devices::apic::LocalApic;
use devices::debug_exit::DebugExit;
use devices::debugcon::DebugCon;
use devices::dma::Dma;
use devices::fdc::Fdc;
use devices::ferr::FerrLatch;
use devices::flash::Flash;
use devices::fw_cfg::FwCfg;
use devices::hpet::{self, Hpet};
use devices::ide::Ide;
use devices::ioapic::IoApic;
use devices::parallel::Parallel;
use devices::pci::{HostBridge, Pam, Piix3, WindowBus};
use devices::pic::Pic;
use devices::pit::Pit;
use devices::port92::Port92;
use devices::ps2::Ps2;
use devices::request::Requests;
use devices::rtc::Rtc;
use devices::smbus::{self, SmBus};
use devices::testdev::{self, TestDev};
use devices::uart::Uart;
use devices::vga::{self, Vga};
use lyrebird_core::{BlockDevice, Device, Signals, Timer, TimerQueue, TimerToken, dispi};
use lyrebird_memory::{GuestMemory, PAGE_SIZE, Region, Target};
use std::sync::Arc;

const GIB: u64 = 1 << 30;
/// RAM ends here; devices and the firmware's ROM are above it, and more RAM from 4 GiB.
const LOW_RAM_END: u64 = 3 * GIB;
/// Where the IOAPIC is.
const IOAPIC_BASE: u64 = 0xfec0_0000;
/// COM1 to COM4.
const SERIAL_PORTS: [(u16, u8); 4] = [(0x3f8, 4), (0x2f8, 3), (0x3e8, 4), (0x2e8, 3)];

/// Builds the board. The configuration's character ports are taken out of it.
pub fn assemble(config: &mut MachineConfig, inputs: &mut HostInputs, signals: Vec<Arc<Signals>>) -> Result<Board> {
    if config.cpus == 0 || config.cpus > 255 {
        bail!("a machine has 1 to 255 CPUs, not {}", config.cpus);
    }
    if config.cpus > 1 && !config.apic {
        bail!("more than one CPU needs APICs");
    }
    if config.memory < 1 << 20 || !config.memory.is_multiple_of(PAGE_SIZE) {
        bail!("RAM is at least 1 MiB and a whole number of 4 KiB pages; {} bytes is not", config.memory);
    }
    let memory = Arc::new(GuestMemory::new());
    let ram = RamLayout { low: config.memory.min(LOW_RAM_END), high: config.memory.saturating_sub(LOW_RAM_END) };
    let mut bios = config.bios.take().unwrap_or_default();
    let (timers, windows, requests) = (TimerQueue::new(), WindowBus::new(), Requests::default());
    // Before there is RAM: the screen's tracker of dirty pages need not watch it.
    let video_bios = config.vga_rom.take();
    let vga = plug_in_vga(config.vga, video_bios.clone(), &memory, &windows)?;
    if bios.is_empty() && config.firmware.is_some() {
        bios = roms::image::system_rom();
    }
    let facts = config.firmware.take().unwrap_or_default();
    let facts = roms::Facts { low_ram: ram.low, high_ram: ram.high, ..facts };
    let block = memory.add_block("ram", config.memory).context("RAM")?;
    memory.map(Region { base: 0, bytes: ram.low, priority: 0, target: Target::Ram { block, offset: 0 } });
    if ram.high > 0 {
        let target = Target::Ram { block, offset: ram.low };
        memory.map(Region { base: 4 * GIB, bytes: ram.high, priority: 0, target });
    }
    memory.map(Region { base: vga::LEGACY_BASE, bytes: vga::LEGACY_BYTES, priority: 1, target: Target::Device });
    map_bios(&memory, &bios)?;
    let flash = flash(&memory, std::mem::take(&mut config.flash))?;
    if let Some(flash) = flash.first() {
        bios = flash.content();
    }
    let pam = Pam::new(memory.clone(), block, &bios, &video_bios.unwrap_or_default()).context("the BIOS area")?;

    let timer = |device: DeviceId| timers.timer(TimerToken { device: device.into(), timer: 0 });
    let mut wiring = Wiring::new();
    let pit_line = wiring.line(Wire::Replaceable(0));
    let mut rtc = Rtc::new(inputs.wall_clock(config.rtc_base), wiring.line(Wire::Replaceable(8)), timer(RTC));
    let mut isa = |irq: u8| wiring.line(Wire::Gsi(irq));
    cmos::fill(&mut rtc, ram, config.cpus, config.boot_order);
    drives::describe(&mut rtc, drives::disk_sizes(&config.drives));
    let mut serial: [Option<Uart>; 4] = Default::default();
    for (n, port) in config.serial.drain(..).enumerate() {
        let Some(place) = serial.get_mut(n) else { bail!("a PC has four serial ports") };
        *place = port.map(|port| Uart::new(&format!("serial{n}"), isa(SERIAL_PORTS[n].1), port.out));
    }
    let mut ide = Ide::new(memory.clone(), [isa(14), isa(15)], windows.handle(1));
    drives::connect(&mut ide, std::mem::take(&mut config.drives));
    let dma = Dma::new(memory.clone());
    let mut fdc = Fdc::new(isa(6), timer(FDC), dma.channel(2));
    drives::connect_floppies(&mut fdc, std::mem::take(&mut config.floppies));
    drives::describe_floppies(&mut rtc, fdc.kinds());
    config.cmos.iter().for_each(|(index, value)| rtc.set_cmos(*index, *value));
    let parallel = config.parallel.take().map(|out| Parallel::new(isa(7), timer(PARALLEL), out));
    let hpet = config.hpet.then(|| Hpet::new([0, 8].map(&mut isa), hpet::ROUTES.map(&mut isa), timer(HPET)));
    let smbus = SmBus::new(smbus::modules(config.memory));
    let mut board = Board {
        pic: Pic::new(),
        pit: Pit::new(pit_line, timer(PIT)),
        ps2: Ps2::new(isa(1), isa(12), timer(PS2), memory.clone(), requests.clone()),
        pm: AcpiPm::new(isa(9), timer(PM), requests.clone(), [0, SMBUS_WINDOW].map(|id| windows.handle(id)), smbus),
        ferr: FerrLatch::new(isa(13)),
        rtc,
        ioapic: config.apic.then(|| IoApic::new(0x11)),
        apics: if config.apic { apics(config.cpus, &timers) } else { Vec::new() },
        port92: Port92::new(memory.clone(), requests.clone()),
        host_bridge: HostBridge::new(pam),
        piix3: Piix3::new(requests.clone()),
        fw_cfg: FwCfg::new(memory.clone()),
        debugcon: config.debugcon.take().map(DebugCon::new),
        serial,
        ide,
        dma,
        fdc,
        parallel,
        hpet,
        flash,
        vga,
        firmware: Some(roms::Firmware::new(facts)),
        others: Vec::new(),
        tables: config.tables.take(),
        ports: PortMap::new(),
        mmio: MmioMap::default(),
        functions: vec![(0x00, HOST_BRIDGE), (0x08, PIIX3), (0x09, IDE), (0x0b, PM), (0x10, VGA)],
        window_owners: [PM, IDE, VGA, PM].map(|device| WindowOwner { device, port_slot: None, mmio_slot: None }).into(),
        pic_intr: false,
        memory,
        wiring,
        timers,
        requests,
        windows,
        signals,
        ram,
    };
    map_fixed(&mut board);
    plug_in_tests(&mut board, config);
    describe::describe(&mut board, config)?;
    board.settle();
    Ok(board)
}

fn plug_in_vga(
    there: bool,
    rom: Option<Vec<u8>>,
    memory: &Arc<GuestMemory>,
    windows: &Arc<WindowBus>,
) -> Result<Option<Vga>> {
    if !there {
        return Ok(None);
    }
    let vga = Vga::new(memory.clone(), windows.handle(2)).context("the display adapter")?;
    Ok(Some(match rom {
        Some(image) => vga.with_rom(image).context("the video BIOS")?,
        // Another firmware gets ours, unless somebody chose one.
        None => vga.with_rom(roms::image::video_rom()).context("the video BIOS")?,
    }))
}

fn apics(cpus: u32, timers: &Arc<TimerQueue>) -> Vec<LocalApic> {
    let timer = |cpu: u32| -> Timer { timers.timer(TimerToken { device: u32::from(APIC) + cpu, timer: 0 }) };
    (0..cpus).map(|cpu| LocalApic::new(cpu, timer(cpu))).collect()
}

/// The whole firmware image, ending at 4 GiB.
fn map_bios(memory: &GuestMemory, image: &[u8]) -> Result<()> {
    if image.is_empty() {
        return Ok(());
    }
    let bytes = (image.len() as u64).next_multiple_of(PAGE_SIZE);
    if bytes > 16 << 20 {
        bail!("a firmware image has at most 16 MiB");
    }
    let block = memory.add_block("bios", bytes).context("the firmware image")?;
    memory.block(block).fill(bytes - image.len() as u64, image)?;
    memory.map(Region { base: 4 * GIB - bytes, bytes, priority: 1, target: Target::Rom { block, offset: 0 } });
    Ok(())
}

/// Flash memories from 4 GiB down.
fn flash(memory: &Arc<GuestMemory>, images: Vec<Box<dyn BlockDevice>>) -> Result<Vec<Flash>> {
    let mut end = 4 * GIB;
    let mut flash = Vec::new();
    for (n, image) in images.into_iter().enumerate() {
        let unit = Flash::new(&format!("flash{n}"), memory.clone(), image, end)?;
        end = unit.base();
        flash.push(unit);
    }
    Ok(flash)
}

/// Ports and addresses that never move.
fn map_fixed(board: &mut Board) {
    let mut ports = |first, last, width, device| {
        board.ports.add(PortRange { first, last, width, device });
    };
    ports(0x20, 0x21, 1, PIC);
    ports(0xa0, 0xa1, 1, PIC);
    ports(0x4d0, 0x4d1, 1, PIC);
    ports(0x40, 0x43, 1, PIT);
    ports(0x61, 0x61, 1, PIT);
    ports(0x60, 0x60, 1, PS2);
    ports(0x64, 0x64, 1, PS2);
    ports(0x70, 0x71, 1, RTC);
    ports(0x92, 0x92, 1, PORT92);
    ports(0xb2, 0xb3, 1, PM);
    ports(0xafe0, 0xafe3, 4, PM);
    ports(0xf0, 0xf1, 1, FERR);
    for (command, control) in [(0x1f0, 0x3f6), (0x170, 0x376)] {
        ports(command, command + 7, 4, IDE);
        ports(control, control, 1, IDE);
    }
    for (first, last) in [(0x00, 0x0f), (0x80, 0x8f), (0xc0, 0xdf)] {
        ports(first, last, 1, DMA);
    }
    for (first, last) in [(0x3f2, 0x3f5), (0x3f7, 0x3f7)] {
        ports(first, last, 1, FDC);
    }
    ports(roms::PORTS, roms::PORTS + roms::PORT_COUNT - 1, 4, FIRMWARE);
    ports(0x510, 0x511, 2, FW_CFG);
    ports(0x514, 0x51b, 4, FW_CFG);
    ports(0xcf8, 0xcfb, 4, HOST_BRIDGE);
    ports(0xcfc, 0xcff, 4, HOST_BRIDGE);
    if board.vga.is_some() {
        for (first, last) in [(0x3b4, 0x3b5), (0x3ba, 0x3ba), (0x3c0, 0x3cf), (0x3d4, 0x3d5), (0x3da, 0x3da)] {
            ports(first, last, 4, VGA);
        }
        ports(dispi::INDEX_PORT, dispi::ALIGNED_DATA_PORT, 2, VGA);
        let (base, bytes) = (vga::LEGACY_BASE, vga::LEGACY_BYTES);
        board.mmio.add(MmioRange { base, bytes, offset: 0, device: VGA });
    }
    if board.debugcon.is_some() {
        ports(0xe9, 0xe9, 1, DEBUGCON);
        ports(0x402, 0x402, 1, DEBUGCON);
    }
    for (n, (first, _)) in SERIAL_PORTS.into_iter().enumerate() {
        if board.serial[n].is_some() {
            ports(first, first + 7, 1, SERIAL + n as u16);
        }
    }
    if board.parallel.is_some() {
        ports(0x378, 0x37a, 1, PARALLEL);
    }
    if board.hpet.is_some() {
        board.mmio.add(MmioRange { base: hpet::BASE, bytes: hpet::BYTES, offset: 0, device: HPET });
    }
    for (n, flash) in (0..).zip(&board.flash) {
        board.mmio.add(MmioRange { base: flash.base(), bytes: flash.bytes(), offset: 0, device: FLASH + n });
    }
    if board.ioapic.is_some() {
        board.mmio.add(MmioRange { base: IOAPIC_BASE, bytes: 0x1000, offset: 0, device: IOAPIC });
    }
}

/// The devices of tests.
fn plug_in_tests(board: &mut Board, config: &MachineConfig) {
    let plug_in = |board: &mut Board, device: Box<dyn Device>| {
        board.others.push(device);
        OTHER + board.others.len() as u16 - 1
    };
    if let Some(exit) = config.debug_exit {
        let device = plug_in(board, Box::new(DebugExit::new(board.requests.clone())));
        let last = exit.iobase.saturating_add(exit.iosize.max(1) - 1);
        board.ports.add(PortRange { first: exit.iobase, last, width: 4, device });
    }
    if config.testdev {
        let lines = (0..testdev::LINES as u8).map(|gsi| board.wiring.line(Wire::Gsi(gsi))).collect();
        let device = plug_in(board, Box::new(TestDev::new(lines)));
        let irqs = testdev::IRQ_PORTS;
        for (first, last) in [
            (testdev::DATA_PORTS, testdev::DATA_PORTS + 3),
            (testdev::FLUSH_PORTS, testdev::FLUSH_PORTS + 3),
            (irqs, irqs + testdev::LINES as u16 - 1),
        ] {
            board.ports.add(PortRange { first, last, width: 4, device });
        }
        let bytes = testdev::MEMORY_BYTES as u64;
        board.mmio.add(MmioRange { base: testdev::MEMORY_BASE, bytes, offset: 0, device });
    }
}
