//! Runs a guest program on a whole machine, and catches what it prints.

use backend_interp::InterpEngine;
use frontend_x86::model::Model;
use lyrebird::boot::{BootRequest, Image, Loader, tables};
use lyrebird::machine::{DebugExitConfig, EntropySource, Machine, MachineConfig, Outcome, RtcBase, TimeMode};
use lyrebird_core::chars::{CharPort, KeptOutput};
use std::sync::Arc;

/// What came out of COM1.
fn text(printed: &KeptOutput) -> String {
    String::from_utf8_lossy(&printed.0.lock().unwrap()).into_owned()
}

/// A deterministic machine of 32 MiB with COM1, a debug exit port at F4h and this kernel. A reset restarts it.
pub fn config(kernel: Vec<u8>, command_line: &str) -> (MachineConfig, KeptOutput) {
    let model = Model::by_name("x86-64-v2").expect("the usual CPU model");
    let printed = KeptOutput::default();
    let mut request = BootRequest::new(Image::new("guest", kernel), tables::Board::default());
    request.command_line = command_line.into();
    request.physical_bits = model.physical_bits;
    let mut loader = Loader::new(request).unwrap();
    let mut config = MachineConfig::new(32 << 20, Box::new(InterpEngine::new(Arc::new(model))));
    config.serial = vec![Some(CharPort { out: Box::new(printed.clone()), input: Arc::default() })];
    config.debug_exit = Some(DebugExitConfig { iobase: 0xf4, iosize: 4 });
    config.rtc_base = RtcBase::Fixed(1_000_000_000);
    config.time = TimeMode::DETERMINISTIC;
    config.entropy = EntropySource::Seed(0);
    config.boot = Some(Box::new(move |target| {
        loader.install(target.memory, target.cpus)?;
        Ok(())
    }));
    (config, printed)
}

/// Runs it to its end.
pub fn run((config, printed): (MachineConfig, KeptOutput)) -> (Outcome, String) {
    let outcome = Machine::new(config).unwrap().run();
    (outcome, text(&printed))
}
