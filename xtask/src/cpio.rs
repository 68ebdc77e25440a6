//! Writes the archives that Linux unpacks as its initial file system: cpio, "newc" format, compressed with gzip. The same input
//! gives the same bytes: no times, no owners, inode numbers in order.

use anyhow::{Context, Result};
use flate2::{Compression, GzBuilder};
use std::io::Write;
use std::path::Path;

const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;

/// An archive in the making. Folders must be added before what is in them.
#[derive(Default)]
pub struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    /// Adds a folder.
    pub fn directory(&mut self, path: &str) {
        self.entry(path, DIRECTORY | 0o755, 2, &[]);
    }

    /// Adds a file that can be executed, as most files of an initial file system are.
    pub fn file(&mut self, path: &str, contents: &[u8]) {
        self.entry(path, REGULAR | 0o755, 1, contents);
    }

    /// Adds a copy of a file of the host.
    pub fn copy(&mut self, path: &str, from: &Path) -> Result<()> {
        let contents = std::fs::read(from).with_context(|| format!("{} cannot be read", from.display()))?;
        self.file(path, &contents);
        Ok(())
    }

    /// One header of thirteen hexadecimal numbers, the name, the contents; each padded to four bytes.
    fn entry(&mut self, path: &str, mode: u32, links: u32, contents: &[u8]) {
        self.entries += 1;
        let inode = if path == TRAILER { 0 } else { self.entries };
        let fields = [inode, mode, 0, 0, links, 0, contents.len() as u32, 0, 0, 0, 0, path.len() as u32 + 1, 0];
        self.bytes.extend(b"070701");
        for field in fields {
            self.bytes.extend(format!("{field:08x}").bytes());
        }
        self.bytes.extend(path.bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend(contents);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }

    /// The archive with its end mark.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry(TRAILER, 0, 1, &[]);
        self.bytes
    }

    /// Writes the archive, compressed.
    pub fn write_gzip(self, to: &Path) -> Result<()> {
        let mut encoder = GzBuilder::new().mtime(0).write(Vec::new(), Compression::best());
        encoder.write_all(&self.finish())?;
        std::fs::write(to, encoder.finish()?).with_context(|| format!("{} cannot be written", to.display()))
    }
}

/// The name of the entry that ends an archive.
const TRAILER: &str = "TRAILER!!!";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_stand_where_their_headers_say() {
        let mut archive = Archive::default();
        archive.directory("bin");
        archive.file("bin/a", b"hello");
        let bytes = archive.finish();
        let (mut at, mut seen) = (0, Vec::new());
        while at < bytes.len() {
            assert_eq!(&bytes[at..at + 6], b"070701");
            let field = |index: usize| {
                let text = std::str::from_utf8(&bytes[at + 6 + 8 * index..][..8]).unwrap();
                u32::from_str_radix(text, 16).unwrap() as usize
            };
            let name = &bytes[at + 110..][..field(11) - 1];
            let contents = (at + 110 + field(11)).next_multiple_of(4);
            seen.push((String::from_utf8(name.to_vec()).unwrap(), field(1), bytes[contents..][..field(6)].to_vec()));
            at = (contents + field(6)).next_multiple_of(4);
        }
        let expected = [("bin", 0o40755, &b""[..]), ("bin/a", 0o100755, b"hello")];
        for (entry, (name, mode, contents)) in seen.iter().zip(expected) {
            assert_eq!((entry.0.as_str(), entry.1, entry.2.as_slice()), (name, mode, contents));
        }
        assert_eq!((seen.len(), seen[2].0.as_str()), (3, TRAILER));
    }
}
