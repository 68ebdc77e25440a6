//! Which device answers which port and which address.

use super::board::DeviceId;

/// A range of ports that one device answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// Its first port.
    pub first: u16,
    /// Its last.
    pub last: u16,
    /// The widest access that the device takes whole; the bus splits wider ones, as the ISA bus does.
    pub width: u8,
    /// Whose they are.
    pub device: DeviceId,
}

/// All ports.
pub struct PortMap {
    ranges: Vec<Option<PortRange>>,
    /// For each port, one more than the index of its range; zero is nobody's.
    table: Box<[u16]>,
}

impl PortMap {
    /// Nobody's ports.
    pub(super) fn new() -> Self {
        PortMap { ranges: Vec::new(), table: vec![0; 0x1_0000].into() }
    }

    /// Gives a range to a device. Where ranges overlap, the one that came first keeps its ports.
    pub fn add(&mut self, range: PortRange) -> usize {
        self.ranges.push(Some(range));
        self.fill(self.ranges.len() - 1);
        self.ranges.len() - 1
    }

    /// Moves a range, or takes it away.
    pub fn replace(&mut self, index: usize, range: Option<PortRange>) {
        self.ranges[index] = range;
        self.table.fill(0);
        (0..self.ranges.len()).for_each(|index| self.fill(index));
    }

    fn fill(&mut self, index: usize) {
        let Some(range) = self.ranges[index] else { return };
        for owner in &mut self.table[usize::from(range.first)..=usize::from(range.last)] {
            if *owner == 0 {
                *owner = index as u16 + 1;
            }
        }
    }

    fn owner(&self, port: u16) -> u16 {
        self.table[usize::from(port)]
    }

    /// Who answers an access.
    pub fn find(&self, port: u16, bytes: u8) -> Found<DeviceId> {
        let owner = self.owner(port);
        let last = port.checked_add(u16::from(bytes) - 1);
        let whole = last.is_some_and(|last| self.owner(last) == owner);
        match owner.checked_sub(1).and_then(|index| self.ranges[usize::from(index)]) {
            Some(range) if whole && bytes <= range.width => Found::Device(range.device),
            None if bytes == 1 => Found::Nobody,
            // A byte always finds its device; anything wider may be split.
            Some(range) if bytes == 1 => Found::Device(range.device),
            _ => Found::Split,
        }
    }
}

/// What an access meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<T> {
    /// All of it is this device's.
    Device(T),
    /// Nobody answers.
    Nobody,
    /// Its halves have to be looked at one by one.
    Split,
}

/// A range of addresses that one device answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MmioRange {
    /// Its first address.
    pub base: u64,
    /// How many there are.
    pub bytes: u64,
    /// What the device sees for the first address.
    pub offset: u64,
    /// Whose they are.
    pub device: DeviceId,
}

/// All addresses without memory behind them.
#[derive(Default)]
pub struct MmioMap {
    ranges: Vec<Option<MmioRange>>,
}

impl MmioMap {
    /// Gives a range to a device. Where ranges overlap, the one that came first wins.
    pub fn add(&mut self, range: MmioRange) -> usize {
        self.ranges.push(Some(range));
        self.ranges.len() - 1
    }

    /// Moves a range, or takes it away.
    pub fn replace(&mut self, index: usize, range: Option<MmioRange>) {
        self.ranges[index] = range;
    }

    /// Who answers an access, and what offset it sees.
    pub fn find(&self, gpa: u64, bytes: u8) -> Found<(DeviceId, u64)> {
        let covers = |gpa: u64| {
            let mut ranges = self.ranges.iter().flatten();
            ranges.find(|range| gpa.checked_sub(range.base).is_some_and(|offset| offset < range.bytes))
        };
        let (first, last) = (covers(gpa), covers(gpa.saturating_add(u64::from(bytes) - 1)));
        match first {
            Some(range) if first == last => Found::Device((range.device, gpa - range.base + range.offset)),
            None if last.is_none() => Found::Nobody,
            _ => Found::Split,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_accesses_are_split_where_devices_end() {
        let mut map = PortMap::new();
        map.add(PortRange { first: 0x70, last: 0x71, width: 1, device: 1 });
        map.add(PortRange { first: 0xe0, last: 0xe3, width: 4, device: 2 });
        assert_eq!(map.find(0x70, 1), Found::Device(1));
        assert_eq!(map.find(0x70, 2), Found::Split);
        assert_eq!(map.find(0xe0, 4), Found::Device(2));
        assert_eq!(map.find(0xe2, 4), Found::Split);
        assert_eq!(map.find(0xe4, 1), Found::Nobody);
        assert_eq!(map.find(0xffff, 4), Found::Split);
        assert_eq!(map.find(0xffff, 1), Found::Nobody);
    }

    #[test]
    fn ranges_move() {
        let mut map = PortMap::new();
        let index = map.add(PortRange { first: 0x600, last: 0x63f, width: 4, device: 1 });
        map.replace(index, Some(PortRange { first: 0xb000, last: 0xb03f, width: 4, device: 1 }));
        assert_eq!((map.find(0x600, 1), map.find(0xb004, 2)), (Found::Nobody, Found::Device(1)));
        let mut map = MmioMap::default();
        map.add(MmioRange { base: 0x1000, bytes: 0x10, offset: 0x100, device: 3 });
        assert_eq!(map.find(0x1008, 8), Found::Device((3, 0x108)));
        assert_eq!(map.find(0x100c, 8), Found::Split);
        assert_eq!((map.find(0x1010, 4), map.find(u64::MAX, 8)), (Found::Nobody, Found::Nobody));
    }
}
