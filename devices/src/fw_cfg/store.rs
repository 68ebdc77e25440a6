//! The items behind the selector, and the directory of those that have names.

use std::collections::BTreeMap;

/// Item: the four bytes "QEMU".
const SIGNATURE: u16 = 0;
/// Item: which interfaces there are (bit 0 the ports, bit 1 DMA).
const ID: u16 = 1;
/// Item: the directory of named files.
const FILE_DIR: u16 = 0x19;
/// The first selector of a named file.
const FILE_FIRST: u16 = 0x20;
/// Bits of a selector that are not part of the item's number: the old write flag.
const NUMBER: u16 = !0x4000;
/// A directory entry's room for a name, with its closing zero.
const NAME: usize = 56;

struct Item {
    data: Vec<u8>,
    writable: bool,
}

/// All items.
pub struct Store {
    items: BTreeMap<u16, Item>,
    files: Vec<String>,
}

impl Store {
    pub(super) fn new() -> Self {
        let mut store = Store { items: BTreeMap::new(), files: Vec::new() };
        store.set_item(SIGNATURE, b"QEMU".to_vec());
        store.set_item(ID, 3u32.to_le_bytes().to_vec());
        store.write_directory();
        store
    }

    /// Sets a numbered item.
    pub fn set_item(&mut self, selector: u16, data: Vec<u8>) {
        self.items.insert(selector & NUMBER, Item { data, writable: false });
    }

    /// Adds a named file, or replaces the one of that name. False if the name or the number of files is too great.
    pub fn set_file(&mut self, name: &str, data: Vec<u8>, writable: bool) -> bool {
        if name.len() >= NAME || data.len() > u32::MAX as usize {
            return false;
        }
        let index = self.files.iter().position(|file| file == name).unwrap_or(self.files.len());
        let Some(selector) = u16::try_from(index).ok().map(|i| i + FILE_FIRST).filter(|s| *s < 0x4000) else {
            return false;
        };
        if index == self.files.len() {
            self.files.push(name.into());
        }
        self.items.insert(selector, Item { data, writable });
        self.write_directory();
        true
    }

    /// The file of this name.
    pub fn file(&self, name: &str) -> Option<&[u8]> {
        let index = self.files.iter().position(|file| file == name)?;
        Some(self.get(FILE_FIRST + index as u16))
    }

    /// An item's bytes; none if there is no such item.
    pub fn get(&self, selector: u16) -> &[u8] {
        self.items.get(&(selector & NUMBER)).map_or(&[], |item| &item.data)
    }

    pub(super) fn writable(&mut self, selector: u16) -> Option<&mut Vec<u8>> {
        self.items.get_mut(&(selector & NUMBER)).filter(|item| item.writable).map(|item| &mut item.data)
    }

    pub(super) fn written(&self) -> Vec<(u16, Vec<u8>)> {
        self.items.iter().filter(|(_, item)| item.writable).map(|(number, item)| (*number, item.data.clone())).collect()
    }

    fn write_directory(&mut self) {
        let mut directory = (self.files.len() as u32).to_be_bytes().to_vec();
        for (index, name) in self.files.iter().enumerate() {
            let selector = FILE_FIRST + index as u16;
            directory.extend((self.get(selector).len() as u32).to_be_bytes());
            directory.extend(selector.to_be_bytes());
            directory.extend([0; 2]);
            let mut field = [0; NAME];
            field[..name.len()].copy_from_slice(name.as_bytes());
            directory.extend(field);
        }
        self.set_item(FILE_DIR, directory);
    }
}
