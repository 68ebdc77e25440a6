use super::*;
use lyrebird_memory::{Region, Target};

const NOW: VmTime = VmTime::ZERO;

struct Bench {
    dma: Dma,
    memory: Arc<GuestMemory>,
}

impl Bench {
    fn new() -> Self {
        let memory = Arc::new(GuestMemory::new());
        let block = memory.add_block("ram", 0x10_0000).unwrap();
        memory.map(Region { base: 0, bytes: 0x10_0000, priority: 0, target: Target::Ram { block, offset: 0 } });
        Bench { dma: Dma::new(memory.clone()), memory }
    }

    fn out(&mut self, port: u16, value: u8) {
        self.dma.write(port, 1, value.into(), NOW);
    }

    fn inp(&mut self, port: u16) -> u8 {
        self.dma.read(port, 1, NOW) as u8
    }

    /// Programs channel 2 as a floppy driver does.
    fn channel_2(&mut self, mode: u8, page: u8, address: u16, count: u16) {
        self.out(0x0a, 6);
        self.out(0x0c, 0);
        self.out(0x0b, mode | 2);
        address.to_le_bytes().into_iter().for_each(|byte| self.out(0x04, byte));
        self.out(0x81, page);
        count.to_le_bytes().into_iter().for_each(|byte| self.out(0x05, byte));
        self.out(0x0a, 2);
    }

    fn address(&mut self, port: u16) -> u16 {
        self.out(0x0c, 0);
        u16::from_le_bytes([self.inp(port), self.inp(port)])
    }

    fn bytes(&self, gpa: u64, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.memory.read(gpa, &mut bytes).unwrap();
        bytes
    }
}

#[test]
fn a_device_fills_memory_up_to_the_terminal_count() {
    let mut b = Bench::new();
    let channel = b.dma.channel(2);
    assert!(!channel.ready(), "masked after reset");
    b.channel_2(0x44, 3, 0x1000, 5);
    assert!(channel.ready());
    assert_eq!(channel.give(&[1, 2, 3]), Moved { bytes: 3, terminal: false });
    assert_eq!((b.address(0x04), b.address(0x05)), (0x1003, 2));
    assert_eq!(channel.give(&[4, 5, 6, 7, 8]), Moved { bytes: 3, terminal: true });
    assert_eq!(b.bytes(0x3_1000, 7), [1, 2, 3, 4, 5, 6, 0]);
    assert_eq!((b.address(0x04), b.address(0x05)), (0x1006, 0xffff));
    assert_eq!((b.inp(0x08), b.inp(0x08)), (0x04, 0), "reading takes the terminal count back");
    assert!(!channel.ready(), "masked by the terminal count");
    assert_eq!(b.inp(0x0f), 0xff);
    channel.request(true);
    assert_eq!(b.inp(0x08), 0x40);
}

#[test]
fn a_device_takes_from_memory_and_the_channel_starts_over() {
    let mut b = Bench::new();
    b.memory.write(0x2_0010, &[9, 8, 7, 6]).unwrap();
    b.channel_2(0x58, 2, 0x0010, 3);
    let mut data = [0; 6];
    assert_eq!(b.dma.channel(2).take(&mut data), Moved { bytes: 4, terminal: true });
    assert_eq!(data, [9, 8, 7, 6, 0xff, 0xff]);
    assert_eq!((b.address(0x04), b.address(0x05)), (0x10, 3));
    assert!(b.dma.channel(2).ready());
}

