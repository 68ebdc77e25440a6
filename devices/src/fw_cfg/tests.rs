use super::*;
use lyrebird_memory::{Region, Target};

fn device() -> (FwCfg, Arc<GuestMemory>) {
    let memory = Arc::new(GuestMemory::new());
    let block = memory.add_block("ram", 0x10000).unwrap();
    memory.map(Region { base: 0, bytes: 0x10000, priority: 0, target: Target::Ram { block, offset: 0 } });
    (FwCfg::new(memory.clone()), memory)
}

fn item(device: &mut FwCfg, selector: u16, bytes: usize) -> Vec<u8> {
    device.write(SELECTOR, 2, selector.into(), VmTime::ZERO);
    (0..bytes).map(|_| device.read(DATA, 1, VmTime::ZERO) as u8).collect()
}

fn dma(device: &mut FwCfg, memory: &GuestMemory, control: u32, length: u32, target: u64) -> u32 {
    memory.write(0x100, &control.to_be_bytes()).unwrap();
    memory.write(0x104, &length.to_be_bytes()).unwrap();
    memory.write(0x108, &target.to_be_bytes()).unwrap();
    device.write(0x514, 4, 0, VmTime::ZERO);
    device.write(0x518, 4, 0x100u32.swap_bytes(), VmTime::ZERO);
    (memory.read_uint(0x100, 4).unwrap() as u32).swap_bytes()
}

#[test]
fn signature_and_directory() {
    let (mut device, _) = device();
    assert!(device.set_file("etc/one", vec![1, 2, 3]));
    assert!(!device.set_file(&"x".repeat(56), vec![]));
    assert_eq!(item(&mut device, 0, 5), *b"QEMU\0");
    assert_eq!(item(&mut device, 1, 4), [3, 0, 0, 0]);
    let directory = item(&mut device, 0x19, 68);
    assert_eq!(directory[..12], [0, 0, 0, 1, 0, 0, 0, 3, 0, 0x20, 0, 0]);
    assert_eq!(&directory[12..20], b"etc/one\0");
    assert_eq!(item(&mut device, 0x20, 4), [1, 2, 3, 0]);
    assert_eq!(device.read(0x514, 4, VmTime::ZERO).swap_bytes(), 0x5145_4d55);
}

#[test]
fn dma_reads_skips_and_pads_with_zeroes() {
    let (mut device, memory) = device();
    device.set_file("f", (1..=10).collect());
    memory.write(0x1000, &[0xee; 8]).unwrap();
    assert_eq!(dma(&mut device, &memory, 0x20 << 16 | DMA_SELECT | DMA_SKIP, 6, 0), 0);
    assert_eq!(dma(&mut device, &memory, DMA_READ, 6, 0x1000), 0);
    let mut out = [0; 8];
    memory.read(0x1000, &mut out).unwrap();
    assert_eq!(out, [7, 8, 9, 10, 0, 0, 0xee, 0xee]);
}

#[test]
fn dma_writes_only_where_allowed_and_reports_errors() {
    let (mut device, memory) = device();
    device.store().set_file("ro", vec![0; 4], false);
    device.store().set_file("rw", vec![0; 4], true);
    memory.write(0x1000, &[9, 8, 7, 6]).unwrap();
    assert_eq!(dma(&mut device, &memory, 0x20 << 16 | DMA_SELECT | DMA_WRITE, 4, 0x1000), DMA_ERROR);
    assert_eq!(dma(&mut device, &memory, 0x21 << 16 | DMA_SELECT | DMA_WRITE, 4, 0x1000), 0);
    assert_eq!(device.store().file("rw"), Some(&[9, 8, 7, 6][..]));
    assert_eq!(dma(&mut device, &memory, DMA_WRITE, 1, 0x1000), DMA_ERROR);
    assert_eq!(dma(&mut device, &memory, DMA_SELECT | DMA_READ, u32::MAX, 0x8000), DMA_ERROR);
}
