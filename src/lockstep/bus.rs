//! The bus of a lockstep run: what the first engine does on it is done and recorded; the second one gets the same answers
//! from the record, and has to ask the same questions. So devices and time happen once.

use lyrebird_core::{CpuBus, Delivery, Signals, VmTime};
use lyrebird_memory::GuestMemory;
use lyrebird_memory::twin::{Shape, Written};

/// A question to the bus.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the methods of `CpuBus` with their arguments")]
pub enum Call {
    PortRead { port: u16, bytes: u8 },
    PortWrite { port: u16, bytes: u8, value: u32 },
    PortReadBlock { port: u16, bytes: u8, len: usize },
    PortWriteBlock { port: u16, bytes: u8, data: Vec<u8> },
    MmioRead { gpa: u64, bytes: u8 },
    MmioWrite { gpa: u64, bytes: u8, value: u64 },
    Acknowledge,
    Now { retired: u64 },
    Tsc { retired: u64 },
    Cr8,
    SetCr8 { value: u8 },
    ApicMsrRead { index: u32 },
    ApicMsrWrite { index: u32, value: u64 },
    SetFerr { asserted: bool },
    Entropy,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    number: Option<u64>,
    data: Vec<u8>,
}

impl Answer {
    fn number(number: impl Into<u64>) -> Self {
        Answer { number: Some(number.into()), data: Vec::new() }
    }
}

/// A question, its answer, and what else the machine did meanwhile.
pub struct Event {
    call: Call,
    answer: Answer,
    /// What devices wrote to memory.
    written: Vec<Written>,
    /// The memory map after it, if that changed.
    shape: Option<Shape>,
    /// The vCPU was asked to come back.
    kicked: bool,
}

/// Passes everything on and writes it down.
pub struct Recorder<'a> {
    /// The machine.
    pub bus: &'a mut dyn CpuBus,
    /// The machine's memory, and its epoch when last looked at.
    pub memory: &'a GuestMemory,
    /// That memory's epoch, when its shape was last known.
    pub epoch: u64,
    /// The signals that the machine sets, and how they stood at the beginning.
    pub outer: &'a Signals,
    /// See `outer`.
    pub seen: u32,
    /// The signals that the vCPU sees.
    pub inner: &'a Signals,
    /// The record.
    pub events: Vec<Event>,
}

/// Answers from the record.
pub struct Replayer<'a> {
    /// The record.
    pub events: &'a [Event],
    /// How much of it has been used.
    pub at: usize,
    /// The memory of the vCPU that asks.
    pub memory: &'a GuestMemory,
    /// To be kicked where the recorded vCPU was.
    pub kick: Option<&'a Signals>,
    /// The first question that was another one.
    pub wrong: Option<String>,
}

/// Writes what devices wrote into another memory.
pub fn write_again(memory: &GuestMemory, written: &[Written]) {
    for Written { block, offset, bytes } in written {
        _ = memory.write_block(&memory.block(*block), *offset, bytes);
    }
}

/// What [`Recorder`] and [`Replayer`] have in common: one way to ask.
trait Ask {
    fn ask(&mut self, call: Call, machine: impl FnOnce(&mut dyn CpuBus) -> Answer) -> Answer;
    fn note_retired(&mut self, retired: u64);
    fn note_delivery(&mut self, delivery: Delivery);
    fn pause(&mut self);
    fn stop_requested(&mut self) -> bool;
}

impl Ask for Recorder<'_> {
    fn ask(&mut self, call: Call, machine: impl FnOnce(&mut dyn CpuBus) -> Answer) -> Answer {
        self.memory.set_journal(true);
        let answer = machine(self.bus);
        self.memory.set_journal(false);
        let epoch = self.memory.epoch();
        let shape = (epoch != self.epoch).then(|| self.memory.shape());
        self.epoch = epoch;
        let kicked = self.outer.bits() != self.seen || self.bus.stop_requested();
        if kicked {
            self.inner.kick();
        }
        let written = self.memory.take_journal();
        self.events.push(Event { call, answer: answer.clone(), written, shape, kicked });
        answer
    }
    fn note_retired(&mut self, retired: u64) {
        self.bus.note_retired(retired);
    }
    fn note_delivery(&mut self, delivery: Delivery) {
        self.bus.note_delivery(delivery);
    }
    fn pause(&mut self) {
        self.bus.pause();
        if self.outer.bits() != self.seen {
            self.inner.kick();
        }
    }
    fn stop_requested(&mut self) -> bool {
        self.bus.stop_requested()
    }
}