#[test]
fn addresses_fall_wrap_in_their_page_and_words_are_even() {
    let mut b = Bench::new();
    b.channel_2(0x64, 1, 0x0001, 3);
    b.dma.channel(2).give(&[1, 2, 3, 4]);
    assert_eq!(b.bytes(0x1_0000, 2), [2, 1]);
    assert_eq!(b.bytes(0x1_fffe, 2), [4, 3], "the page does not change");
    b.channel_2(0x44, 1, 0xffff, 1);
    b.dma.channel(2).give(&[5, 6]);
    assert_eq!((b.bytes(0x1_ffff, 1), b.bytes(0x1_0000, 1)), (vec![5], vec![6]));
    // Channel 5: words, and bit 0 of the page is not connected.
    for (port, value) in
        [(0xd8, 0), (0xd6, 0x45), (0xc4, 0), (0xc4, 0x80), (0x8b, 0x05), (0xc6, 1), (0xc6, 0), (0xd4, 1)]
    {
        b.out(port, value);
    }
    assert_eq!(b.dma.channel(5).give(&[1, 2, 3, 4, 5]), Moved { bytes: 4, terminal: true });
    assert_eq!(b.bytes(0x5_0000, 5), [1, 2, 3, 4, 0]);
}

#[test]
fn verify_counts_only_and_a_disabled_chip_stands() {
    let mut b = Bench::new();
    b.channel_2(0x40, 3, 0, 1);
    assert_eq!(b.dma.channel(2).give(&[1, 2]), Moved { bytes: 2, terminal: true });
    assert_eq!(b.bytes(0x3_0000, 2), [0, 0]);
    b.channel_2(0x44, 3, 0, 1);
    b.out(0x08, 4);
    assert!(!b.dma.channel(2).ready());
    assert_eq!(b.dma.channel(2).give(&[1]), Moved { bytes: 0, terminal: false });
    b.out(0x0d, 0);
    assert_eq!((b.inp(0x08), b.inp(0x0f)), (0, 0xff), "master clear masks all");
    b.out(0x0e, 0);
    assert_eq!(b.inp(0x0f), 0xf0);
}

#[test]
fn software_requests() {
    let mut b = Bench::new();
    // From memory to memory: channel 0 to channel 1.
    b.memory.write(0x1_0100, &[1, 2, 3, 4]).unwrap();
    for (port, value) in [
        (0x0c, 0),
        (0x00, 0),
        (0x00, 1),
        (0x87, 1),
        (0x0b, 0x88),
        (0x02, 0),
        (0x02, 2),
        (0x03, 3),
        (0x03, 0),
        (0x83, 4),
        (0x0b, 0x85),
        (0x08, 1),
        (0x09, 4),
    ] {
        b.out(port, value);
    }
    assert_eq!(b.bytes(0x4_0200, 5), [1, 2, 3, 4, 0]);
    assert_eq!(b.inp(0x0d), 4, "the temporary register has the last byte");
    assert_eq!(b.inp(0x08), 0x02);
    // Block mode without a device: the bus is not driven.
    b.channel_2(0x84, 5, 0, 2);
    b.out(0x09, 6);
    assert_eq!(b.bytes(0x5_0000, 4), [0xff, 0xff, 0xff, 0]);
}

#[test]
fn page_registers_are_memory() {
    let mut b = Bench::new();
    for port in 0x80..0x90 {
        b.out(port, port as u8 ^ 0x5a);
    }
    for port in 0x80..0x90 {
        assert_eq!(b.inp(port), port as u8 ^ 0x5a);
    }
}

#[test]
fn nothing_that_a_guest_does_panics_and_states_survive() {
    let mut seed = 1u64;
    let mut next = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as u32
    };
    let mut b = Bench::new();
    for step in 0..20_000 {
        let port = [next() % 16, 0xc0 + next() % 32, 0x80 + next() % 16][next() as usize % 3] as u16;
        match next() % 8 {
            0..=4 => b.out(port, next() as u8),
            5 => _ = b.inp(port),
            6 => _ = b.dma.channel(next() as usize).give(&vec![1; next() as usize % 2000]),
            _ => _ = b.dma.channel(next() as usize).take(&mut vec![1; next() as usize % 2000]),
        }
        if step % 100 == 0 {
            let saved = b.dma.save(NOW);
            let mut other = Bench::new();
            other.dma.restore(&saved, NOW).unwrap();
            assert_eq!(other.dma.save(NOW), saved);
        }
    }
}
