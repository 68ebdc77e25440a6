//! One of the sides of a comparison.

use super::common::{CODE, DATA, RAM, tables};
use lyrebird_core::{Budget, CpuState, Exit, NoBus, Vcpu};
use lyrebird_memory::GuestMemory;
use std::sync::Arc;

/// A vCPU and its memory.
pub struct Side<V> {
    pub vcpu: V,
    pub memory: Arc<GuestMemory>,
}

impl<V: Vcpu> Side<V> {
    /// Runs a program, and gives what is left.
    pub fn run(&mut self, code: &[u8], data: &[u8], start: &CpuState) -> (Exit, CpuState, Vec<u8>) {
        self.memory.write(CODE, code).unwrap();
        // All of memory, since wild addresses reach it.
        let mut all = vec![0x3c; RAM as usize];
        all[CODE as usize..][..code.len()].copy_from_slice(code);
        all[DATA as usize..][..data.len()].copy_from_slice(data);
        tables(|at, value| all[at as usize..][..8].copy_from_slice(&value.to_le_bytes()));
        self.memory.write(0, &all).unwrap();
        self.vcpu.set_state(start);
        let exit = self.vcpu.run(&mut NoBus, Budget::exactly(2000));
        self.memory.read(0, &mut all).unwrap();
        let mut end = self.vcpu.state();
        // Programs end in a jump to itself: how often it was taken says nothing.
        if exit == Exit::Budget {
            end.retired = 0;
        }
        (exit, end, all)
    }
}
