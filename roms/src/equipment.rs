//! INT 11h and 12h: what the machine has.

use crate::bda;
use crate::call::Call;

/// INT 11h: the equipment list.
pub fn list(call: &mut Call<'_>) {
    let list = call.bda_word(bda::EQUIPMENT);
    call.regs.set_ax(list);
}

/// INT 12h: KiB of conventional memory.
pub fn memory(call: &mut Call<'_>) {
    let kib = call.bda_word(bda::MEMORY_KIB);
    call.regs.set_ax(kib);
}