impl Ask for Replayer<'_> {
    fn ask(&mut self, call: Call, _: impl FnOnce(&mut dyn CpuBus) -> Answer) -> Answer {
        let event = self.events.get(self.at).filter(|event| event.call == call);
        let Some(event) = event else {
            let other = self.events.get(self.at).map_or("nothing".into(), |event| format!("{:x?}", event.call));
            self.wrong.get_or_insert_with(|| {
                format!("asked the bus for {call:x?}, where the other engine asked for {other}")
            });
            return Answer::default();
        };
        self.at += 1;
        write_again(self.memory, &event.written);
        if let Some(shape) = &event.shape
            && let Err(error) = self.memory.take_shape(shape)
        {
            self.wrong.get_or_insert_with(|| error.to_string());
        }
        if event.kicked
            && let Some(signals) = self.kick
        {
            signals.kick();
        }
        event.answer.clone()
    }
    fn note_retired(&mut self, _: u64) {}
    fn note_delivery(&mut self, _: Delivery) {}
    fn pause(&mut self) {}
    fn stop_requested(&mut self) -> bool {
        false
    }
}

macro_rules! bus {
    ($name:ty) => {
        impl CpuBus for $name {
            fn note_retired(&mut self, retired: u64) {
                Ask::note_retired(self, retired);
            }
            fn note_delivery(&mut self, delivery: Delivery) {
                Ask::note_delivery(self, delivery);
            }
            fn port_read(&mut self, port: u16, bytes: u8) -> u32 {
                let call = Call::PortRead { port, bytes };
                self.ask(call, |bus| Answer::number(bus.port_read(port, bytes))).number.unwrap_or(0) as u32
            }
            fn port_write(&mut self, port: u16, bytes: u8, value: u32) {
                self.ask(Call::PortWrite { port, bytes, value }, |bus| {
                    bus.port_write(port, bytes, value);
                    Answer::default()
                });
            }
            fn port_read_block(&mut self, port: u16, bytes: u8, data: &mut [u8]) {
                let answer = self.ask(Call::PortReadBlock { port, bytes, len: data.len() }, |bus| {
                    bus.port_read_block(port, bytes, data);
                    Answer { number: None, data: data.to_vec() }
                });
                if answer.data.len() == data.len() {
                    data.copy_from_slice(&answer.data);
                }
            }
            fn port_write_block(&mut self, port: u16, bytes: u8, data: &[u8]) {
                self.ask(Call::PortWriteBlock { port, bytes, data: data.to_vec() }, |bus| {
                    bus.port_write_block(port, bytes, data);
                    Answer::default()
                });
            }
            fn mmio_read(&mut self, gpa: u64, bytes: u8) -> u64 {
                let call = Call::MmioRead { gpa, bytes };
                self.ask(call, |bus| Answer::number(bus.mmio_read(gpa, bytes))).number.unwrap_or(0)
            }
            fn mmio_write(&mut self, gpa: u64, bytes: u8, value: u64) {
                self.ask(Call::MmioWrite { gpa, bytes, value }, |bus| {
                    bus.mmio_write(gpa, bytes, value);
                    Answer::default()
                });
            }
            fn acknowledge(&mut self) -> Option<u8> {
                let answer = self.ask(Call::Acknowledge, |bus| Answer {
                    number: bus.acknowledge().map(u64::from),
                    data: Vec::new(),
                });
                answer.number.map(|vector| vector as u8)
            }
            fn now(&mut self, retired: u64) -> VmTime {
                let call = Call::Now { retired };
                VmTime(self.ask(call, |bus| Answer::number(bus.now(retired).as_nanos())).number.unwrap_or(0))
            }
            fn tsc(&mut self, retired: u64) -> u64 {
                let call = Call::Tsc { retired };
                self.ask(call, |bus| Answer::number(bus.tsc(retired))).number.unwrap_or(0)
            }
            fn cr8(&mut self) -> u8 {
                self.ask(Call::Cr8, |bus| Answer::number(bus.cr8())).number.unwrap_or(0) as u8
            }
            fn set_cr8(&mut self, value: u8) {
                self.ask(Call::SetCr8 { value }, |bus| {
                    bus.set_cr8(value);
                    Answer::default()
                });
            }
            fn apic_msr_read(&mut self, index: u32) -> Option<u64> {
                let call = Call::ApicMsrRead { index };
                self.ask(call, |bus| Answer { number: bus.apic_msr_read(index), data: Vec::new() }).number
            }
            fn apic_msr_write(&mut self, index: u32, value: u64) -> bool {
                let call = Call::ApicMsrWrite { index, value };
                self.ask(call, |bus| Answer::number(bus.apic_msr_write(index, value))).number.unwrap_or(0) != 0
            }
            fn set_ferr(&mut self, asserted: bool) {
                self.ask(Call::SetFerr { asserted }, |bus| {
                    bus.set_ferr(asserted);
                    Answer::default()
                });
            }
            fn entropy(&mut self) -> u64 {
                self.ask(Call::Entropy, |bus| Answer::number(bus.entropy())).number.unwrap_or(0)
            }
            fn pause(&mut self) {
                Ask::pause(self);
            }
            fn stop_requested(&mut self) -> bool {
                Ask::stop_requested(self)
            }
        }
    };
}

bus!(Recorder<'_>);
bus!(Replayer<'_>);
