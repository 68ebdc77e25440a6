//! A drive: where its heads are, and what is in it.

use super::format::Format;
use lyrebird_core::BlockDevice;
use lyrebird_core::block::SECTOR;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A drive.
#[derive(Default)]
pub struct Drive {
    medium: Option<(Box<dyn BlockDevice>, Format)>,
    /// CMOS's number for what it is; 0 if there is no drive.
    kind: u8,
    pub(super) state: DriveState,
}

/// What of a drive is saved.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct DriveState {
    /// Where the heads are.
    pub track: u8,
    /// The disk change line: the door was open, and no step has been made since.
    pub changed: bool,
    /// Sectors whose data mark says that they are deleted.
    pub deleted: BTreeSet<u64>,
}

/// A drive without a medium is taken for 1.44 MB.
const USUAL_KIND: u8 = 4;

impl Drive {
    /// A drive, perhaps with a medium in it. A medium that is too large for any floppy stays outside.
    pub fn new(medium: Option<Box<dyn BlockDevice>>) -> Self {
        let mut drive = Drive { kind: USUAL_KIND, ..Drive::default() };
        drive.insert(medium);
        if let Some((_, format)) = &drive.medium {
            drive.kind = format.drive_type();
        }
        drive
    }

    /// Puts a medium in, or takes it out.
    pub fn insert(&mut self, medium: Option<Box<dyn BlockDevice>>) {
        self.medium = medium.and_then(|medium| {
            let format = Format::guess(medium.sectors())?;
            Some((medium, format))
        });
        self.state.changed = true;
        self.state.deleted.clear();
    }

    /// CMOS's number for what the drive is; 0 if it is not there.
    pub fn kind(&self) -> u8 {
        self.kind
    }

    /// What is in it.
    pub fn medium(&mut self) -> Option<(&mut dyn BlockDevice, Format)> {
        let (medium, format) = self.medium.as_mut()?;
        Some((medium.as_mut(), *format))
    }

    pub(super) fn format(&self) -> Option<Format> {
        self.medium.as_ref().map(|medium| medium.1)
    }

    /// How many sectors the image has, to know it again.
    pub(super) fn image_sectors(&self) -> Option<u64> {
        self.medium.as_ref().map(|medium| medium.0.sectors())
    }

    pub(super) fn write_protected(&self) -> bool {
        self.medium.as_ref().is_some_and(|medium| medium.0.read_only())
    }

    /// The last track that its heads reach.
    pub(super) fn last_track(&self) -> u8 {
        if self.kind == 1 { 42 } else { 84 }
    }

    /// The disk change line as the controller sees it.
    pub(super) fn change_line(&self) -> bool {
        self.kind != 0 && (self.state.changed || self.medium.is_none())
    }

    /// Moves the heads. A step closes the disk change line if there is a medium.
    pub(super) fn seek(&mut self, track: u8) {
        let track = track.min(self.last_track());
        if track != self.state.track && self.medium.is_some() {
            self.state.changed = false;
        }
        self.state.track = track;
    }

    /// The number of a sector of the track under the heads; `None` if it has no such sector.
    pub(super) fn locate(&self, head: u8, sector: u8) -> Option<u64> {
        let format = self.format()?;
        let there = self.state.track < format.cylinders && head < format.heads;
        let there = there && (1..=format.sectors).contains(&sector);
        let track = u64::from(self.state.track) * u64::from(format.heads) + u64::from(head);
        there.then(|| track * u64::from(format.sectors) + u64::from(sector) - 1)
    }

    /// Reads a sector. What is beyond the end of a short image is blank.
    pub(super) fn read(&mut self, sector: u64, data: &mut [u8; SECTOR]) -> bool {
        let Some((medium, _)) = &mut self.medium else { return false };
        data.fill(0);
        sector >= medium.sectors() || medium.read_at(sector, data).map_err(|error| complain(&error)).is_ok()
    }

    /// Makes what was written durable.
    pub(super) fn flush(&mut self) {
        if let Some((medium, _)) = &mut self.medium
            && let Err(error) = medium.flush()
        {
            complain(&error);
        }
    }

    /// Writes a sector.
    pub(super) fn write(&mut self, sector: u64, data: &[u8; SECTOR], deleted: bool) -> bool {
        let Some((medium, _)) = &mut self.medium else { return false };
        if deleted {
            self.state.deleted.insert(sector);
        } else {
            self.state.deleted.remove(&sector);
        }
        medium.write_at(sector, data).map_err(|error| complain(&error)).is_ok()
    }
}

fn complain(error: &lyrebird_core::BlockError) {
    tracing::warn!(%error, "floppy");
}
