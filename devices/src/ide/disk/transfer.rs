//! Commands that address sectors: reading, writing, verifying.

use super::super::task_file::{LBA, TaskFile, error};
use super::Disk;
use lyrebird_core::BlockError;
use lyrebird_core::block::SECTOR;
use serde::{Deserialize, Serialize};

/// How the registers give an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Form {
    /// Cylinder, head and sector of the current translation.
    Chs,
    /// 28 bits.
    Lba28,
    /// 48 bits, of the EXT commands.
    Lba48,
}

impl Form {
    /// What commands without EXT use.
    pub fn short(regs: &TaskFile) -> Self {
        if regs.device & LBA != 0 { Form::Lba28 } else { Form::Chs }
    }
}

/// What to do when the present block is through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Job {
    /// Nothing: it was the reply of a command without sectors.
    #[default]
    None,
    /// Offer the next sectors.
    Read(Run),
    /// Write the block, and want the next.
    Write(Run),
}

/// The sectors to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    form: Form,
    sector: u64,
    left: u32,
    /// Sectors in a block.
    block: u32,
    dma: bool,
    /// Durable when done.
    fua: bool,
}

impl Run {
    fn next(&self) -> usize {
        self.left.min(self.block.clamp(1, super::DMA_BLOCK)) as usize * SECTOR
    }
}

impl Disk {
    /// The first sector and the count that the registers ask for; `None` if that is not on the disk.
    fn range(&self, form: Form) -> Option<(u64, u32)> {
        let count = self.regs.sectors(form == Form::Lba48);
        let first = match form {
            Form::Lba48 => self.regs.lba48(),
            Form::Lba28 => self.regs.lba28(),
            Form::Chs => {
                let (head, sector) = (self.regs.device & 15, self.regs.lba_low());
                if sector == 0 || sector > self.state.track || head >= self.state.heads {
                    return None;
                }
                let track = u64::from(self.regs.cylinder()) * u64::from(self.state.heads) + u64::from(head);
                track * u64::from(self.state.track) + u64::from(sector) - 1
            }
        };
        (first + u64::from(count) <= self.medium.sectors()).then_some((first, count))
    }

    /// Puts an address into the registers.
    fn set_address(&mut self, form: Form, sector: u64) {
        match form {
            Form::Lba48 => self.regs.set_lba48(sector),
            Form::Lba28 => self.regs.set_lba28(sector),
            Form::Chs => {
                let (heads, track) = (u64::from(self.state.heads).max(1), u64::from(self.state.track).max(1));
                self.regs.set_lba_low((sector % track) as u8 + 1);
                self.regs.set_cylinder((sector / track / heads) as u16);
                self.regs.device = self.regs.device & 0xf0 | (sector / track % heads) as u8 & 15;
            }
        }
    }

    fn run(&mut self, form: Form, block: u32, dma: bool, fua: bool) -> Option<Run> {
        match self.range(form) {
            Some((sector, left)) => Some(Run { form, sector, left, block, dma, fua }),
            None => {
                self.regs.fail(error::IDNF);
                None
            }
        }
    }

    pub(super) fn read(&mut self, form: Form, block: u32, dma: bool) {
        if let Some(run) = self.run(form, block, dma, false) {
            self.read_block(run);
        }
    }

    /// Reads a block of a command that goes on: one access to the medium serves many of them. If that fails, the block is
    /// read by itself, so that the error is told where it is.
    fn fetch(&mut self, run: &Run) -> Result<Vec<u8>, BlockError> {
        let bytes = run.next();
        if !self.ahead.holds(run.sector, bytes) && run.left as usize * SECTOR > bytes {
            let sectors = run.left.min(super::READ_AHEAD);
            self.ahead.first = run.sector;
            self.ahead.data.resize(sectors as usize * SECTOR, 0);
            if self.medium.read_at(run.sector, &mut self.ahead.data).is_err() {
                self.ahead.data.clear();
            }
        }
        if self.ahead.holds(run.sector, bytes) {
            let at = (run.sector - self.ahead.first) as usize * SECTOR;
            return Ok(self.ahead.data[at..at + bytes].to_vec());
        }
        let mut block = vec![0; bytes];
        self.medium.read_at(run.sector, &mut block).map(|()| block)
    }

