//! (temporary seam until the system functions land)
use frontend_x86::exception::Exception;
use frontend_x86::Ctx;
use lyrebird_core::cpu::state::{Activity, Shadow};

pub enum Boundary { Execute, Halted, Shutdown }
pub fn poll(ctx: &mut Ctx) -> Boundary {
    match ctx.cpu.state.activity { Activity::Running => Boundary::Execute, Activity::Shutdown => Boundary::Shutdown, _ => Boundary::Halted }
}
pub fn raise(_ctx: &mut Ctx, e: Exception) -> bool { eprintln!("{e:?}"); false }
pub fn before_instruction(_ctx: &mut Ctx) -> Result<(), Exception> { Ok(()) }
pub fn after_instruction(ctx: &mut Ctx, _s: Shadow) -> Result<(), Exception> { ctx.cpu.state.shadow = Shadow::None; Ok(()) }