    /// Offers the next block of sectors.
    fn read_block(&mut self, mut run: Run) {
        match self.fetch(&run) {
            Ok(block) => {
                let count = (block.len() / SECTOR) as u32;
                run.sector += u64::from(count);
                run.left -= count;
                self.set_address(run.form, run.sector - 1);
                self.regs.offer(block, run.dma);
                self.state.job = Job::Read(run);
            }
            Err(error) => self.sector_error(&run, &error, error::UNC),
        }
    }

    pub(super) fn write(&mut self, form: Form, block: u32, dma: bool, fua: bool) {
        if self.medium.read_only() {
            return self.regs.fail(error::ABRT);
        }
        if let Some(run) = self.run(form, block, dma, fua) {
            self.regs.want(run.next(), dma);
            self.state.job = Job::Write(run);
        }
    }

    fn write_block(&mut self, mut run: Run) {
        let block = std::mem::take(&mut self.regs.buffer);
        let count = (block.len() / SECTOR) as u32;
        if let Err(error) = self.medium.write_at(run.sector, &block) {
            return self.sector_error(&run, &error, error::ABRT);
        }
        run.sector += u64::from(count);
        run.left = run.left.saturating_sub(count);
        self.set_address(run.form, run.sector.saturating_sub(1));
        if run.left > 0 {
            self.regs.want(run.next(), run.dma);
            self.regs.intrq |= !run.dma;
            self.state.job = Job::Write(run);
            return;
        }
        self.state.job = Job::None;
        if (run.fua || !self.state.write_cache)
            && let Err(error) = self.medium.flush()
        {
            return self.sector_error(&run, &error, error::ABRT);
        }
        self.regs.set_count(0);
        self.regs.complete();
    }

    fn sector_error(&mut self, run: &Run, error: &BlockError, bits: u8) {
        self.report(error);
        self.state.job = Job::None;
        self.set_address(run.form, run.sector);
        self.regs.fail(bits);
    }

    /// The block under way has gone through.
    pub(in super::super) fn block_done(&mut self) {
        match std::mem::take(&mut self.state.job) {
            Job::Read(run) if run.left > 0 => self.read_block(run),
            Job::Read(run) => {
                self.regs.set_count(0);
                if run.dma { self.regs.complete() } else { self.regs.complete_quietly() }
            }
            Job::Write(run) => self.write_block(run),
            Job::None => self.regs.complete_quietly(),
        }
    }

    pub(super) fn verify(&mut self, form: Form) {
        let Some(mut run) = self.run(form, super::DMA_BLOCK, false, false) else { return };
        while run.left > 0 {
            let mut block = vec![0; run.next()];
            if let Err(error) = self.medium.read_at(run.sector, &mut block) {
                return self.sector_error(&run, &error, error::UNC);
            }
            let count = (block.len() / SECTOR) as u32;
            run.sector += u64::from(count);
            run.left -= count;
        }
        self.set_address(form, run.sector - 1);
        self.regs.set_count(0);
        self.regs.complete();
    }

    pub(super) fn seek(&mut self) {
        // The count means nothing here.
        self.regs.set_count(1);
        match self.range(Form::short(&self.regs)) {
            Some(_) => self.regs.complete(),
            None => self.regs.fail(error::IDNF),
        }
    }

    pub(super) fn flush_cache(&mut self) {
        match self.medium.flush() {
            Ok(()) => self.regs.complete(),
            Err(error) => {
                self.report(&error);
                self.regs.fail(error::ABRT);
            }
        }
    }

    pub(super) fn read_native_max(&mut self, ext: bool) {
        let last = self.medium.sectors().saturating_sub(1);
        match (ext, self.regs.device & LBA != 0) {
            (true, _) => self.regs.set_lba48(last),
            (false, true) => self.regs.set_lba28(last.min((1 << 28) - 1)),
            (false, false) => {
                let all = u64::from(self.cylinders()) * u64::from(self.state.heads) * u64::from(self.state.track);
                self.set_address(Form::Chs, last.min(all.saturating_sub(1)));
            }
        }
        self.regs.complete();
    }
}
